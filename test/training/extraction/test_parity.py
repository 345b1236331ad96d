# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A simulated drive, extracted: the same labels and the same scores as ``segment_bag`` gives."""

import json

import numpy as np
import pytest

from anymodal_seg_ros import segment_bag
from anymodal_seg_ros.bags import read_label_images
from anymodal_seg_ros.corruption import FaultSchedule
from anymodal_seg_ros.inference import build_segmenter, modality_subsets
from training import evaluate
from training.bag_scores import score_recording
from training.datasets.recorded import RECORDING, RecordedDataset, read_frames
from training.extract_bag import main
from training.scored_frames import open_frames
from training.scoring import score_frames
from training.subset_network import subset_network

pytestmark = pytest.mark.slow

FAULTS = """
faults:
  - {name: no scan, modality: lidar, fault: drop, start_s: 0.7, end_s: 1.3}
  - {name: no camera, modality: rgb, fault: drop, start_s: 1.0, end_s: 1.6}
"""


@pytest.fixture(scope='module')
def faults(tmp_path_factory):
    path = tmp_path_factory.mktemp('faults') / 'faults.yaml'
    path.write_text(FAULTS)
    return path


@pytest.fixture(scope='module')
def segmenter(tiny_bundle):
    return build_segmenter(tiny_bundle, device='cpu')


@pytest.fixture(scope='module')
def extracted(drive, faults, tiny_bundle, tmp_path_factory):
    root = tmp_path_factory.mktemp('extracted') / 'data'
    assert main([str(drive), '--output', str(root), '--split', 'val', '--bundle',
                 str(tiny_bundle), '--faults', str(faults)]) == 0
    return root


@pytest.fixture(scope='module')
def offline(drive, faults, tiny_bundle, tmp_path_factory):
    """Stamp to label image, as ``segment_bag`` wrote them."""
    out = tmp_path_factory.mktemp('offline') / 'labelled'
    assert segment_bag.main([str(drive), '--out', str(out), '--bundle', str(tiny_bundle),
                             '--faults', str(faults), '--device', 'cpu']) == 0
    return read_label_images(out, '/anymodal_seg/label')


def test_every_frame_gets_the_labels_of_segment_bag(extracted, offline, segmenter):
    frames = RecordedDataset(extracted, 'val')
    lines = {line['id']: line for line in read_frames(extracted, 'street')}
    assert len(frames) == len(offline)
    for frame in (frames[i] for i in range(len(frames))):
        labels, _ = segmenter.predict(frame.images, frame.labels.shape)
        np.testing.assert_array_equal(labels, offline[lines[frame.id]['stamp_ns']])


def test_frames_of_each_combination_of_sensors_score_as_the_recording_does(
        extracted, drive, faults, segmenter):
    wanted = score_recording(drive, segmenter, schedule=FaultSchedule.from_yaml(faults)).matrices
    assert {('rgb', 'depth', 'lidar', 'event'), ('rgb', 'depth', 'event'),
            ('depth', 'event')} <= set(wanted)
    compared = set()
    for failure in RecordedDataset(extracted, 'val').describe()['failures']:
        missing = failure.split('_')[1:] if failure != 'normal' else []
        subset = tuple(name for name in segmenter.bundle.modalities if name not in missing)
        bundle = segmenter.bundle
        frames, _, sensors = open_frames(bundle, extracted, 'val', name='recorded',
                                         failures=[failure])
        scores = score_frames(subset_network(segmenter), frames, modality_subsets(sensors),
                              bundle.label_space, bundle.short_side_px)
        assert set(wanted[subset]) == {'all', RECORDING}
        for condition, matrix in wanted[subset].items():
            np.testing.assert_array_equal(scores.matrices[subset][condition].counts,
                                          matrix.counts)
        compared.add(subset)
    assert compared == set(wanted)


def test_evaluate_says_the_same_of_both(extracted, drive, faults, tiny_bundle, tmp_path):
    reports = {}
    for name, source in {
            'data': ('--data', extracted, '--dataset', 'recorded', '--failure', 'normal'),
            'bag': ('--bag', drive, '--faults', faults)}.items():
        output = tmp_path / f'{name}.json'
        assert evaluate.main([str(a) for a in (
            tiny_bundle, *source, '--device', 'cpu', '--output', output)]) == 0
        reports[name] = json.loads(output.read_text())['subsets']['rgb+depth+lidar+event']
    assert reports['data'] == reports['bag']


def test_the_encoders_of_the_bundle_are_stored(extracted, segmenter):
    manifest = RecordedDataset(extracted, 'val').describe()['manifest']
    assert manifest['encoders'] == json.loads(json.dumps(
        {name: dict(value) for name, value in segmenter.bundle.encoders.items()}))
    assert manifest['short_side_px'] == segmenter.bundle.short_side_px
    assert manifest['label_space'] == segmenter.bundle.label_space.to_dict()
