# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which frame comes at each place of the endless stream that a run trains on, and how often those
of a data set come. Every place depends on the seed alone, so a resumed run and every process see
the same stream."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from training.data_config import DataConfig
from training.datasets import JoinedFrames
from training.train_config import TrainConfig


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


class GroupedSampler:
    """Epochs of groups of data sets, in runs of samples that are of one group.

    The frames of a group come in the order of an ``EpochSampler`` of its data sets. An epoch has
    of each group the runs that its samples fill, in an order drawn anew for every epoch; what
    does not fill a run comes in the next one.

    Args:
        lengths, weights: of each data set.
        seed: of the run.
        groups: the group of each data set, counted from 0.
        run: samples of one group that follow one another, from position 0 on.
    """

    def __init__(
        self, lengths: Sequence[int], weights: Sequence[float], seed: int,
        groups: Sequence[int], run: int,
    ) -> None:
        frames = np.split(np.arange(sum(lengths)), np.cumsum(lengths)[:-1])
        members = [[i for i, other in enumerate(groups) if other == group]
                   for group in range(max(groups) + 1)]
        self._frames = [np.concatenate([frames[i] for i in chosen]) for chosen in members]
        self._samplers = [EpochSampler([lengths[i] for i in chosen], [weights[i] for i in chosen],
                                       seed) for chosen in members]
        self._seed = seed
        self._run = run

    @property
    def samples_per_epoch(self) -> int:
        """Of all data sets together, on average."""
        return sum(sampler.samples_per_epoch for sampler in self._samplers)

    def frame_index(self, position: int) -> int:
        """The frame at a position of the stream, counted over all data sets."""
        number, offset = divmod(position, self._run)
        epoch = number * self._run // self.samples_per_epoch
        while sum(self._runs_before(epoch + 1)) <= number:
            epoch += 1
        before, after = self._runs_before(epoch), self._runs_before(epoch + 1)
        order = _order_of_runs(tuple(b - a for a, b in zip(before, after, strict=True)),
                               self._seed, epoch)
        place = number - sum(before)
        group = int(order[place])
        own_run = before[group] + int((order[:place] == group).sum())
        own_index = self._samplers[group].frame_index(own_run * self._run + offset)
        return int(self._frames[group][own_index])

    def _runs_before(self, epoch: int) -> list[int]:
        """Of each group."""
        return [epoch * sampler.samples_per_epoch // self._run for sampler in self._samplers]


def build_sampler(
    config: TrainConfig, frames: JoinedFrames, modalities: Sequence[str]
) -> EpochSampler | GroupedSampler:
    """The sampler of a recipe.

    Args:
        config: the recipe.
        frames: of its data sets; the first of each says which sensors it has.
        modalities: those of the network.
    """
    weights = set_weights(config.data, frames.lengths)
    if not config.data.same_sensors:
        return EpochSampler(frames.lengths, weights, config.seed)
    sensors = [tuple(name for name in modalities if name in frames[first].images)
               for first in frames.firsts]
    kinds = list(dict.fromkeys(sensors))
    return GroupedSampler(frames.lengths, weights, config.seed, [kinds.index(s) for s in sensors],
                          config.stages[0].batch)


def set_weights(data: DataConfig, lengths: Sequence[int]) -> tuple[float, ...]:
    """How often each frame of each data set comes in an epoch, by ``data.balance``.

    Args:
        lengths: frames of each data set.
    """
    if data.balance == 'weight':
        return tuple(each.weight for each in data.sets)
    total = sum(lengths)
    return tuple(share * total / length for share, length in zip(
        _shares(lengths, data.least_share), lengths, strict=True))


def _shares(lengths: Sequence[int], least: float) -> list[float]:
    """In proportion to the square roots of the lengths, but for those that are raised to
    ``least``."""
    roots = [math.sqrt(length) for length in lengths]
    raised: set[int] = set()
    while True:
        others = sum(root for i, root in enumerate(roots) if i not in raised)
        shares = [least if i in raised else (1 - least * len(raised)) * root / others
                  for i, root in enumerate(roots)]
        low = {i for i, share in enumerate(shares) if share < least}
        if not low:
            return shares
        raised |= low


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
def _order_of_runs(
    counts: tuple[int, ...], seed: int, epoch: int
) -> npt.NDArray[np.int64]:
    """Groups [sum(counts)] in the order in which they come."""
    order: npt.NDArray[np.int64] = np.random.default_rng([seed, 3, epoch]).permutation(
        np.repeat(np.arange(len(counts)), counts))
    return order


# Of each group of data sets this epoch's and the next one's.
@lru_cache(maxsize=16)
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
