# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The frames of several data sets, one data set after the other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from training.datasets.frames import Frame, Frames
from training.datasets.part import spread


class JoinedFrames:
    """Frames of all sources under one index; a list of one is that source.

    Args:
        sources: data sets or caches of them, whose labels are of one label space.
    """

    def __init__(self, sources: Sequence[Frames]) -> None:
        self._sources = tuple(sources)
        self.lengths = tuple(len(source) for source in self._sources)
        self._ends = tuple(accumulate(self.lengths))
        self.firsts = tuple(end - length for end, length in zip(self._ends, self.lengths,
                                                                strict=True))

    def __len__(self) -> int:
        return sum(self.lengths)

    def __getitem__(self, index: int) -> Frame:
        """Raises IndexError for an index that is none of theirs, and what the source raises."""
        if not 0 <= index < len(self):
            raise IndexError(f'frame {index} of {len(self)}')
        number = self.source_of(index)
        return self._sources[number][index - self.firsts[number]]

    def source_of(self, index: int) -> int:
        """The number of the source that a frame is of."""
        return bisect_right(self._ends, index)

    def spread(self, wanted: int) -> list[int]:
        """``wanted`` indices, as many of each source as of any other and at least one of each,
        spread evenly over it; a source with fewer frames gives all of them. 0 takes all."""
        left = wanted or len(self)
        shares = [0] * len(self.lengths)
        smallest_first = sorted(range(len(shares)), key=self.lengths.__getitem__)
        for done, number in enumerate(smallest_first):
            shares[number] = min(max(left // (len(shares) - done), 1), self.lengths[number])
            left -= shares[number]
        return [first + index
                for first, length, share in zip(self.firsts, self.lengths, shares, strict=True)
                for index in spread(length, share)]
