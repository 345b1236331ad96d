# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading DELIVER's layout: paths, labels, filters and clear errors."""

import shutil

import cv2
import numpy as np
import pytest

from anymodal_seg_ros.errors import ConfigError
from training.datasets import DeliverDataset, FrameCache, resize_frame


@pytest.fixture
def root(deliver_root, tmp_path):
    copy = tmp_path / 'copy'
    shutil.copytree(deliver_root, copy)
    return copy


def write_png(path, image):
    assert cv2.imwrite(str(path), image)


SUN = 'sun/train/MAP_1_point1/000000'


def path_of(root, folder, suffix, condition='sun', scene='MAP_1_point1'):
    return root / folder / condition / 'train' / scene / f'000000_{suffix}_front.png'


def test_frames_and_their_names(deliver_root):
    data = DeliverDataset(deliver_root, 'train')
    assert len(data) == 6
    frames = [data[i] for i in range(6)]
    assert [f.id for f in frames][3] == SUN
    assert {(f.condition, f.failure) for f in frames} == {
        ('sun', 'normal'), ('night', 'motionblur')}
    assert list(frames[0].images) == ['rgb', 'depth', 'lidar', 'event']
    assert all(i.shape == (64, 64, 3) and i.dtype == np.uint8
               for f in frames for i in f.images.values())


def test_labels_are_shifted_and_colours_are_red_first(deliver_root):
    frame = DeliverDataset(deliver_root, 'train')[0]
    assert (frame.labels[:2] == 255).all()
    assert frame.labels[2:].max() < 25
    assert np.array_equal(frame.images['rgb'][2:, :, 2], frame.labels[2:] * 9)
    assert np.array_equal(frame.images['rgb'][2:, :, 0], frame.labels[2:] * 4)


@pytest.mark.parametrize(('filters', 'num'), [
    ({'conditions': ['sun']}, 3),
    ({'failures': ['motionblur']}, 3),
    ({'failures': ['normal']}, 3),
    ({'conditions': ['night', 'sun'], 'failures': ['normal', 'motionblur']}, 6),
])
def test_filters(deliver_root, filters, num):
    assert len(DeliverDataset(deliver_root, 'train', **filters)) == num


@pytest.mark.parametrize(('arguments', 'match'), [
    ({'split': 'dev'}, "split is 'dev'"),
    ({'split': 'train', 'conditions': ['rain']}, 'no .train. frames'),
    ({'split': 'train', 'conditions': ['snow']}, 'snow'),
    ({'split': 'train', 'failures': ['flat tyre']}, 'flat tyre'),
    ({'split': 'train', 'modalities': ['sonar']}, 'sonar'),
    ({'split': 'train', 'options': {'depth_folder': 'hha'}}, 'hha'),
])
def test_bad_arguments_are_named(deliver_root, arguments, match):
    with pytest.raises(ConfigError, match=match):
        DeliverDataset(deliver_root, **arguments)


def test_a_folder_in_another_layout_is_refused(tmp_path):
    (tmp_path / 'img').mkdir()
    with pytest.raises(ConfigError, match='semantic'):
        DeliverDataset(tmp_path, 'train', ['rgb'])


def test_a_missing_file_is_named_or_absent(root):
    missing = path_of(root, 'lidar', 'lidar')
    missing.unlink()
    index = 3
    with pytest.raises(ConfigError, match=str(missing)):
        DeliverDataset(root, 'train')[index]
    frame = DeliverDataset(root, 'train', options={'allow_missing': True})[index]
    assert list(frame.images) == ['rgb', 'depth', 'event']


def test_damaged_and_oversized_values_are_named(root):
    path = path_of(root, 'img', 'rgb')
    path.write_bytes(b'no image')
    with pytest.raises(ConfigError, match='readable'):
        DeliverDataset(root, 'train')[3]
    write_png(path, np.zeros((64, 64), np.uint16))
    with pytest.raises(ConfigError, match='uint16'):
        DeliverDataset(root, 'train')[3]
    write_png(path, np.zeros((32, 64, 3), np.uint8))
    with pytest.raises(ConfigError, match='only event'):
        DeliverDataset(root, 'train')[3]


def test_unknown_labels_are_named(root):
    path = path_of(root, 'semantic', 'semantic')
    write_png(path, np.full((64, 64), 26, np.uint8))
    with pytest.raises(ConfigError, match='26'):
        DeliverDataset(root, 'train')[3]


def test_small_event_images_are_enlarged_by_nearest_neighbour(root):
    path = path_of(root, 'event', 'event')
    small = cv2.imread(str(path))[::4, ::4]
    write_png(path, small)
    image = DeliverDataset(root, 'train')[3].images['event']
    assert np.array_equal(image, small[..., ::-1].repeat(4, 0).repeat(4, 1))
    alone = DeliverDataset(root, 'train', ['event'])[3]
    assert np.array_equal(alone.images['event'], image), 'the labels tell the size'


def test_hha_is_preferred_to_depth(root):
    shutil.copytree(root / 'depth', root / 'hha')
    path = path_of(root, 'hha', 'depth')
    write_png(path, np.full((64, 64, 3), 7, np.uint8))
    assert (DeliverDataset(root, 'train')[3].images['depth'] == 7).all()
    plain = DeliverDataset(root, 'train', options={'depth_folder': 'depth'})[3]
    assert not (plain.images['depth'] == 7).all()


def test_grey_images_get_three_channels(root):
    write_png(path_of(root, 'lidar', 'lidar'), np.full((64, 64), 9, np.uint8))
    assert (DeliverDataset(root, 'train')[3].images['lidar'] == 9).all()


def test_description_changes_with_the_data(root):
    first = DeliverDataset(root, 'train').describe()
    assert first['frames'] == 6 and first['manifest'] == {'name': 'bands'}
    assert first['conditions'] == {'night': 3, 'sun': 3}
    path_of(root, 'semantic', 'semantic').unlink()
    assert DeliverDataset(root, 'train').describe()['sha256'] != first['sha256']
    (root / 'dataset.json').write_text('{', encoding='utf-8')
    with pytest.raises(ConfigError, match=r'dataset\.json'):
        DeliverDataset(root, 'train').describe()


def test_resizing_keeps_labels_unless_asked(deliver_root):
    frame = DeliverDataset(deliver_root, 'train')[0]
    small = resize_frame(frame, (32, 32), labels_too=False)
    assert small.images['rgb'].shape == (32, 32, 3) and small.labels.shape == (64, 64)
    both = resize_frame(frame, (32, 32), labels_too=True)
    assert set(np.unique(both.labels)) <= set(np.unique(frame.labels))


def test_the_cache_reads_once(deliver_root):
    data = DeliverDataset(deliver_root, 'train')
    cache = FrameCache(data, (32, 32))
    assert cache[2] is cache[2] and len(cache) == 6
    assert cache[2].labels.shape == (32, 32)
    fresh = FrameCache(data, keep=False)
    assert fresh[2] is not fresh[2] and fresh[2].labels.shape == (64, 64)
