# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Several data sets under one index."""

import pytest

from training.datasets import JoinedFrames, spread


def test_frames_follow_one_another():
    joined = JoinedFrames(['ab', 'c', 'def'])
    assert joined.lengths == (2, 1, 3) and len(joined) == 6
    assert [joined[index] for index in range(6)] == list('abcdef')


@pytest.mark.parametrize('index', [-1, 2])
def test_no_other_index(index):
    with pytest.raises(IndexError, match=f'frame {index} of 2'):
        JoinedFrames(['ab'])[index]


@pytest.mark.parametrize(('lengths', 'wanted', 'indices'), [
    ([6, 2], 2, [0, 6]), ([6, 2], 4, [0, 3, 6, 7]), ([2, 6], 6, [0, 1, 2, 3, 5, 6]),
    ([6, 2], 7, [0, 1, 2, 3, 4, 6, 7]), ([6, 2, 1], 1, [0, 6, 8]), ([3, 2], 0, [0, 1, 2, 3, 4]),
    ([3, 2], 9, [0, 1, 2, 3, 4]),
])
def test_every_source_gives_frames_however_small_it_is(lengths, wanted, indices):
    assert JoinedFrames([range(length) for length in lengths]).spread(wanted) == indices


@pytest.mark.parametrize('wanted', [0, 1, 3, 7, 10, 99])
def test_frames_of_one_source_are_spread_as_those_of_a_data_set(wanted):
    assert JoinedFrames([range(10)]).spread(wanted) == spread(10, wanted)
