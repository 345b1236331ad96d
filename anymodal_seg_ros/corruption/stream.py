# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of when and whether messages arrive. Pure: time comes in, delays go out."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from anymodal_seg_ros.corruption.schedule import ScheduledFault

T = TypeVar('T')

MAX_DELAY_S = 1.0
MAX_STAMP_OFFSET_S = 10.0
MAX_RATE_DIVISOR = 10


@dataclass(frozen=True, slots=True)
class Outgoing(Generic[T]):
    """One message to publish."""

    item: T
    """Whose content goes out: an earlier message while the sensor is frozen."""
    stamp_from: T
    """Whose stamp it carries: always the message that came in."""
    delay_s: float
    """How long to hold it back."""
    stamp_shift_s: float
    """What to add to the stamp."""


def rate_divisor(severity: float) -> int:
    """One message in how many passes: round(1 / (1 - severity)), from 2 to 10."""
    exact = 1.0 / max(1.0 - severity, 1.0 / MAX_RATE_DIVISOR)
    return min(max(round(exact), 2), MAX_RATE_DIVISOR)


class StreamFaults(Generic[T]):
    """Turns incoming messages into outgoing ones under the stream faults that are active.

    Not thread-safe. Holds one message for each frozen sensor.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._generators: dict[str, np.random.Generator] = {}
        self._frozen: dict[str, T] = {}
        self._counts: dict[str, int] = {}

    def process(
        self, modality: str, item: T, active: Sequence[ScheduledFault]
    ) -> list[Outgoing[T]]:
        """What to publish for one incoming message of a sensor.

        Args:
            modality: the sensor.
            item: the message, in any form; never looked into.
            active: its active faults; those that are no stream faults are passed over.

        Returns:
            No message (dropped) or one.
        """
        faults = [fault for fault in active if fault.kind == 'stream']
        self._forget_ended(modality, faults)
        content, delay_s, stamp_shift_s = item, 0.0, 0.0
        for fault in faults:
            if fault.fault == 'drop' and self._chance(fault):
                return []
            if fault.fault == 'rate_division' and not self._passes(fault):
                return []
            if fault.fault == 'freeze':
                held = self._frozen.setdefault(self._key(fault), item)
                content = held if self._chance(fault) else content
            elif fault.fault == 'delay':
                delay_s += MAX_DELAY_S * fault.severity
            elif fault.fault == 'stamp_offset':
                stamp_shift_s += MAX_STAMP_OFFSET_S * fault.severity
        return [Outgoing(content, item, delay_s, stamp_shift_s)]

    def reset(self) -> None:
        """Forgets everything, as at the start of a run."""
        self._generators.clear()
        self._frozen.clear()
        self._counts.clear()

    @staticmethod
    def _key(fault: ScheduledFault) -> str:
        return f'{fault.modality}/{fault.name}'

    def _forget_ended(self, modality: str, faults: Sequence[ScheduledFault]) -> None:
        alive = {self._key(fault) for fault in faults}
        for state in (self._frozen, self._counts):
            for key in [k for k in state if k.startswith(f'{modality}/') and k not in alive]:
                del state[key]

    def _chance(self, fault: ScheduledFault) -> bool:
        key = self._key(fault)
        if key not in self._generators:
            self._generators[key] = np.random.default_rng(
                [self._seed, zlib.crc32(key.encode())])
        return bool(self._generators[key].random() < fault.severity)

    def _passes(self, fault: ScheduledFault) -> bool:
        key = self._key(fault)
        count = self._counts.get(key, 0)
        self._counts[key] = count + 1
        return count % rate_divisor(fault.severity) == 0
