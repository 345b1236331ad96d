# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sample sheets: columns are sensors, rows say with, without and alone."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from anymodal_seg_ros.errors import WriteError
from anymodal_seg_ros.labels import LabelSpace
from training.datasets import Frame, JoinedFrames
from training.report import write_samples
from training.report.samples import sample_sheet

SPACE = LabelSpace('two', ('left', 'right'), ((250, 10, 10), (10, 10, 250)))


def frame_of(*sensors, size=64, dtype=np.uint8):
    labels = np.zeros((size, size), np.uint8)
    labels[:, size // 2:] = 1
    images = {name: np.full((size, size, 3), 30 * (i + 1), dtype)
              for i, name in enumerate(sensors)}
    return Frame(id='sun/val/a b/0', condition='sun', failure='normal', images=images,
                 labels=labels)


def picture_of(png):
    """[H, W, 3] red first."""
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


class Recorder:
    def __init__(self):
        self.asked = []

    def __call__(self, images, out_hw):
        self.asked.append(tuple(images))
        assert all(image.shape == (32, 32, 3) for image in images.values())
        return np.zeros(out_hw, np.uint8)


def test_all_without_each_and_each_alone_are_predicted():
    predict = Recorder()
    sample_sheet(frame_of('rgb', 'depth', 'lidar'), predict, SPACE, 32)
    assert predict.asked == [
        ('rgb', 'depth', 'lidar'), ('depth', 'lidar'), ('rgb', 'lidar'), ('rgb', 'depth'),
        ('rgb',), ('depth',), ('lidar',)]


@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
def test_one_sensor_has_nothing_to_be_without(dtype):
    predict = Recorder()
    sheet = picture_of(sample_sheet(frame_of('thermal', dtype=dtype), predict, SPACE, 32))
    assert predict.asked == [('thermal',)]
    # What the sensor saw is there, at the size of a tile, and nothing covers it.
    assert 320 ** 2 * 0.99 < (sheet == 30).all(-1).sum() < 320 ** 2 * 1.01


def test_truth_and_prediction_are_in_the_label_colours():
    sheet = picture_of(sample_sheet(frame_of('rgb', 'lidar'), Recorder(), SPACE, 32))
    count = {color: int((sheet == color).all(-1).sum()) for color in SPACE.colors}
    # Half of the truth, and the legend, are 'right'; everything predicted is 'left'.
    assert count[SPACE.colors[1]] < count[SPACE.colors[0]] / 8


def test_sheets_are_spread_over_the_data_and_replace_older_ones(tmp_path):
    frames = [frame_of('rgb') for _ in range(7)]
    folder = tmp_path / 'samples'
    folder.mkdir()
    (folder / 'old.png').touch()
    paths = write_samples(folder, JoinedFrames([frames]), [(Recorder(), SPACE)], 32, max_sheets=3)
    assert [path.name for path in paths] == [f'0{i}_sun_val_a_b_0.png' for i in range(3)]
    assert sorted(folder.iterdir()) == paths
    assert cv2.imread(str(paths[0])) is not None


def test_few_frames_make_few_sheets(tmp_path):
    frames = JoinedFrames([[frame_of('rgb')]])
    assert len(write_samples(tmp_path, frames, [(Recorder(), SPACE)], 32)) == 1


def test_a_small_data_set_has_a_sheet(tmp_path):
    frames = JoinedFrames([[frame_of('rgb')] * 50, [replace(frame_of('rgb'), id='small')]])
    paths = write_samples(tmp_path / 'samples', frames, [(Recorder(), SPACE)] * 2, 32,
                          max_sheets=2)
    assert [path.name for path in paths] == ['00_sun_val_a_b_0.png', '01_small.png']


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / 'samples').touch()
    with pytest.raises(WriteError, match=r'cannot write .*samples'):
        write_samples(tmp_path / 'samples', JoinedFrames([[frame_of('rgb')]]),
                      [(Recorder(), SPACE)], 32)
