# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores by combination of sensors, from frames and from a recording."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.labels import load_label_space
from training import recording
from training.datasets import DeliverDataset
from training.scoring import score_frames, score_table, spread

SPACE = load_label_space('deliver')


def perfect_with_camera(images, out_hw):
    """Reads the class from the camera's blue band; says 0 without a camera."""
    if 'rgb' not in images:
        return np.zeros(out_hw, np.uint8)
    small = (images['rgb'][:, :, 2] // 9).astype(np.uint8)
    factor = out_hw[0] // small.shape[0]
    return small.repeat(factor, 0).repeat(factor, 1)


def test_scores_of_a_network_that_only_understands_the_camera(deliver_root):
    frames = DeliverDataset(deliver_root, 'val')
    subsets = [('rgb',), ('depth',), ('rgb', 'depth')]
    seen = []
    scores = score_frames(perfect_with_camera, frames, subsets, SPACE, 64,
                          on_frame=lambda: seen.append(1))
    assert len(seen) == len(frames)
    assert scores.miou(('rgb',)) == scores.miou(('rgb', 'depth'), 'sun') == 100.0
    assert scores.miou(('depth',)) < 10
    report = json.loads(json.dumps(scores.to_dict()))
    assert report['subsets']['rgb']['miou'] == 100.0
    assert set(report['subsets']['rgb']['conditions']) == {'night', 'sun'}
    mean = sum(report['subsets'][name]['miou'] for name in report['subsets']) / 3
    assert report['emm_average_skip'] == pytest.approx(mean, abs=0.01)
    assert report['subsets']['rgb']['miou_absent_zero'] < 100.0


def test_labels_are_scored_at_their_own_size(deliver_root):
    frames = DeliverDataset(deliver_root, 'val')
    scores = score_frames(perfect_with_camera, frames, [('rgb',)], SPACE, 32, indices=[0])
    counted = scores.matrices[('rgb',)]['all'].counts.sum()
    assert counted == (frames[0].labels != 255).sum() == 62 * 64


def test_combinations_that_a_frame_lacks_are_passed_over(deliver_root):
    frames = DeliverDataset(deliver_root, 'val', ['rgb'])
    scores = score_frames(perfect_with_camera, frames, [('rgb',), ('depth',)], SPACE, 64)
    assert list(scores.matrices) == [('rgb',)]


def test_averages_over_combinations_need_them_all(deliver_root):
    frames = DeliverDataset(deliver_root, 'val')
    scores = score_frames(perfect_with_camera, frames, [('rgb',), ('lidar',)], SPACE, 64)
    assert not scores.is_complete()
    assert not any(key.startswith('emm') for key in scores.to_dict())
    assert 'EMM' not in score_table(scores)


def test_the_table_has_a_line_for_each_combination(deliver_root):
    frames = DeliverDataset(deliver_root, 'val')
    subsets = [('rgb',), ('lidar',), ('rgb', 'lidar')]
    scores = score_frames(perfect_with_camera, frames, subsets, SPACE, 64)
    lines = score_table(scores).splitlines()
    assert [line.split()[0] for line in lines] == ['sensors', 'rgb', 'lidar', 'rgb+lidar', 'EMM']
    assert lines[1].split() == ['rgb', '100.00', '100.00', '100.00']


@pytest.mark.parametrize(('length', 'wanted', 'indices'), [
    (4, 0, [0, 1, 2, 3]), (4, 9, [0, 1, 2, 3]), (6, 3, [0, 2, 4]), (5, 2, [0, 2])])
def test_spread(length, wanted, indices):
    assert spread(length, wanted) == indices


@pytest.fixture
def recorded(monkeypatch):
    """Truth at 1.0 s and 1.1 s; label images at 1.02 s (all right), 1.1 s (half) and 2 s."""
    truths = [(1_000_000_000, np.full((4, 6), 3, np.uint8)),
              (1_100_000_000, np.full((4, 6), 5, np.uint8))]
    monkeypatch.setattr(recording, 'read_label_images', lambda path, topic: dict(truths))
    monkeypatch.setattr(recording, 'read_rig', lambda path, topics: None)
    monkeypatch.setattr(recording, 'Pipeline', lambda segmenter, rig: None)
    half = np.full((4, 6), 5, np.uint8)
    half[:2] = 3
    answers = [(1_020_000_000, truths[0][1], ('depth', 'rgb')),
               (1_100_000_000, half, ('rgb',)), (2_000_000_000, half, ('rgb',))]
    monkeypatch.setattr(recording, 'segment_recording', lambda *args, **options: [
        (None, SimpleNamespace(stamp_ns=stamp, labels=labels, used=used))
        for stamp, labels, used in answers])
    return truths


SEGMENTER = SimpleNamespace(bundle=SimpleNamespace(modalities=('rgb', 'depth'),
                                                   label_space=SPACE))


def test_recordings_are_scored_by_the_sensors_used_and_the_nearest_truth(recorded, tmp_path):
    scores = recording.score_recording(tmp_path, SEGMENTER)
    assert scores.miou(('rgb', 'depth')) == 100.0
    assert scores.miou(('rgb',)) == 50.0
    assert scores.matrices[('rgb',)]['all'].counts.sum() == 24


def test_a_recording_without_near_truth_is_refused(recorded, tmp_path, monkeypatch):
    monkeypatch.setattr(recording, 'MAX_TRUTH_OFFSET_NS', -1)
    with pytest.raises(ConfigError, match='60 ms'):
        recording.score_recording(tmp_path, SEGMENTER)
    monkeypatch.setattr(recording, 'read_label_images', lambda path, topic: {})
    with pytest.raises(ConfigError, match='no ground truth'):
        recording.score_recording(tmp_path, SEGMENTER)
