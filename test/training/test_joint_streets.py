# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two data sets with different labels from one: no training frame is in both."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from anymodal_seg_ros.labels import load_label_space
from training.datasets import DATASETS

PATH = Path(__file__).parents[2] / 'scripts/joint_streets.py'
spec = importlib.util.spec_from_file_location('joint_streets', PATH)
joint_streets = importlib.util.module_from_spec(spec)
spec.loader.exec_module(joint_streets)


@pytest.fixture(scope='module')
def output(deliver_root, tmp_path_factory):
    output = tmp_path_factory.mktemp('joint')
    joint_streets.link_scenes(deliver_root, output / 'deliver')
    joint_streets.write_mfnet(deliver_root, output / 'mfnet')
    return output


def frames_of(name, root, split):
    source = DATASETS[name](root, split)
    return [source[index] for index in range(len(source))]


def test_training_scenes_are_of_one_and_all_others_of_both(deliver_root, output):
    for split in ('train', 'val'):
        whole = frames_of('deliver', deliver_root, split)
        ours = frames_of('deliver', output / 'deliver', split)
        theirs = frames_of('mfnet', output / 'mfnet', split)
        kept = [frame for frame in whole if split == 'val' or 'point1/' in frame.id]
        others = [frame for frame in whole if split == 'val' or 'point1/' not in frame.id]
        assert [frame.id for frame in ours] == [frame.id for frame in kept]
        assert [frame.condition == 'night' for frame in theirs] == [
            frame.condition == 'night' for frame in others]
        for frame, other in zip(theirs, others, strict=True):
            np.testing.assert_array_equal(frame.images['rgb'], other.images['rgb'])


def test_labels_are_mfnet_s_and_warm_classes_are_bright(deliver_root, output):
    deliver, mfnet = load_label_space('deliver'), load_label_space('mfnet')
    warm = {}
    for frame, other in zip(frames_of('mfnet', output / 'mfnet', 'val'),
                            frames_of('deliver', deliver_root, 'val'), strict=True):
        for class_id, class_name in enumerate(deliver.class_names):
            there = other.labels == class_id
            wanted = joint_streets.LABELS.get(class_name, 'unlabeled')
            assert (frame.labels[there] == (255 if wanted is None else mfnet.id_of(wanted))).all()
            if there.any():
                warm.setdefault(class_name, []).append(frame.images['thermal'][there].mean())
    assert len(warm) > 8
    for class_name, means in warm.items():
        expected = joint_streets.WARMTH.get(class_name, joint_streets.AIR)
        assert abs(np.mean(means) - expected) < 20, class_name
