# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The order of frames: whole epochs, weights, and the same for a seed whatever came before."""

from collections import Counter

import numpy as np
import pytest

from training.datasets import JoinedFrames
from training.sampling import EpochSampler, counted_frames


def epochs_of(sampler, count):
    length = sampler.samples_per_epoch
    return [[sampler.frame_index(epoch * length + i) for i in range(length)]
            for epoch in range(count)]


def test_every_frame_comes_once_in_an_epoch_and_orders_differ():
    epochs = epochs_of(EpochSampler([6], [1.0], seed=3), 4)
    assert all(sorted(epoch) == list(range(6)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    joint = epochs_of(EpochSampler([2, 4], [1.0, 1.0], seed=3), 4)
    assert joint == epochs, 'data sets of one weight are one data set'


@pytest.mark.parametrize('length', [1, 6, 1000])
def test_one_data_set_has_the_order_that_older_checkpoints_count_on(length):
    for epoch, order in enumerate(epochs_of(EpochSampler([length], [1.0], seed=5), 3)):
        assert order == np.random.default_rng([5, 0, epoch]).permutation(length).tolist()


def test_weights_are_how_often_a_frame_comes():
    sampler = EpochSampler([10, 4, 3], [0.5, 2.0, 1.0], seed=0)
    assert sampler.samples_per_epoch == 5 + 8 + 3
    epochs = epochs_of(sampler, 400)
    for epoch in epochs:
        counts = Counter(epoch)
        assert all(counts[frame] == 2 for frame in range(10, 14))
        assert all(counts[frame] == 1 for frame in range(14, 17))
        assert sum(counts[frame] for frame in range(10)) == 5
        assert max(counts[frame] for frame in range(10)) == 1
    total = Counter(frame for epoch in epochs for frame in epoch)
    assert all(160 < total[frame] < 240 for frame in range(10))


def test_a_rest_is_drawn_anew_for_every_epoch():
    epochs = epochs_of(EpochSampler([8], [1.5], seed=1), 6)
    assert len({frozenset(Counter(epoch).items()) for epoch in epochs}) > 1
    assert all(set(Counter(epoch).values()) == {1, 2} for epoch in epochs)


def test_a_place_in_the_stream_depends_on_the_seed_alone():
    first, second = (EpochSampler([7, 5], [0.7, 1.3], seed=2) for _ in range(2))
    stream = [first.frame_index(position) for position in range(60)]
    assert [second.frame_index(position) for position in reversed(range(60))] == stream[::-1]
    other = EpochSampler([7, 5], [0.7, 1.3], seed=4)
    assert [other.frame_index(position) for position in range(60)] != stream


def test_every_data_set_comes_once_at_least():
    assert EpochSampler([3, 100], [0.001, 1.0], seed=0).samples_per_epoch == 101


@pytest.mark.parametrize(('lengths', 'weights', 'wanted'), [
    ((1000, 10), (1.0, 1.0), 40), ((1000, 10), (0.5, 20.0), 40),
    ((30, 7, 200), (1.3, 4.0, 0.1), 0)])
def test_counted_frames_stand_for_an_epoch(lengths, weights, wanted):
    counted = counted_frames(JoinedFrames([range(n) for n in lengths]), wanted, weights)
    assert len(counted) == (wanted or sum(lengths)) and max(w for _, w in counted) == 1
    ends = np.cumsum(lengths)
    [order] = epochs_of(EpochSampler(lengths, weights, seed=1), 1)
    come = np.bincount(np.searchsorted(ends, order, side='right'))
    count = np.bincount(np.searchsorted(ends, [i for i, _ in counted], side='right'),
                        [w for _, w in counted])
    np.testing.assert_allclose(count / count.sum(), come / come.sum(), rtol=1e-12)


@pytest.mark.parametrize('weight', [0.3, 1.0, 7.0])
def test_frames_of_one_data_set_all_count_alike(weight):
    counted = counted_frames(JoinedFrames([range(9)]), 4, [weight])
    assert counted == [(0, 1.0), (2, 1.0), (4, 1.0), (6, 1.0)]
