# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The report and the video can be opened by what they are made for."""


import cv2
import numpy as np
import pytest

from anymodal_seg_ros.demo.page import _stretch_table
from anymodal_seg_ros.demo.pictures import SIDE_PX, frame, overlay, write_video
from anymodal_seg_ros.demo.review import _words
from anymodal_seg_ros.errors import WriteError


def test_overlay_mixes_label_colours_into_the_image():
    palette = np.zeros((256, 3), np.uint8)
    palette[3] = 200, 100, 0
    mixed = overlay(np.zeros((2, 2, 3), np.uint8), np.full((2, 2), 3, np.uint8), palette, 0.5)
    assert (mixed == [100, 50, 0]).all()


def test_video_plays_back_frame_by_frame(tmp_path):
    states = {'rgb': 'ok', 'depth': 'lost', 'lidar': 'probation', 'event': 'waiting'}
    grey = np.full((64, 64, 3), 128, np.uint8)
    inputs = {'rgb': grey, 'depth': 'no message', 'lidar': grey, 'event': grey}
    picture = frame(inputs, grey, states, ['rgb'], 'all sensors well')
    assert picture.shape == (SIDE_PX + 32, 2 * SIDE_PX + 190, 3)
    write_video(tmp_path / 'play.webm', [picture] * 7, 10.0)
    video = cv2.VideoCapture(str(tmp_path / 'play.webm'))
    frames = 0
    while video.read()[0]:
        frames += 1
    assert frames == 7


def test_a_fifth_sensor_has_a_tile_and_a_line_of_its_own():
    picture_of = {name: np.full((8, 8, 3), 40 * number, np.uint8) for number, name
                  in enumerate(('rgb', 'depth', 'lidar', 'event', 'thermal'), 1)}
    picture = frame(picture_of, np.zeros((8, 8, 3), np.uint8), dict.fromkeys(picture_of, 'ok'),
                    (), '')
    half = SIDE_PX // 2
    assert picture.shape == (SIDE_PX + 32, 3 * half + SIDE_PX + 190, 3)
    assert (picture[SIDE_PX - 9, [half - 9, 2 * half - 9], 0] == [160, 200]).all()
    lines = (picture[:SIDE_PX, -190:] != 24).any(axis=(1, 2))
    assert (np.diff(lines.astype(int)) == 1).sum() >= 5


@pytest.mark.parametrize(('faults', 'words'), [
    (['drop'], 'no message'), (['freeze'], 'freeze'), (['noise', 'delay'], 'noise + delay'),
    (['freeze', 'drop'], 'no message')])
def test_a_tile_tells_silence_from_other_faults(faults, words):
    assert _words(faults) == words


def test_a_stretch_without_a_label_image_has_no_score():
    stretch = {'faulty': (), 'start_s': 0.0, 'end_s': 1.0, 'num_labels': 0, 'miou': np.nan,
               'miou_offline': 40.0}
    table = _stretch_table([stretch, {**stretch, 'num_labels': 9, 'miou': 39.0}])
    assert [row[4:] for row in table.rows] == [('–', '40.0', '–'), ('39.0', '40.0', '−1.0')]
    assert all(table.is_number[1:])


def test_a_video_that_was_not_stored_whole_is_none(tmp_path, full_disk):
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (120, 160, 3), np.uint8) for _ in range(20)]
    (tmp_path / 'play.webm').write_bytes(b'an older one')
    with (pytest.raises(WriteError, match=r'play\.webm: \d+ of 20 frames.*disk full'),
          full_disk(10_000)):
        write_video(tmp_path / 'play.webm', pictures, 10.0)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b'an older one']
