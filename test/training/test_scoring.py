# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores by combination of sensors, from frames and from a recording."""

import json
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from anymodal_seg_ros.bundle import Bundle
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.inference.torch_backend import TorchSegmenter
from anymodal_seg_ros.labels import load_label_space
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.models import build_model, modality_subsets
from anymodal_seg_ros.sim.vehicle import SENSOR_NAMES
from training import bag_scores
from training.datasets import DeliverDataset, spread
from training.evaluation import score_split
from training.report import read_scores
from training.robustness.protocol import BenchmarkConfig
from training.scored_frames import open_frames
from training.scoring import SubsetScores, score_frames, score_table
from training.subset_network import SubsetNetwork, subset_network

SPACE = load_label_space('deliver')


class CameraReader(SubsetNetwork):
    """Reads the class from the camera's blue band; says 0 without a camera."""

    device = torch.device('cpu')

    def __init__(self):
        self.modalities = SENSOR_NAMES
        self._class_sets, self._num_classes = None, SPACE.num_classes

    def encode(self, images):
        return images

    def logits_of_subsets(self, encoded, subsets, missing='drop', size_hw=(0, 0)):
        blue_BHW = torch.tensor(np.stack(next(iter(encoded.values()))))[..., 2].long()
        return {subset: F.one_hot(blue_BHW // 9 if 'rgb' in subset else 0 * blue_BHW,
                                  SPACE.num_classes).permute(0, 3, 1, 2).float()
                for subset in subsets}


perfect_with_camera = CameraReader()


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


@pytest.fixture(scope='module')
def segmenter():
    """A network whose answers depend on its inputs, missing sensors left out."""
    torch.manual_seed(0)
    bundle = Bundle(
        model_name='m_segformer',
        model_config={'backbone': 'b0', 'head_dim': 16, 'num_classes': SPACE.num_classes},
        encoders={name: MODALITIES[name].default_settings() for name in SENSOR_NAMES},
        label_space=SPACE, short_side_px=64)
    network = build_model(bundle.model_name, bundle.model_config)
    # Statistics of real inputs: a fresh network is nearly blind.
    network.eval().head.norm.train()
    network.head.norm.momentum = None
    network({'rgb': torch.randint(0, 256, (8, 3, 64, 64), dtype=torch.uint8)})
    return TorchSegmenter(bundle, network.state_dict(), precision='fp32')


@pytest.mark.slow
def test_one_encoding_of_each_sensor_gives_the_scores_of_separate_predictions(
        segmenter, deliver_root, near_ties):
    frames = DeliverDataset(deliver_root, 'val')
    subsets = modality_subsets(segmenter.bundle.modalities)
    num_ties = Counter()

    def separately(images, out_hw):
        images_B = {name: torch.from_numpy(x).permute(2, 0, 1)[None] for name, x in images.items()}
        logits = segmenter.network.logits(images_B)
        num_ties[tuple(images)] += int(near_ties(
            F.interpolate(logits, size=out_hw, mode='bilinear')[0]).sum())
        return segmenter.predict(images, out_hw)[0]

    separate = SubsetScores(label_space=SPACE)
    for frame in (frames[1], frames[4]):
        for subset in subsets:
            labels = separately({name: frame.images[name] for name in subset}, (64, 64))
            separate.update(subset, frame.condition, labels, frame.labels)
    together, threaded, batched = (
        score_frames(subset_network(segmenter), frames, subsets, SPACE, 64, indices=[1, 4],
                     batch_size=batch_size, workers=workers)
        for batch_size, workers in ((1, 0), (1, 2), (2, 2)))
    assert list(together.matrices) == subsets
    for subset in subsets:
        assert num_ties[subset] < 0.02 * 2 * 64 * 64
        for condition, matrix in separate.matrices[subset].items():
            found = [scores.matrices[subset][condition].counts
                     for scores in (together, threaded, batched)]
            np.testing.assert_array_equal(found[0], found[1])
            for counts in found:
                assert np.abs(counts - matrix.counts).sum() <= 2 * num_ties[subset]
            if len(subset) == 4:
                np.testing.assert_array_equal(found[0], matrix.counts)


def test_missing_sensors_as_zeros_are_said_to_be_so(segmenter, deliver_root):
    frames = DeliverDataset(deliver_root, 'val')
    subsets = modality_subsets(segmenter.bundle.modalities)
    drop, zero = (score_frames(subset_network(segmenter), frames, subsets, SPACE, 64, indices=[0],
                               missing=missing) for missing in ('drop', 'zero'))
    assert drop.to_dict()['missing_mode'] == 'drop'
    assert zero.to_dict()['missing_mode'] == 'zero'
    assert 'EMM average (zero)' in score_table(zero) and '(drop)' in score_table(drop)
    assert (drop.matrices['rgb',]['all'].counts != zero.matrices['rgb',]['all'].counts).any()


def test_what_met_no_labelled_pixel_is_left_out():
    scores = SubsetScores(label_space=SPACE)
    truth, nothing = np.full(9, 3, np.uint8), np.full(9, 255, np.uint8)
    for subset in (('rgb',), ('lidar',), ('rgb', 'lidar')):
        scores.update(subset, 'sun', np.uint8([3] * 6 + [4] * 3), truth)
        scores.update(subset, 'fog', truth, nothing)
    report = json.loads(json.dumps(scores.to_dict(), allow_nan=False))
    wanted = report['subsets']['rgb']
    assert wanted['conditions'] == {'sun': 66.67}
    assert wanted['classes'] == {SPACE.class_names[3]: wanted['miou']}, 'not what is but predicted'
    assert read_scores(report).average() == pytest.approx(66.67)
    assert score_table(scores).splitlines()[1].split() == ['rgb', '66.67', '-', '66.67']

    scores.matrices['lidar',] = {}
    scores.update(('lidar',), 'sun', truth, nothing)
    report = json.loads(json.dumps(scores.to_dict(), allow_nan=False))
    assert list(report['subsets']) == ['rgb', 'rgb+lidar'] and 'emm_average_zero' not in report
    assert read_scores(report).average() is None and 'EMM' not in score_table(scores)


def test_counts_can_be_added_as_they_are():
    by_image, by_counts = SubsetScores(label_space=SPACE), SubsetScores(label_space=SPACE)
    rng = np.random.default_rng(0)
    pred, truth = rng.integers(0, 25, (2, 30), np.uint8)
    by_image.update(('rgb',), 'sun', pred, truth)
    by_counts.add(('rgb',), 'sun', by_image.matrices['rgb',]['all'].counts)
    assert by_counts.to_dict() == by_image.to_dict()
    with pytest.raises(ValueError, match=r'allowed: int64 \(25, 26\)'):
        by_counts.add(('rgb',), 'sun', np.zeros((25, 25), np.int64))


def scored_parts(*subsets):
    """A score of each combination alone: half of its pixels right."""
    part = SubsetScores(label_space=SPACE)
    for subset in subsets:
        part.update(subset, 'sun', np.uint8([0, 1]), np.uint8([0, 0]))
    return part


def test_scores_of_all_parts_are_pooled():
    both = scored_parts(('rgb',), ('depth',), ('rgb', 'depth'))
    pool = SubsetScores.pooled([both, both])
    assert pool.matrices[('rgb',)]['all'].counts.sum() == 4
    assert set(pool.matrices[('rgb',)]) == {'all', 'sun'}
    assert pool.to_dict()['emm_average_skip'] == both.to_dict()['emm_average_skip'] == 50
    uneven = SubsetScores.pooled([both, scored_parts(('rgb',))])
    assert 'emm_average_skip' not in uneven.to_dict(), 'combinations are of different frames'
    assert uneven.matrices[('rgb',)]['all'].counts.sum() == 4


def test_a_bundle_is_scored_with_the_sensors_it_shares_with_the_data_set(segmenter, deliver_root):
    opened = open_frames(segmenter.bundle, deliver_root, 'val')
    scores, report = score_split(segmenter, *opened, BenchmarkConfig(), max_frames=2)
    assert len(scores.emm['drop'].matrices) == 15 and report['data']['scored_frames'] == 2
    *_, sensors = open_frames(segmenter.bundle, deliver_root, 'val', modalities=['event', 'rgb'])
    assert sensors == ('rgb', 'event')


def test_classes_of_another_name_are_the_same_classes(segmenter, deliver_root):
    renamed = replace(segmenter.bundle, label_space=replace(SPACE, name='mine'))
    assert len(open_frames(renamed, deliver_root, 'val')[0]) == 6


@pytest.mark.parametrize(('arguments', 'words'), [
    ({'name': 'kitti'}, "data set is 'kitti'; allowed: deliver"),
    ({'modalities': ['radar']}, 'modalities radar; the bundle has rgb, depth, lidar, event'),
    ({'label_map': 'urbanlf-to-cityscapes'}, "from 'urbanlf', but the data set has 'deliver'"),
    ({'label_map': 'deliver-to-cityscapes'}, "labelled in classes of 'cityscapes'"),
    ({'label_map': 'nowhere'}, 'no label map'),
    ({'options': {'depth': 'raw'}}, 'depth'),
])
def test_data_that_does_not_fit_the_bundle(segmenter, deliver_root, arguments, words):
    with pytest.raises(ConfigError) as caught:
        open_frames(segmenter.bundle, deliver_root, 'val', **arguments)
    assert words in str(caught.value)


@pytest.mark.parametrize(('length', 'wanted', 'indices'), [
    (4, 0, [0, 1, 2, 3]), (4, 9, [0, 1, 2, 3]), (6, 3, [0, 2, 4]), (5, 2, [0, 2])])
def test_spread(length, wanted, indices):
    assert spread(length, wanted) == indices


@pytest.fixture
def recorded(monkeypatch):
    """Truth at 1.0 s and 1.1 s; label images at 1.02 s (all right), 1.1 s (half) and 2 s."""
    truths = [(1_000_000_000, np.full((4, 6), 3, np.uint8)),
              (1_100_000_000, np.full((4, 6), 5, np.uint8))]
    monkeypatch.setattr(bag_scores, 'read_label_images', lambda path, topic: dict(truths))
    monkeypatch.setattr(bag_scores, 'read_recorded_rig', lambda path, topics, modalities: None)
    monkeypatch.setattr(bag_scores, 'Session', lambda segmenter, placement, **options: None)
    half = np.full((4, 6), 5, np.uint8)
    half[:2] = 3
    answers = [(1_020_000_000, truths[0][1], ('depth', 'rgb')),
               (1_100_000_000, half, ('rgb',)), (2_000_000_000, half, ('rgb',))]
    monkeypatch.setattr(bag_scores, 'segment_recording', lambda *args, **options: [
        SimpleNamespace(prediction=SimpleNamespace(stamp_ns=stamp, labels=labels, used=used))
        for stamp, labels, used in answers])
    return truths


SEGMENTER = SimpleNamespace(bundle=SimpleNamespace(modalities=('rgb', 'depth'),
                                                   label_space=SPACE, missing_mode='zero'))


def test_recordings_are_scored_by_the_sensors_used_and_the_nearest_truth(recorded, tmp_path):
    scores = bag_scores.score_recording(tmp_path, SEGMENTER)
    assert scores.miou(('rgb', 'depth')) == 100.0
    assert scores.miou(('rgb',)) == 50.0
    assert scores.matrices[('rgb',)]['all'].counts.sum() == 24
    assert scores.to_dict()['missing_mode'] == 'zero'


def test_combinations_of_a_recording_are_of_other_moments_and_not_averaged(
        recorded, tmp_path, monkeypatch):
    everything = bag_scores.segment_recording()
    monkeypatch.setattr(bag_scores, 'segment_recording', lambda *args, **options: everything[1:])
    scores = bag_scores.score_recording(tmp_path, SEGMENTER)
    assert list(scores.matrices) == [('rgb',)]
    assert 'EMM' not in score_table(scores)
    assert not any(key.startswith('emm') for key in scores.to_dict())


@pytest.mark.parametrize(('truth', 'words'), [
    (np.zeros((4, 7), np.uint8), r'of stamp 1000000000 ns does not fit .*\(4, 7\)'),
    (np.full((4, 6), 77, np.uint8), 'of stamp 1000000000 ns .*77; allowed: 0 to 24 and 255'),
    (np.full((4, 6), 255, np.uint8), 'not one labelled pixel'),
])
def test_ground_truth_that_does_not_fit_is_named(recorded, tmp_path, monkeypatch, truth, words):
    monkeypatch.setattr(bag_scores, 'read_label_images', lambda path, topic: {
        1_000_000_000: truth})
    with pytest.raises(ConfigError, match=words):
        bag_scores.score_recording(tmp_path, SEGMENTER)


def test_a_recording_without_near_truth_is_refused(recorded, tmp_path, monkeypatch):
    monkeypatch.setattr(bag_scores, 'MAX_TRUTH_OFFSET_NS', -1)
    with pytest.raises(ConfigError, match='60 ms'):
        bag_scores.score_recording(tmp_path, SEGMENTER)
    monkeypatch.setattr(bag_scores, 'read_label_images', lambda path, topic: {})
    with pytest.raises(ConfigError, match='no ground truth'):
        bag_scores.score_recording(tmp_path, SEGMENTER)
