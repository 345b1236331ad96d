# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Simulated data sets: layout, content, splits."""

import json
import re
from dataclasses import asdict, replace

import cv2
import numpy as np
import pytest

from anymodal_seg_ros.errors import ConfigError, WriteError
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.sim.dataset import FOLDERS, DatasetConfig, render, scenes
from anymodal_seg_ros.sim.dataset import write_deliver_dataset as write
from anymodal_seg_ros.sim.vehicle import ALL_SENSORS, SENSOR_NAMES, load_sensors

SMALL = DatasetConfig(num_train=4, num_val=2, num_test=0, size_px=64, camera_px=96,
                      frames_per_scene=2)


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    path = tmp_path_factory.mktemp('streets') / 'sim'
    reported = []
    write(path, SMALL, workers=1, progress=reported.append)
    assert sum(reported) == 6
    return path


def _read(path):
    return cv2.imread(str(path))[..., ::-1]


def test_files_lie_in_deliver_s_layout(root):
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob('*.png'))
    pattern = re.compile(
        r'(img|depth|lidar|event|semantic)/(sun|cloud|fog|rain|night)/(train|val|test)/'
        r'MAP_\d_point\d+(_[a-z]+)?/\d{6}_(rgb|depth|lidar|event|semantic)_front\.png')
    assert len(files) == 6 * 5
    assert all(pattern.fullmatch(file) for file in files)
    for file in files:
        folder = file.split('/')[0]
        if folder == 'img':
            for name in (*SMALL.sensors, 'label'):
                other, suffix = FOLDERS[name]
                assert (root / file.replace('img/', other + '/', 1)
                        .replace('_rgb_', f'_{suffix}_')).is_file()


def test_images_are_what_the_encoders_give_and_labels_are_shifted_by_one(root):
    for scene in scenes(SMALL)[:2]:
        for frame, images in render(scene, SMALL):
            for name, image in images.items():
                stored = _read(scene.path(root, name, frame))
                if name == 'label':
                    assert image.max() < 25
                    assert np.array_equal(stored[..., 0].astype(int) - 1, image)
                    assert image.shape == (64, 64)
                else:
                    assert np.array_equal(stored, image)
                    assert image.shape == (64, 64, 3)


def test_the_description_says_how_it_was_made(root):
    description = json.loads((root / 'dataset.json').read_text(encoding='utf-8'))
    assert {**description['generator'], 'sensors': tuple(description['encoders'])} == asdict(SMALL)
    assert description['label_offset'] == 1
    assert description['frames'] == {'train': 4, 'val': 2, 'test': 0}
    for name, settings in description['encoders'].items():
        assert MODALITIES[name].build_encoder(settings).settings() == settings


@pytest.mark.slow
def test_a_thermal_camera_is_one_folder_more(root, tmp_path):
    from training.datasets.deliver import DeliverDataset
    from training.run_data import encoder_settings
    write(tmp_path / 'warm', replace(SMALL, sensors=ALL_SENSORS), workers=1)
    others = sorted(path.relative_to(root) for path in root.rglob('*.png'))
    assert [path for path in others
            if (tmp_path / 'warm' / path).read_bytes() != (root / path).read_bytes()] == []
    assert len(list((tmp_path / 'warm').rglob('*.png'))) == len(others) * 6 // 5
    data = DeliverDataset(tmp_path / 'warm', 'train')
    assert data.modalities == DeliverDataset.modalities_of(tmp_path / 'warm') == ALL_SENSORS
    assert DeliverDataset.modalities_of(root) == SENSOR_NAMES
    picture = data[0].images['thermal']
    assert picture.shape == (64, 64, 3) and (picture == picture[..., :1]).all()
    assert picture.std() > 5
    range_of_counts = {key: load_sensors()['thermal'].options[key] for key in ('low', 'high')}
    assert encoder_settings(data.describe(), ALL_SENSORS)['thermal'] == range_of_counts


def test_splits_and_seeds_share_no_street():
    config = DatasetConfig(num_train=600, num_val=300, num_test=300)
    planned = scenes(config)
    other = scenes(DatasetConfig(num_train=600, num_val=300, num_test=300, seed=1))
    seeds = [scene.seed for scene in (*planned, *other)]
    assert len(set(seeds)) == len(seeds)
    for split, count in (('train', 600), ('val', 300), ('test', 300)):
        assert sum(len(s.frames) for s in planned if s.split == split) == count
    names = [(s.split, s.condition, s.name) for s in planned]
    assert len(set(names)) == len(names)
    failing = sum(bool(scene.failure) for scene in planned) / len(planned)
    assert 0.08 < failing < 0.25


def test_a_folder_in_use_is_left_alone(root):
    with pytest.raises(WriteError, match='sim exists already'):
        write(root, SMALL)


def test_what_was_not_completed_has_no_data_set_s_name(tmp_path):
    def interrupt(count):
        [unfinished] = tmp_path.iterdir()
        assert unfinished.name == 'sim.unfinished'
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / 'sim', SMALL, workers=1, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(('field', 'value'), [
    ('num_train', -1), ('size_px', 8), ('camera_px', 100), ('frames_per_scene', 0),
    ('failure_share', 1.5), ('seed', -1)])
def test_wrong_values_are_refused(field, value):
    with pytest.raises(ConfigError, match=rf'{field} (is |\(){value}.* allowed'):
        DatasetConfig(**{field: value})
