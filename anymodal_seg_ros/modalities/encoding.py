# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A set's sensors encoded, each on its own: one that fails costs itself and is told of."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from anymodal_seg_ros.defects import DefectLog, one_line
from anymodal_seg_ros.geometry import Rig
from anymodal_seg_ros.modalities.base import Encoder, Uint8Array
from anymodal_seg_ros.samples import SampleSet

ENCODER_FAILED = 'encoder_failed'
MAX_OUTCOMES = 1000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one sample at its encoder."""

    modality: str
    failure: str
    """Type and text of the error; '' when it was encoded."""


class SetEncoder:
    """Encodes sets in one thread, and tells another, by ``outcomes``, what became of each sample.

    A failure is logged with its traceback the first time that it comes from one place in the code.
    """

    def __init__(self, encoders: Mapping[str, Encoder]) -> None:
        self._encoders = encoders
        self._outcomes: deque[Outcome] = deque(maxlen=MAX_OUTCOMES)
        self._failed_stamps: dict[str, int] = {}
        self._log = DefectLog(logger.error)

    def encode(
        self, sample_set: SampleSet, rig: Rig, size_hw: tuple[int, int]
    ) -> tuple[SampleSet, dict[str, Uint8Array]]:
        """Images uint8 [h, w, 3] at ``size_hw`` by modality, and the set with these alone.

        A sensor whose encoder raised is absent for ``encoder_failed``; the set may become empty.
        """
        images: dict[str, Uint8Array] = {}
        for name, sample in sample_set.samples.items():
            try:
                images[name] = self._encoders[name].encode(sample.data, rig, size_hw)
            except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
                self._log.add(f'encoder of {name}', error)
                # A sample that serves in several sets fails once.
                if self._failed_stamps.get(name) != sample.stamp_ns:
                    self._failed_stamps[name] = sample.stamp_ns
                    self._outcomes.append(Outcome(name, one_line(error)))
            else:
                self._outcomes.append(Outcome(name, ''))
        failed = {name: ENCODER_FAILED for name in sample_set.samples if name not in images}
        return sample_set.without(failed), images

    def outcomes(self) -> list[Outcome]:
        """What became of the samples since the last call, oldest first, at most 1000."""
        return [self._outcomes.popleft() for _ in range(len(self._outcomes))]
