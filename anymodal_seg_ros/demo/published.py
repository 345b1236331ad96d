# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node published during a play, read back from the recording. Layer: demo."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.bags import read_bag
from anymodal_seg_ros.modalities import MODALITIES

LABEL_TOPIC = '/anymodal_seg/label'
FUSION_TOPIC = '/anymodal_seg/fusion_info'
DIAGNOSTICS_TOPIC = '/diagnostics'
FAULT_TOPIC = '/fault_injector/state'
CAMERA_TOPIC = '/camera/image'
RECORDED: Mapping[str, str] = {
    LABEL_TOPIC: 'sensor_msgs/msg/Image',
    FUSION_TOPIC: 'diagnostic_msgs/msg/DiagnosticArray',
    DIAGNOSTICS_TOPIC: 'diagnostic_msgs/msg/DiagnosticArray',
    FAULT_TOPIC: 'diagnostic_msgs/msg/DiagnosticArray',
    CAMERA_TOPIC: 'sensor_msgs/msg/Image',
}
"""Topic to type: what a play records."""
LATCHED = (FAULT_TOPIC,)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Label:
    """One published label image."""

    stamp_ns: int
    received_ns: int
    labels: npt.NDArray[np.uint8]
    """[H, W] class ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fusion:
    """What one label image was made of."""

    stamp_ns: int
    used: tuple[str, ...]
    complete: bool
    latency_ms: float
    """From the arrival of the last contributing sample to publication."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange:
    """A sensor's health at the moment it was published with a new state."""

    stamp_ns: int
    state: str
    reason: str


@dataclass(slots=True, kw_only=True, eq=False)
class Recording:
    """Everything a play recorded, in the order of arrival."""

    labels: list[Label] = field(default_factory=list)
    fusions: dict[int, Fusion] = field(default_factory=dict)
    """By the label's stamp."""
    states: dict[str, list[StateChange]] = field(default_factory=dict)
    """Modality to its changes of state."""
    camera: dict[int, npt.NDArray[np.uint8]] = field(default_factory=dict)
    """Camera images as the node got them, uint8 [H, W, 3], by stamp."""
    num_sets: int = 0
    """Sets that the node formed, from its last diagnostics."""


def read_recording(path: Path) -> Recording:
    """Read a play's recording; raises BagError when it is damaged."""
    recording = Recording()
    for recorded in read_bag(path, tuple(RECORDED)):
        message = recorded.message()
        if recorded.topic == LABEL_TOPIC:
            image = np.asarray(message.data).reshape(message.height, message.step)
            recording.labels.append(Label(
                stamp_ns=_stamp_ns(message), received_ns=recorded.recorded_ns,
                labels=image[:, :message.width]))
        elif recorded.topic == FUSION_TOPIC:
            fusion = _fusion(message)
            recording.fusions[fusion.stamp_ns] = fusion
        elif recorded.topic == DIAGNOSTICS_TOPIC:
            _read_diagnostics(recording, message)
        elif recorded.topic == CAMERA_TOPIC:
            recording.camera[_stamp_ns(message)] = MODALITIES['rgb'].decode(message)
    return recording


def _stamp_ns(message: Any) -> int:  # noqa: ANN401 - one of many message classes
    return int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)


def _values(status: Any) -> dict[str, str]:  # noqa: ANN401
    return {pair.key: pair.value for pair in status.values}


def _fusion(message: Any) -> Fusion:  # noqa: ANN401
    statuses = {status.name: _values(status) for status in message.status}
    whole = statuses.pop('set')
    return Fusion(
        stamp_ns=_stamp_ns(message),
        used=tuple(sorted(name for name, values in statuses.items() if values['used'] == 'true')),
        complete=whole['complete'] == 'true',
        latency_ms=_number(whole.get('latency_ms', 'unknown')))


def _number(text: str) -> float:
    return math.nan if text == 'unknown' else float(text)


def _read_diagnostics(recording: Recording, message: Any) -> None:  # noqa: ANN401
    for status in message.status:
        values = _values(status)
        if 'modality' in values:
            changes = recording.states.setdefault(values['modality'], [])
            if not changes or changes[-1].state != values['state']:
                changes.append(StateChange(stamp_ns=_stamp_ns(message), state=values['state'],
                                           reason=values['reason']))
        elif 'sets_in' in values:
            recording.num_sets = int(values['sets_in'])
