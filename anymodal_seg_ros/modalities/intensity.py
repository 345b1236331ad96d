# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a LiDAR's intensity is a fraction of: given, or learnt over many scans. numpy only."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.modalities.base import Float32Array
from anymodal_seg_ros.ranges import Range

LEARN = 0.0
SCALE_RANGE = Range(1e-3, 1e10, also=LEARN)
FULL_SCALES = (1.0, 255.0, 4095.0, 65535.0)
"""Fractions, and counts of 8, 12 and 16 bits. Few and far apart: dim and bright surroundings of
one sensor lead to the same scale, on the day of the recording and on the day of the drive."""
OVERSHOOT = 2.0
"""Values of a sensor may exceed its full scale by up to this: retroreflectors, calibration."""
STRAY_POINTS = 1000
"""Of so many points, one may be beyond the scale without a meaning."""
NEEDED = 10
"""So many scans must reach beyond the scale before a larger one is taken."""
WINDOW = 3000
"""A smaller scale is taken when of so many scans fewer than ``KEPT_BY`` need the present one."""
KEPT_BY = NEEDED // 2


class IntensityScale:
    """Turns one LiDAR's intensities into fractions of its full scale.

    Args:
        given: the full scale, or 0 to learn it.

    Learning, each scan votes for the smallest full scale that holds its values. The median of the
    first scans counts; later the scale rises when ``NEEDED`` of the last ``WINDOW`` voted higher,
    and falls only when fewer than ``KEPT_BY`` did not vote lower. A scan without any intensity
    does not vote.

    Raises:
        ConfigError: ``given`` is no scale.
    """

    def __init__(self, given: float = LEARN) -> None:
        SCALE_RANGE.check('intensity_scale', given)
        self._given = float(given)
        self._votes: deque[float] = deque(maxlen=WINDOW)
        self._counts: Counter[float] = Counter()
        self._full_scale = LEARN
        self.num_changes = 0
        """How often another scale was taken than the first."""

    @property
    def is_given(self) -> bool:
        """Whether nothing is learnt."""
        return self._given != LEARN

    @property
    def full_scale(self) -> float:
        """What counts as 1; 0 before the first scan with an intensity."""
        return self._given or self._full_scale

    def fractions(self, values: npt.NDArray[Any]) -> Float32Array:
        """float32 [N] in 0..1 of the intensities [N] of one scan; what is not finite is 0."""
        if values.dtype.kind == 'f':
            with np.errstate(over='ignore'):
                raw = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
        else:
            raw = values.astype(np.float32)
        if not self.is_given:
            self._learn(raw, values.dtype)
        scale = self._given or _smallest(_full_scales(values.dtype), self._full_scale)
        clipped: Float32Array = np.clip(raw / np.float32(scale), 0.0, 1.0)
        return clipped

    def _learn(self, raw: Float32Array, dtype: np.dtype[Any]) -> None:
        if not raw.size:
            return
        place = raw.size - 1 - raw.size // STRAY_POINTS
        peak = float(np.partition(raw, place)[place])
        if peak <= 0.0:
            return
        if len(self._votes) == WINDOW:
            self._counts[self._votes[0]] -= 1
        vote = _smallest(_full_scales(dtype), peak / OVERSHOOT)
        self._votes.append(vote)
        self._counts[vote] += 1
        reached = self._reached(NEEDED)
        kept = self._reached(KEPT_BY) if len(self._votes) == WINDOW else reached
        if reached > self._full_scale or kept < self._full_scale:
            self.num_changes += self._full_scale != LEARN
            self._full_scale = reached

    def _reached(self, needed: int) -> float:
        """The scale that so many votes reach, of few votes the median."""
        left = min(needed, len(self._votes) // 2 + 1)
        for scale in sorted(self._counts, reverse=True):
            left -= self._counts[scale]
            if left <= 0:
                return scale
        return LEARN


def _full_scales(dtype: np.dtype[Any]) -> tuple[float, ...]:
    """Those that values of the type can have: whole numbers are no fractions."""
    if dtype.kind == 'f':
        return FULL_SCALES
    largest = float(np.iinfo(dtype).max)
    return (*(scale for scale in FULL_SCALES[1:] if scale < largest), largest)


def _smallest(full_scales: tuple[float, ...], at_least: float) -> float:
    """The smallest that is not below the value, else the largest."""
    return next((scale for scale in full_scales if scale >= at_least), full_scales[-1])
