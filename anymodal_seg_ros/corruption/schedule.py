# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which fault strikes which sensor when: schedules, read from YAML and strictly checked."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from anymodal_seg_ros.corruption.fault import Fault, check_severity
from anymodal_seg_ros.corruption.table import FAULTS
from anymodal_seg_ros.documents import read_yaml
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.ranges import Range

TIME_RANGE_S = Range(0.0, 1e9, also=math.inf)
"""After the start of the schedule; infinite is for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledFault:
    """One fault of one sensor from ``start_s`` (included) to ``end_s`` (excluded)."""

    name: str
    modality: str
    fault: str
    start_s: float
    end_s: float
    severity: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ConfigError(f'a scheduled fault needs a name, not {self.name!r}')
        if not isinstance(self.modality, str) or self.modality not in MODALITIES:
            raise ConfigError(f'{self.name}: modality {self.modality!r} is none of '
                              f'{", ".join(MODALITIES)}')
        if not isinstance(self.fault, str) or self.fault not in FAULTS:
            raise ConfigError(f'{self.name}: fault {self.fault!r} is none of {", ".join(FAULTS)}')
        if self.modality not in FAULTS[self.fault].modalities:
            raise ConfigError(f'{self.name}: fault {self.fault!r} is for '
                              f'{", ".join(FAULTS[self.fault].modalities)}, not {self.modality}')
        for key in ('start_s', 'end_s'):
            TIME_RANGE_S.check(f'{self.name}: {key}', getattr(self, key))
        if not 0.0 <= self.start_s < self.end_s:
            raise ConfigError(f'{self.name}: 0 <= start_s < end_s must hold, not '
                              f'{self.start_s} and {self.end_s}')
        try:
            check_severity(self.severity)
        except ConfigError as error:
            raise ConfigError(f'{self.name}: {error}') from None

    @property
    def kind(self) -> str:
        return self.row.kind

    @property
    def row(self) -> Fault:
        """The fault's row in the table ``FAULTS``."""
        return FAULTS[self.fault]

    def is_active(self, t_s: float) -> bool:
        return self.start_s <= t_s < self.end_s

    def rng(self, seed: int, stamp_ns: int) -> np.random.Generator:
        """The generator for the sample of ``stamp_ns``: the same wherever the schedule is
        played, and the same for every stamp where the fault is static."""
        moment = 0 if self.row.is_static else stamp_ns % 2**63
        return np.random.default_rng([seed, zlib.crc32(self.name.encode()), moment])


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSchedule:
    """Faults over time. Equal seeds give equal faults, whoever plays them."""

    seed: int = 0
    faults: tuple[ScheduledFault, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise ConfigError.of('seed', self.seed, 'a whole number, 0 and more')
        names = [fault.name for fault in self.faults]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f'two faults are named {name!r}; names must differ')
        for i, a in enumerate(self.faults):
            for b in self.faults[i + 1:]:
                if _collide(a, b):
                    raise ConfigError(f'{a.name!r} and {b.name!r} are the same fault of '
                                      f'{a.modality} at the same time')

    @property
    def duration_s(self) -> float:
        """When the last fault ends; 0 without faults."""
        return max((fault.end_s for fault in self.faults), default=0.0)

    def active(self, modality: str, t_s: float) -> list[ScheduledFault]:
        """The faults of one sensor ``t_s`` seconds after the start, in the schedule's order."""
        return [fault for fault in self.faults
                if fault.modality == modality and fault.is_active(t_s)]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in the YAML files."""
        return {'seed': self.seed, 'faults': [
            {item.name: getattr(fault, item.name) for item in fields(fault)}
            for fault in self.faults]}

    @classmethod
    def from_dict(cls, data: object) -> FaultSchedule:
        """Inverse of ``to_dict``; raises ConfigError for anything unknown or out of range."""
        table = _checked_keys(data, 'a fault schedule', {'seed', 'faults'}, set())
        entries = table.get('faults') or []
        if not isinstance(entries, list):
            raise ConfigError.of('faults', entries, 'a list')
        known = {item.name for item in fields(ScheduledFault)}
        faults = tuple(
            ScheduledFault(**_checked_keys(
                entry, f'fault number {i}', known, known - {'severity'}))
            for i, entry in enumerate(entries))
        return cls(seed=table.get('seed', 0), faults=faults)

    @classmethod
    def from_yaml(cls, path: str | Path) -> FaultSchedule:
        """Reads a schedule; raises ConfigError naming the file and what is wrong with it."""
        data = read_yaml(path)
        try:
            return cls.from_dict(data)
        except ConfigError as error:
            raise ConfigError(f'{path}: {error}') from None


def _collide(a: ScheduledFault, b: ScheduledFault) -> bool:
    return ((a.modality, a.fault) == (b.modality, b.fault)
            and a.start_s < b.end_s and b.start_s < a.end_s)


def _checked_keys(
    data: object, what: str, known: set[str], required: set[str]
) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise ConfigError.of(what, data, f'a table of {", ".join(sorted(known))}')
    for key in data:
        if key not in known:
            raise ConfigError(f'{what}: unknown key {key!r}; allowed: {", ".join(sorted(known))}')
    for key in sorted(required):
        if key not in data:
            raise ConfigError(f'{what}: {key!r} is missing')
    return data
