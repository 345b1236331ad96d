# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The order of frames: whole epochs, weights, and the same for a seed whatever came before."""

from collections import Counter
from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymodal_seg_ros.errors import ConfigError
from training.data_config import DataConfig
from training.datasets import Frame, JoinedFrames
from training.sampling import (
    EpochSampler,
    GroupedSampler,
    build_sampler,
    counted_frames,
    set_weights,
)
from training.train_config import TrainConfig


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


@st.composite
def grouped(draw):
    """Data sets, which come in any order of their groups, and the samples of a run."""
    count = draw(st.integers(1, 5))
    lengths = draw(st.lists(st.integers(1, 9), min_size=count, max_size=count))
    weights = draw(st.lists(st.sampled_from([0.3, 1.0, 1.7]), min_size=count, max_size=count))
    names = draw(st.lists(st.sampled_from('abc'), min_size=count, max_size=count))
    groups = [sorted(set(names)).index(name) for name in names]
    return lengths, weights, draw(st.integers(0, 99)), groups, draw(st.integers(1, 7))


@given(grouped(), st.integers(1, 4))
def test_a_run_is_of_one_group_whose_frames_come_as_by_itself(case, epochs):
    lengths, weights, seed, groups, run = case
    sampler = GroupedSampler(*case)
    begins = [end - length for end, length in zip(accumulate(lengths), lengths, strict=True)]
    group_of = np.repeat(groups, lengths)
    members_of = {group: [i for i, other in enumerate(groups) if other == group]
                  for group in set(groups)}
    alone_of = {group: EpochSampler([lengths[i] for i in members], [weights[i] for i in members],
                                    seed) for group, members in members_of.items()}
    whole_runs = {group: epochs * alone.samples_per_epoch // run
                  for group, alone in alone_of.items()}
    length = sum(whole_runs.values()) * run
    stream = [sampler.frame_index(position) for position in range(length)]
    for begin in range(0, length, run):
        assert len(set(group_of[stream[begin:begin + run]])) == 1
    for group, alone in alone_of.items():
        members = members_of[group]
        frames = [begins[i] + j for i in members for j in range(lengths[i])]
        come = [frame for frame in stream if group_of[frame] == group]
        assert come == [frames[alone.frame_index(place)] for place in range(len(come))]
        assert len(come) == whole_runs[group] * run, 'what fills no run comes in the next epoch'


@pytest.mark.slow
@given(grouped(), st.randoms())
def test_a_place_depends_on_the_seed_alone_whatever_was_asked_before(case, random):
    stream = [GroupedSampler(*case).frame_index(position) for position in range(40)]
    positions = random.sample(range(40), 40)
    other = GroupedSampler(*case)
    assert {position: other.frame_index(position) for position in positions} == dict(
        enumerate(stream))


def test_one_group_is_the_stream_of_its_data_sets():
    sampler, alone = (GroupedSampler([7, 3], [1.0, 2.0], 4, [0, 0], 4),
                      EpochSampler([7, 3], [1.0, 2.0], 4))
    assert sampler.samples_per_epoch == alone.samples_per_epoch == 13
    assert [sampler.frame_index(i) for i in range(60)] == [alone.frame_index(i) for i in range(60)]


def test_groups_are_mixed_within_an_epoch():
    sampler = GroupedSampler([40, 40], [1.0, 1.0], 0, [0, 1], 4)
    orders = [[sampler.frame_index(80 * epoch + 4 * i) // 40 for i in range(20)]
              for epoch in range(2)]
    assert all(sum(order) == 10 and order != sorted(order) for order in orders)
    assert orders[0] != orders[1]


def frames_with(*sensors, count=4):
    return [Frame(id='', condition='any', failure='normal', labels=np.zeros((1, 1), np.uint8),
                  images={name: np.zeros((1, 1, 3), np.uint8) for name in sensors})] * count


def test_batches_of_a_recipe_are_of_data_sets_with_the_same_sensors():
    frames = JoinedFrames([frames_with('rgb', 'event', 'lidar'), frames_with('rgb', 'thermal'),
                           frames_with('rgb', 'event')])
    stages = [{'until': 0.5, 'crop_px': 32, 'batch': 4}, {'until': 1, 'crop_px': 64, 'batch': 2}]
    data = {'sets': [{}, {'name': 'mfnet'}, {'name': 'muses'}], 'same_sensors': True}
    recipe = {'stages': stages, 'data': data}
    sampler = build_sampler(TrainConfig.from_dict(recipe), frames, ('rgb', 'event', 'thermal'))
    for begin in range(0, 60, 4):
        sources = {frames.source_of(sampler.frame_index(begin + i)) for i in range(4)}
        assert sources <= {0, 2} or sources == {1}
    plain = {**recipe, 'data': {**data, 'same_sensors': False}}
    assert isinstance(build_sampler(TrainConfig.from_dict(plain), frames, ('rgb',)), EpochSampler)
    stages[1]['batch'] = 3
    with pytest.raises(ConfigError, match=r'batches of 4, 3; with data\.same_sensors each must'):
        TrainConfig.from_dict(recipe)


def shares_of(lengths, **settings):
    data = DataConfig.from_dict({'sets': [{}] * len(lengths), 'balance': 'square_root',
                                 **settings})
    weights = set_weights(data, lengths)
    assert sum(w * n for w, n in zip(weights, lengths, strict=True)) == pytest.approx(sum(lengths))
    return [w * n / sum(lengths) for w, n in zip(weights, lengths, strict=True)]


def test_a_share_goes_by_the_square_root_of_the_size_and_is_not_too_small():
    assert shares_of([100, 400, 900]) == pytest.approx([1 / 6, 2 / 6, 3 / 6])
    assert shares_of([100, 400, 900], least_share=0.25) == pytest.approx([0.25, 0.3, 0.45])
    # What is taken for one brings the next one below.
    assert shares_of([100, 400, 900], least_share=0.32) == pytest.approx([0.32, 0.32, 0.36])
    assert shares_of([1, 50, 999], least_share=1 / 3) == pytest.approx([1 / 3] * 3)
    assert shares_of([1, 2, 3, 4, 50], least_share=0.2) == pytest.approx([0.2] * 5)


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=6), st.floats(0, 1))
def test_shares_keep_the_order_of_sizes_and_the_least(lengths, part):
    least = part / len(lengths)
    shares = shares_of(lengths, least_share=least)
    assert min(shares) >= least - 1e-9 and sum(shares) == pytest.approx(1)
    of_size = sorted(zip(lengths, shares, strict=True))
    for (_, smaller), (_, larger) in pairwise(of_size):
        assert smaller <= larger + 1e-9
    free = [(n, s) for n, s in of_size if s > least + 1e-9]
    assert len({round(s / n ** 0.5, 9) for n, s in free}) <= 1


@pytest.mark.parametrize(('data', 'match'), [
    ({'least_share': 0.1}, r'data\.least_share 0\.1 needs data\.balance square_root'),
    ({'balance': 'square_root', 'least_share': 0.6}, r'data\.least_share is 0\.6'),
    ({'balance': 'square_root', 'sets': [{}, {'weight': 2}]},
     r'data\.sets\.1 \(deliver\) has weight 2; with data\.balance square_root'),
    ({'balance': 'cube_root'}, 'allowed: weight, square_root'),
])
def test_wrong_balances_are_named(data, match):
    with pytest.raises(ConfigError, match=match):
        DataConfig.from_dict({'sets': [{}, {}], **data})
