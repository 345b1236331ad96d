# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which frame comes at each place of the endless stream that a run trains on, and how often those
of a data set come. Every place depends on the seed alone, so a resumed run and every process see
the same stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from training.datasets import JoinedFrames


class EpochSampler:
    """Shuffled epochs over data sets whose frames follow one another.

    In an epoch a data set of N frames and weight w comes round(w * N) times, once at least: each
    frame floor(w) times, and a share of them, drawn anew for every epoch, once more. With a
    weight of 1 that is every frame once.

    Args:
        lengths: frames of each data set.
        weights: of each data set.
        seed: of the run.
    """

    def __init__(self, lengths: Sequence[int], weights: Sequence[float], seed: int) -> None:
        self._lengths = tuple(lengths)
        self._counts = _samples_of_sets(lengths, weights)
        self._seed = seed

    @property
    def samples_per_epoch(self) -> int:
        """Of all data sets together."""
        return sum(self._counts)

    def frame_index(self, position: int) -> int:
        """The frame at a position of the stream, counted over all data sets."""
        epoch, offset = divmod(position, self.samples_per_epoch)
        return int(_epoch_order(self._lengths, self._counts, self._seed, epoch)[offset])


def counted_frames(
    frames: JoinedFrames, wanted: int, weights: Sequence[float]
) -> list[tuple[int, float]]:
    """Frames that stand for an epoch: the index of each, and what it counts for, 1 at most. The
    frames of a data set count together as often as it comes, however few they are.

    Args:
        wanted: how many, as of ``JoinedFrames.spread``.
        weights: of each data set.
    """
    indices = frames.spread(wanted)
    sources = [frames.source_of(index) for index in indices]
    taken, samples = Counter(sources), _samples_of_sets(frames.lengths, weights)
    per_frame = {number: samples[number] / count for number, count in taken.items()}
    most = max(per_frame.values())
    return [(index, per_frame[number] / most)
            for index, number in zip(indices, sources, strict=True)]


def _samples_of_sets(lengths: Sequence[int], weights: Sequence[float]) -> tuple[int, ...]:
    """How many frames of each data set come in an epoch."""
    return tuple(max(round(weight * length), 1)
                 for weight, length in zip(weights, lengths, strict=True))


@lru_cache(maxsize=2)
def _epoch_order(
    lengths: tuple[int, ...], counts: tuple[int, ...], seed: int, epoch: int
) -> npt.NDArray[np.int64]:
    """Frames [sum(counts)] in the order in which they come."""
    parts, begin = [], 0
    for number, (length, count) in enumerate(zip(lengths, counts, strict=True)):
        whole, rest = divmod(count, length)
        drawn = np.random.default_rng([seed, 2, epoch, number]).permutation(length)[:rest]
        parts.append(begin + np.concatenate([np.tile(np.arange(length), whole), drawn]))
        begin += length
    order: npt.NDArray[np.int64] = np.random.default_rng([seed, 0, epoch]).permutation(
        np.concatenate(parts))
    return order
