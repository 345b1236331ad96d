# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of the synchronizer and of each of its inputs. Layer: sync."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from anymodal_seg_ros.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class InputConfig:
    """One sensor's place in the sets. Raises ConfigError where a value is out of range."""

    tolerance_s: float = 0.03
    """A sample belongs to a set when its stamp is this near to the set's."""
    max_age_s: float = 0.0
    """A sample of a sensor slower than the reference may serve (again) while it is no older than
    this before the set's stamp; 0 = every sample serves once and only within the tolerance."""
    is_camera_plane: bool = True
    """Whether the sensor sees in an image plane and so leads before those that do not."""
    max_queue: int = 32
    """Samples held for sets to come; beyond it the oldest is dropped."""

    def __post_init__(self) -> None:
        _require_seconds('tolerance_s', self.tolerance_s, allow_zero=True)
        _require_seconds('max_age_s', self.max_age_s, allow_zero=True)
        if self.max_queue < 2:
            raise ConfigError(f'max_queue is {self.max_queue}; it must be at least 2')


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncConfig:
    """Settings common to all inputs. Raises ConfigError where a value is out of range."""

    max_wait_s: float = 0.1
    """A set goes out at the latest this long after its reference sample arrived."""
    max_silence_s: float = 0.3
    """A reference that is silent longer than this hands over, however slow it is."""
    max_misses: int = 2
    """After this many expected samples in a row failed to come, none is waited for."""
    arrival_margin_s: float = 0.01
    """A sample counts as overdue this long after its learnt latest arrival."""
    arrival_spread: float = 4.0
    """Learnt latest arrival = median + this many times the median absolute deviation."""
    max_future_s: float = 0.1
    """A stamp farther ahead of the clock than this is dropped as 'future'."""
    max_past_s: float = 10.0
    """A stamp farther behind the clock than this is dropped as 'stale'."""
    reset_jump_s: float = 0.5
    """Time running backwards by more than this is a restart and not a late message."""

    def __post_init__(self) -> None:
        for name in ('max_wait_s', 'max_silence_s', 'max_past_s', 'reset_jump_s'):
            _require_seconds(name, getattr(self, name))
        for name in ('arrival_margin_s', 'max_future_s'):
            _require_seconds(name, getattr(self, name), allow_zero=True)
        if not (math.isfinite(self.arrival_spread) and self.arrival_spread >= 0):
            raise ConfigError(f'arrival_spread is {self.arrival_spread}; it must be 0 or more')
        if self.max_misses < 1:
            raise ConfigError(f'max_misses is {self.max_misses}; it must be at least 1')


def to_ns(seconds: float) -> int:
    """Whole nanoseconds."""
    return round(seconds * 1e9)


def _require_seconds(name: str, value: float, *, allow_zero: bool = False) -> None:
    if not math.isfinite(value) or value < 0 or (value == 0 and not allow_zero):
        allowed = '0 or more' if allow_zero else 'more than 0'
        raise ConfigError(f'{name} is {value}; it must be a finite number of seconds, {allowed}')


DEFAULT_INPUTS: Mapping[str, InputConfig] = {
    'rgb': InputConfig(tolerance_s=0.03, max_age_s=0.12),
    'depth': InputConfig(tolerance_s=0.03, max_age_s=0.12),
    'lidar': InputConfig(tolerance_s=0.055, max_age_s=0.15, is_camera_plane=False),
    'event': InputConfig(tolerance_s=0.03, max_age_s=0.12),
}
"""For sensors at about 10 Hz or faster. A slower one serves again beside a faster reference, so
that an event camera at 100 Hz does not leave the other cameras behind. A scan is spread over its
period: half of it lies between its stamp and the time at which any one point was measured."""
