# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Several data sets under one index."""

import pytest

from training.datasets import JoinedFrames


def test_frames_follow_one_another():
    joined = JoinedFrames(['ab', 'c', 'def'])
    assert joined.lengths == (2, 1, 3) and len(joined) == 6
    assert [joined[index] for index in range(6)] == list('abcdef')


@pytest.mark.parametrize('index', [-1, 2])
def test_no_other_index(index):
    with pytest.raises(IndexError, match=f'frame {index} of 2'):
        JoinedFrames(['ab'])[index]
