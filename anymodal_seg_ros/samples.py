# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The values that flow through the package, in the order in which they arise. numpy only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

EVENT_DTYPE = np.dtype([('x', '<u2'), ('y', '<u2'), ('t_ns', '<i8'), ('polarity', '?')])
"""One event: pixel column and row, absolute time in ns, True where it grew brighter."""


class Payload(Enum):
    """In what form a sensor measures, and so what may be checked of it and go wrong with it."""

    IMAGE = 'image'
    """uint8 [H, W, 3], red first, or grey [H, W]."""
    DEPTH = 'depth'
    """float32 [H, W], metres along the optical axis, NaN where there is no return."""
    CLOUD = 'cloud'
    """float32 [N, 4], x y z in metres in the sensor's frame (x forward, y left, z up) and
    intensity in 0..1 (0 where the sensor gives none); finite points only."""
    EVENTS = 'events'
    """Structured [N] of ``EVENT_DTYPE``, or a ready-made frame uint8 [H, W, 3]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """One sensor message, decoded to physical units and not yet resampled or projected.

    ``data`` has the form that ``Payload`` says of the modality's payload.
    """

    modality: str
    stamp_ns: int
    """When it was measured, from the message header, in the node's clock."""
    received_ns: int
    """When it arrived, in the node's clock."""
    frame_id: str
    data: npt.NDArray[Any]
    received_steady_ns: int = 0
    """When it arrived, on a clock that never jumps; 0 where there is none, as in a recording."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampleSet:
    """Samples that belong to one instant. An absent sensor is an absent key."""

    stamp_ns: int
    """The reference sample's stamp; strictly increasing from set to set."""
    reference: str
    """The modality whose stamp this is."""
    samples: Mapping[str, Sample]
    """Never empty; at most one sample for a modality."""
    complete: bool
    """True when every trusted sensor that ever spoke is in it."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """Why each other sensor is not in it: modality to reason code."""

    def offset_ns(self, modality: str) -> int:
        """Sample stamp minus set stamp; negative where the sample is older."""
        return self.samples[modality].stamp_ns - self.stamp_ns

    def without(self, reasons: Mapping[str, str]) -> SampleSet:
        """The set without the members that ``reasons`` names, which may be all, absent for these
        reason codes; itself where it names none."""
        left = {name: why for name, why in reasons.items() if name in self.samples}
        if not left:
            return self
        kept = {name: sample for name, sample in self.samples.items() if name not in left}
        return replace(self, samples=kept, absent={**self.absent, **left})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prediction:
    """The network's answer, at camera resolution."""

    stamp_ns: int
    labels: npt.NDArray[np.uint8]
    """[H, W] class ids; 255 where nothing can be said."""
    confidence: npt.NDArray[np.uint8]
    """[H, W] softmax probability of the label, 0..255."""
    used: tuple[str, ...]
    """The modalities that the network saw, sorted."""


class HealthState(Enum):
    """What is known of a sensor. See ``anymodal_seg_ros/health`` for the transitions."""

    WAITING = 'waiting'
    OK = 'ok'
    DEGRADED = 'degraded'
    LOST = 'lost'
    PROBATION = 'probation'
    DISABLED = 'disabled'


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """One sensor's health at one moment."""

    modality: str
    state: HealthState
    reason: str
    """Reason code of the state, for example ``'image_black'``; ``''`` when OK."""
    trusted: bool
    """Whether its samples may enter a set now."""
    since_ns: int
    """When the state was entered, in the node's clock."""
    rate_hz: float
    """Arrivals per second over the window; NaN before two arrivals."""
    expected_rate_hz: float
    """Learnt or configured rate; NaN while unknown."""
    age_ms: float
    """Node's clock minus last arrival; NaN before the first."""
    latency_ms: float
    """Arrival minus stamp of the last sample; NaN before the first."""
    num_received: int
    num_rejected: int
    """Malformed messages and samples withheld for their content, stamp, size or frame."""
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Rejections by reason code."""
    encoder_failure: str = ''
    """What its encoder fails with while it does so."""
