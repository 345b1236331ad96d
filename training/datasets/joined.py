# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The frames of several data sets, one data set after the other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from training.datasets.frames import Frame, Frames


class JoinedFrames:
    """Frames of all sources under one index; a list of one is that source.

    Args:
        sources: data sets or caches of them, whose labels are of one label space.
    """

    def __init__(self, sources: Sequence[Frames]) -> None:
        self._sources = tuple(sources)
        self.lengths = tuple(len(source) for source in self._sources)
        self._ends = tuple(accumulate(self.lengths))

    def __len__(self) -> int:
        return sum(self.lengths)

    def __getitem__(self, index: int) -> Frame:
        """Raises IndexError for an index that is none of theirs, and what the source raises."""
        if not 0 <= index < len(self):
            raise IndexError(f'frame {index} of {len(self)}')
        number = bisect_right(self._ends, index)
        return self._sources[number][index - self._ends[number] + self.lengths[number]]
