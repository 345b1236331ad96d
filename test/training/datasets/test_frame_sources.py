# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is wrapped around a data set: label maps, the policy for unreadable frames, statistics."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.labels import load_label_space
from anymodal_seg_ros.resources import resource_path
from training.datasets import (
    DATASETS,
    Frame,
    RemappedFrames,
    load_label_map,
    with_label_map,
    with_policy,
)
from training.datasets.frames import resize_image
from training.datasets.modality_statistics import MIN_STD, ChannelMoments, modality_statistics
from training.datasets.remap import LabelMap

MAPS = sorted(path.stem for path in (resource_path('config') / 'label_maps').glob('*-to-*')
              if not path.stem.endswith('-to-unified'))


class Frames:
    """Frame i has the label i; those in ``broken`` cannot be read."""

    def __init__(self, length, broken=(), images=None):
        self.length, self.broken, self.images = length, broken, images or {}
        self.reads = []

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        self.reads.append(index)
        if index in self.broken:
            raise ConfigError(f'file {index}.png is damaged')
        return Frame(id=str(index), condition='any', failure='normal',
                     images={name: images[index] for name, images in self.images.items()},
                     labels=np.full((2, 2), index, np.uint8))

    def describe(self):
        return {'frames': self.length, 'label_space': 'zju_rgbp'}


@pytest.mark.parametrize('name', MAPS)
def test_every_map_loads_and_means_the_same_by_name(name):
    mapping = load_label_map(name)
    assert name == f'{mapping.source.name}-to-{mapping.target.name}'
    assert mapping.ids[255] == 255
    ids = mapping.ids[: mapping.source.num_classes]
    assert ((ids < mapping.target.num_classes) | (ids == 255)).all()
    for class_id, class_name in enumerate(mapping.source.class_names):
        if class_name.lower() in ('road', 'building', 'sky', 'fence', 'pole', 'sidewalk'):
            assert mapping.target.class_names[ids[class_id]].lower() == class_name.lower()


def test_maps_between_all_streets_are_there():
    streets = {DATASETS[name].LABEL_SPACE for name in
               ('muses', 'kitti360', 'mfnet', 'zju_rgbp', 'urbanlf')}
    assert {f'{space}-to-deliver' for space in streets} <= set(MAPS)
    assert {f'{space}-to-cityscapes' for space in streets | {'deliver'}} - {
        'cityscapes-to-cityscapes'} <= set(MAPS)


def test_there_and_back_changes_no_class_that_both_know():
    there, back = load_label_map('cityscapes-to-deliver'), load_label_map('deliver-to-cityscapes')
    ids = np.arange(19, dtype=np.uint8)
    again = back.apply(there.apply(ids))
    assert set(ids[(again != ids)]) == {12, 16, 17, 18}  # riders, trains, two-wheelers
    assert (again[again != ids] == 255).all()


def test_remapped_frames(root_of):
    source = DATASETS['kitti360'](root_of('kitti360'), 'train')
    frames = RemappedFrames(source, load_label_map('cityscapes-to-deliver'))
    assert len(frames) == 2 and frames.describe()['label_space'] == 'deliver'
    assert frames.describe()['label_map'] == 'cityscapes-to-deliver'
    road = source[0].labels == 0
    assert (frames[0].labels[road] == load_label_space('deliver').id_of('Road')).all()


def test_wrong_maps_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r'no label map at .*moon'):
        load_label_map('moon')
    path = tmp_path / 'a.yaml'
    for text in ('classes: 3', 'from: deliver', '[', 'from: deliver\nto: mfnet\nclasses: {}'):
        path.write_text(text)
        with pytest.raises(ConfigError, match=r'a\.yaml|Building'):
            load_label_map(path)
    source, target = load_label_space('zju_rgbp'), load_label_space('mfnet')
    whole = dict.fromkeys(source.class_names)
    for wrong, match in (({'car': 'boat'}, 'boat'), ({'boat': None}, 'boat'),
                         ({'boat': 'car'}, 'boat')):
        with pytest.raises(ConfigError, match=match):
            LabelMap.from_names('m', source, target, {**whole, **wrong})
    mapping = LabelMap.from_names('m', source, target, whole)
    with pytest.raises(ConfigError, match='frame 8: label 8 is no class'):
        RemappedFrames(Frames(9), mapping)[8]
    for name in ('cityscapes-to-deliver', 'mfnet-to-unified'):
        with pytest.raises(ConfigError, match=r"is from '.*', but the data set has 'zju_rgbp'"):
            with_label_map(Frames(9), name)


def test_an_unreadable_frame_ends_the_run_unless_allowed():
    frames = Frames(3, broken=(1,))
    assert with_policy(frames, 'error', print) is frames
    with pytest.raises(ConfigError, match='allowed: error, skip'):
        with_policy(frames, 'ignore', print)


def test_skipping_reports_once_and_takes_the_next():
    lines = []
    frames = Frames(4, broken=(1, 3))
    readable = with_policy(frames, 'skip', lines.append)
    assert [readable[i].id for i in range(4)] == ['0', '2', '2', '0']
    assert [readable[i].id for i in (3, 1)] == ['0', '2']
    assert len(lines) == 2 and 'file 1.png is damaged' in lines[0]
    assert frames.reads.count(1) == frames.reads.count(3) == 1
    assert readable.describe() == {**frames.describe(), 'unreadable': 'skip', 'skipped': [
        'file 1.png is damaged', 'file 3.png is damaged']}
    assert readable.skipped.keys() == {1, 3} and len(readable) == 4


def test_skipping_everything_is_an_error():
    for _ in range(2):
        readable = with_policy(Frames(2, broken=(0, 1)), 'skip', lambda line: None)
        with pytest.raises(ConfigError, match=r'none of 2 frames.*file 1\.png'):
            readable[1]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.booleans(), st.integers(0, 99))
def test_statistics_are_those_of_all_pixels_at_once(heights, deep, seed):
    rng = np.random.default_rng(seed)
    images = [rng.uniform(0, 255, (h, 3, 3)).astype(np.float32 if deep else np.uint8)
              for h in heights]
    moments = ChannelMoments()
    for image in images:
        moments.add(image)
    pixels = np.concatenate([image.reshape(-1, 3) for image in images]).astype(np.float64)
    found = moments
    assert found.mean == pytest.approx(pixels.mean(0), rel=1e-12)
    assert found.std == pytest.approx(np.maximum(pixels.std(0), MIN_STD), rel=1e-12)


def test_statistics_do_not_cancel():
    moments = ChannelMoments()
    for step in range(50):
        moments.add(np.full((20, 20, 3), 1e6 + (step % 2) * 3, np.float64))
    assert moments.std == pytest.approx((1.5, 1.5, 1.5), rel=1e-9)


def test_a_frame_of_weight_two_counts_as_two():
    images = {'rgb': [np.full((2, 2, 3), v, np.uint8) for v in (0, 90, 240)]}
    frames = Frames(3, images=images)
    weighted = modality_statistics(frames, ['rgb'], [(0, 0.5), (1, 1.0), (2, 0.25)])['rgb']
    repeated = modality_statistics(
        frames, ['rgb'], [(index, 1.0) for index in (0, 0, 1, 1, 1, 1, 2)])['rgb']
    assert weighted.mean == pytest.approx(repeated.mean, rel=1e-12)
    assert weighted.std == pytest.approx(repeated.std, rel=1e-12)


def test_statistics_of_chosen_frames_and_missing_modalities():
    images = {'rgb': [np.full((2, 2, 3), v, np.uint8) for v in (0, 100, 200)]}
    found = modality_statistics(Frames(3, images=images), ['rgb'], [(0, 1.0), (2, 1.0)])
    assert found['rgb'].mean == (100, 100, 100) and found['rgb'].std == (100, 100, 100)
    constant = modality_statistics(Frames(3, images=images), ['rgb'], [(1, 1.0)])
    assert constant['rgb'].std == (MIN_STD, MIN_STD, MIN_STD)
    with pytest.raises(ConfigError, match='none of 3 counted frames has lidar'):
        modality_statistics(Frames(3, images=images), ['rgb', 'lidar'],
                            [(index, 1.0) for index in range(3)])


@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
def test_maps_keep_their_values_when_resized_and_dense_images_are_averaged(dtype):
    image = np.zeros((4, 4, 3), dtype)
    image[::2] = 200
    for name in ('depth', 'lidar', 'event', 'radar', 'aolp'):
        assert set(np.unique(resize_image(image, name, (6, 6)))) <= {0, 200}
    for name in ('rgb', 'nir', 'thermal', 'lightfield', 'dolp'):
        small = resize_image(image, name, (2, 2))
        assert (small == 100).all() and small.dtype == dtype
