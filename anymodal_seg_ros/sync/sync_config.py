# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of the synchronizer and of each of its inputs. Layer: sync."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.ranges import Range, check_config


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncInputConfig:
    """One sensor's place in the sets. Raises ConfigError where a value is out of range."""

    tolerance_s: Annotated[float, Range(0.0, 10.0)] = 0.03
    """A sample belongs to a set when its stamp is this near to the set's."""
    max_age_s: Annotated[float, Range(1e-3, 60.0, also=0.0)] = 0.0
    """A sample of a sensor slower than the reference may serve (again) while it is no older than
    this before the set's stamp; 0 = every sample serves once and only within the tolerance."""
    is_camera_plane: bool = True
    """Whether the sensor sees in an image plane and so leads before those that do not."""
    max_queue: Annotated[int, Range(2, 10_000)] = 32
    """Samples held for sets to come; beyond it the oldest is dropped."""

    ORDER: ClassVar[tuple[tuple[str, str], ...]] = (('tolerance_s', 'max_age_s'),)

    def __post_init__(self) -> None:
        check_config(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncConfig:
    """Settings common to all inputs. Raises ConfigError where a value is out of range."""

    max_wait_s: Annotated[float, Range(1e-3, 5.0)] = 0.1
    """A set goes out at the latest this long after its reference sample arrived."""
    max_silence_s: Annotated[float, Range(1e-3, 60.0)] = 0.3
    """A reference that is silent longer than this hands over, however slow it is."""
    max_misses: Annotated[int, Range(1, 1000)] = 2
    """After this many expected samples in a row failed to come, none is waited for."""
    arrival_margin_s: Annotated[float, Range(0.0, 5.0)] = 0.01
    """A sample counts as overdue this long after its learnt latest arrival."""
    arrival_spread: Annotated[float, Range(0.0, 1000.0)] = 4.0
    """Learnt latest arrival = median + this many times the median absolute deviation."""
    max_future_s: Annotated[float, Range(0.0, 60.0)] = 0.2
    """A stamp farther ahead of the clock than this is dropped as 'future'."""
    max_past_s: Annotated[float, Range(1e-3, 3600.0)] = 10.0
    """A stamp farther behind the clock than this is dropped as 'stale'."""
    reset_jump_s: Annotated[float, Range(1e-3, 3600.0)] = 0.5
    """Time running backwards by more than this is a restart and not a late message."""

    ORDER: ClassVar[tuple[tuple[str, str], ...]] = ()

    def __post_init__(self) -> None:
        check_config(self)


def to_ns(seconds: float) -> int:
    """Whole nanoseconds."""
    return round(seconds * 1e9)


DEFAULT_INPUTS: Mapping[str, SyncInputConfig] = {
    name: SyncInputConfig(is_camera_plane=modality.is_camera_plane, **modality.sync)
    for name, modality in MODALITIES.items()
}
"""For sensors at about 10 Hz or faster. A slower one serves again beside a faster reference, so
that an event camera at 100 Hz does not leave the other cameras behind."""
