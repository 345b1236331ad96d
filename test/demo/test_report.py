# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The report and the video can be opened by what they are made for."""


import cv2
import numpy as np
import pytest

from anymodal_seg_ros.demo.pictures import SIDE_PX, frame, overlay, write_video
from anymodal_seg_ros.errors import WriteError


def test_overlay_mixes_label_colours_into_the_image():
    palette = np.zeros((256, 3), np.uint8)
    palette[3] = 200, 100, 0
    mixed = overlay(np.zeros((2, 2, 3), np.uint8), np.full((2, 2), 3, np.uint8), palette, 0.5)
    assert (mixed == [100, 50, 0]).all()


def test_video_plays_back_frame_by_frame(tmp_path):
    states = {'rgb': 'ok', 'depth': 'lost', 'lidar': 'probation', 'event': 'waiting'}
    grey = np.full((64, 64, 3), 128, np.uint8)
    inputs = {'rgb': grey, 'depth': None, 'lidar': grey, 'event': grey}
    picture = frame(inputs, grey, states, ['rgb'], 'all sensors well')
    assert picture.shape == (SIDE_PX + 32, 2 * SIDE_PX + 190, 3)
    write_video(tmp_path / 'play.webm', [picture] * 7, 10.0)
    video = cv2.VideoCapture(str(tmp_path / 'play.webm'))
    frames = 0
    while video.read()[0]:
        frames += 1
    assert frames == 7


def test_a_video_that_was_not_stored_whole_is_none(tmp_path, full_disk):
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (120, 160, 3), np.uint8) for _ in range(20)]
    (tmp_path / 'play.webm').write_bytes(b'an older one')
    with (pytest.raises(WriteError, match=r'play\.webm: \d+ of 20 frames.*disk full'),
          full_disk(10_000)):
        write_video(tmp_path / 'play.webm', pictures, 10.0)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b'an older one']
