# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Exact values of each data set's encodings, and its own filters and options."""

import cv2
import numpy as np
import pytest

from anymodal_seg_ros.errors import ConfigError
from training.datasets import DATASETS
from training.datasets.muses import SCALES, decode_projection, encode_returns
from training.datasets.polarization import encode_aolp

MUSES_NAME = 'train/fog/day/REC0000_frame_000123'


def write(path, image):
    assert cv2.imwrite(str(path), image)


def test_deliver_labels_do_not_wrap(root_of):
    root = root_of('deliver')
    labels = np.zeros((8, 12, 4), np.uint8)
    labels[:, :, 2] = np.resize([0, 255, 1, 25], (8, 12))
    labels[:, :, :2] = 99
    write(root / 'semantic/fog/train/MAP_1_point2/000000_semantic_front.png', labels)
    assert DATASETS['deliver'](root, 'train')[0].labels[0, :4].tolist() == [255, 255, 0, 24]


def test_deliver_depth_is_hha_or_raw(root_of):
    root = root_of('deliver')
    name = 'fog/train/MAP_1_point2/000000_depth_front.png'
    (root / 'depth' / name).parent.mkdir(parents=True)
    write(root / 'depth' / name, np.full((8, 12, 3), 7, np.uint8))
    for options, folder in (({}, 'hha'), ({'depth_folder': 'depth'}, 'depth')):
        source = DATASETS['deliver'](root, 'train', ['depth'], conditions=['fog'],
                                     options=options)
        assert source.describe()['folders'] == {'depth': folder}
        assert (source[0].images['depth'] == 7).all() == (folder == 'depth')


@pytest.mark.parametrize(('filters', 'num'), [
    ({'conditions': ['fog']}, 1), ({'failures': ['motionblur']}, 1), ({'failures': ['normal']}, 1),
    ({'conditions': ['fog', 'night']}, 2),
])
def test_deliver_filters_see_names_and_not_the_path(filters, num, root_of):
    assert len(DATASETS['deliver'](root_of('deliver'), 'train', **filters)) == num


def test_muses_projections_keep_all_16_bits():
    stored = np.array([15000, 15001, 15150, 0, 65535], np.uint16)
    assert decode_projection(stored).tolist() == pytest.approx(
        [0, 1 / 150, 1, -100, 65535 / 150 - 100], abs=1e-4)
    every = decode_projection(np.arange(65536).astype(np.uint16))
    assert len(np.unique(every)) == 65536 and (every == 0).sum() == 1


@pytest.mark.parametrize('suffix', ['.png', '.npz', '.npy'])
def test_muses_lidar_values(suffix, root_of, write_array):
    root = root_of('muses')
    values = np.zeros((8, 12, 3), np.float32)
    values[2, 3] = 50.0, 120.0, -1.5
    values[4, 5] = 500.0, 0.0, 30.0
    values[6, 7] = 0.5, 255.0, -5.0
    values = np.minimum(values, 336)
    stem = root / 'projected_to_rgb/lidar' / f'{MUSES_NAME}_lidar'
    (root / f'projected_to_rgb/lidar/{MUSES_NAME}_lidar.png').unlink()
    path = stem.with_name(stem.name + suffix)
    if suffix == '.png':
        write(path, ((values + 100) * 150).astype(np.uint16))
    else:
        write_array(path, values)
    image = DATASETS['muses'](root, 'train', ['lidar'])[0].images['lidar']
    assert image.dtype == np.float32
    assert image[2, 3] == pytest.approx(
        [1 + 254 * 50 / 200, 1 + 254 * 120 / 255, 1 + 254 * 3.5 / 25], abs=1e-3)
    assert image[4, 5].tolist() == [255, 1, 255]
    assert image[6, 7] == pytest.approx([1 + 254 * 0.5 / 200, 255, 1], abs=1e-3)
    assert np.count_nonzero(image.any(axis=2)) == 3


def test_muses_radar_has_no_height_and_scales_are_ranges():
    values = np.full((2, 2, 3), 75.0, np.float32)
    assert encode_returns(values, 'radar')[0, 0] == pytest.approx([128, 1 + 254 * 75 / 255, 0])
    assert all(low < high for scale in SCALES.values() for low, high in scale)


def test_muses_events_are_counts_positive_first(root_of):
    root = root_of('muses')
    counts = np.zeros((8, 12, 3), np.uint8)
    counts[1, 1], counts[2, 2] = (1, 0, 0), (0, 9, 0)
    write(root / f'projected_to_rgb/event_camera/{MUSES_NAME}_event_camera.png', counts)
    image = DATASETS['muses'](root, 'train', ['event'])[0].images['event']
    assert image[1, 1].tolist() == [64, 0, 0] and image[2, 2].tolist() == [0, 255, 0]
    image = DATASETS['muses'](root, 'train', ['event'], options={'count_clip': 255})[0]
    assert image.images['event'][2, 2].tolist() == [0, 9, 0]


def test_muses_void_stays_unlabelled_and_test_has_no_labels(root_of):
    root = root_of('muses')
    frame = DATASETS['muses'](root, 'train')[0]
    assert frame.condition == 'fog_day'
    assert (frame.labels[0] == 255).all() and (frame.labels[1:] < 19).all()
    assert (DATASETS['muses'](root, 'test')[0].labels == 255).all()


@pytest.mark.parametrize(('conditions', 'num'), [
    (['fog'], 2), (['night'], 1), (['fog_day'], 1), (['day', 'night'], 2)])
def test_muses_conditions(conditions, num, root_of):
    assert len(DATASETS['muses'](root_of('muses'), 'train', conditions=conditions)) == num


def test_muses_says_what_to_run_and_refuses_8_bit(root_of):
    root = root_of('muses')
    write(root / f'projected_to_rgb/lidar/{MUSES_NAME}_lidar.png',
          np.zeros((8, 12, 3), np.uint8))
    with pytest.raises(ConfigError, match='uint8 values; allowed: uint16'):
        DATASETS['muses'](root, 'train')[0]
    (root / 'projected_to_rgb').rename(root / 'multimodal')
    assert DATASETS['muses'](root, 'train')[1].images['radar'].any()
    (root / 'multimodal').rename(root / 'mine')
    assert len(DATASETS['muses'](root, 'train', options={'projections': 'mine'})) == 2
    with pytest.raises(ConfigError, match=r'no folder projected_to_rgb/lidar or .*SDK'):
        DATASETS['muses'](root, 'train')
    for options in ({'projections': 3}, {'count_clip': 0}, {'count_clip': 2.5}):
        with pytest.raises(ConfigError, match='allowed'):
            DATASETS['muses'](root, 'train', options=options)


def test_mcubes_cuts_the_left_192_columns_and_keeps_16_bits(root_of, write_array):
    root = root_of('mcubes')
    color = np.zeros((8, 204, 3), np.uint16)
    color[:, 192:] = 257 * np.array([10, 20, 30]) + 1
    write(root / 'polL_color/train_outscene00.png', color)
    labels = np.zeros((8, 204), np.uint8)
    labels[:, 192], labels[:, 203] = 19, 255
    write(root / 'GT/train_outscene00.png', labels)
    for folder, value in (('aolp_sin', -2.66), ('aolp_cos', 0.5), ('dolp', 1.45)):
        plane = np.full((8, 204), 9, np.float64)
        plane[:, 192:] = value
        write_array(root / f'polL_{folder}/train_outscene00.npy', plane)
    frame = DATASETS['mcubes'](root, 'train')[0]
    assert frame.labels.shape == (8, 12)
    assert frame.labels[0, 0] == 19 and frame.labels[0, 11] == 255
    assert frame.images['rgb'][0, 0] == pytest.approx(np.array([30, 20, 10]) + 1 / 257)
    assert frame.images['aolp'][0, 0].tolist() == [1, 128 + 63.5, 1]
    assert frame.images['dolp'][0, 0].tolist() == [255, 255, 255]
    assert frame.images['nir'].dtype == np.uint8 and np.ptp(frame.images['nir'], axis=2).max() == 0


def test_mcubes_lists_are_what_they_are_called(root_of):
    root = root_of('mcubes')
    assert DATASETS['mcubes'](root, 'val')[0].id.startswith('val_')
    assert DATASETS['mcubes'](root, 'test')[0].id.startswith('test_')


def test_mcubes_never_unpickles(root_of):
    root = root_of('mcubes')
    np.save(root / 'polL_dolp/train_outscene00.npy', np.array([{'a': 1}]), allow_pickle=True)
    with pytest.raises(ConfigError, match=r'train_outscene00\.npy.*Python objects'):
        DATASETS['mcubes'](root, 'train')[0]


def test_mfnet_thermal_is_the_fourth_channel(root_of):
    root = root_of('mfnet')
    image = np.zeros((8, 12, 4), np.uint8)
    image[:] = 30, 20, 10, 77
    write(root / 'images/00001D.png', image)
    write(root / 'labels/00001D.png', np.full((8, 12), 0, np.uint8))
    source = DATASETS['mfnet'](root, 'train')
    assert source[0].images['rgb'][0, 0].tolist() == [10, 20, 30]
    assert source[0].images['thermal'][0, 0].tolist() == [77, 77, 77]
    assert (source[0].labels == 0).all()
    assert [source[i].condition for i in range(2)] == ['day', 'night']
    assert len(DATASETS['mfnet'](root, 'train', conditions=['night'])) == 1
    write(root / 'images/00001D.png', image[:, :, :3])
    with pytest.raises(ConfigError, match='four channels'):
        source[0]


@pytest.mark.parametrize(('folder', 'suffix'), [('rgb', 'jpg'), ('img', 'png')])
@pytest.mark.parametrize('entry', ['{name}', '{folder}/{name}.{suffix}', '{name}.{suffix}'])
def test_mfnet_may_be_split_into_sensors(root_of, folder, suffix, entry):
    """Uniform images, which even a JPEG keeps; thermal of one channel or of three."""
    root = root_of('mfnet')
    (root / 'images').rename(root / 'packed')
    for folder_of, values in ((folder, (10, 20, 200)), ('ther', 90)):
        (root / folder_of).mkdir()
        for name in ('00001D', '00002N'):
            shape = (16, 16, 3) if folder_of == folder or name == '00002N' else (16, 16)
            write(root / folder_of / f'{name}.{suffix}', np.full(shape, values, np.uint8))
            write(root / 'labels' / f'{name}.png', np.zeros((16, 16), np.uint8))
    (root / 'train.txt').write_text(''.join(
        entry.format(name=name, folder=folder, suffix=suffix) + '\n'
        for name in ('00001D', '00002N', '00002N_flip')))
    source = DATASETS['mfnet'](root, 'train')
    assert [(source[i].id, source[i].condition) for i in range(len(source))] == [
        ('00001D', 'day'), ('00002N', 'night')]
    for frame in (source[0], source[1]):
        np.testing.assert_allclose(frame.images['rgb'][8, 8], (200, 20, 10), atol=3)
        np.testing.assert_allclose(frame.images['thermal'], 90, atol=3)
    assert len(DATASETS['mfnet'](root, 'train', ['thermal'])) == 2


@pytest.mark.parametrize('lines', ['RGB/0.jpg Label/0.png\nRGB/1.jpg Label/1.png\n',
                                   'RGB/0.jpg\tLabel/0.png\n1\nRGB/1.png\n0.jpg\n'])
def test_nyuv2_lists_may_name_files(root_of, lines):
    root = root_of('nyuv2')
    whole = DATASETS['nyuv2'](root, 'train')
    (root / 'train.txt').write_text(lines)
    source = DATASETS['nyuv2'](root, 'train')
    assert [source[i].id for i in range(len(source))] == ['0', '1']
    for i in range(2):
        for name in ('rgb', 'depth'):
            np.testing.assert_array_equal(source[i].images[name], whole[i].images[name])


def test_nyuv2_labels_start_at_one_and_val_is_not_test(root_of):
    root = root_of('nyuv2')
    write(root / 'Label/0.png', np.resize([0, 1, 40, 255], (8, 12)).astype(np.uint8))
    assert DATASETS['nyuv2'](root, 'train')[0].labels[0, :4].tolist() == [255, 0, 39, 255]
    with pytest.raises(ConfigError, match="Score on 'test'"):
        DATASETS['nyuv2'](root, 'val')
    (root / 'val.txt').write_text('1\n')
    assert DATASETS['nyuv2'](root, 'val')[0].id == '1'
    with pytest.raises(ConfigError, match='no folder Depth for depth'):
        DATASETS['nyuv2'](root, 'train', options={'depth_folder': 'depth'})


@pytest.mark.parametrize(('angles', 'aolp_deg', 'degree'), [
    ((200, 100, 0, 100), 0, 1), ((100, 200, 100, 0), 45, 1), ((100, 0, 100, 200), -45, 1),
    ((100, 100, 100, 100), 0, 0), ((150, 100, 50, 100), 0, 0.5), ((0, 0, 0, 0), 0, 0),
])
def test_zju_polarisation(angles, aolp_deg, degree, root_of):
    root = root_of('zju_rgbp')
    for angle, value in zip((0, 45, 90, 135), angles, strict=True):
        write(root / f'train/{angle}/20200101_0_{angle}.png', np.full((8, 12, 3), value, np.uint8))
    images = DATASETS['zju_rgbp'](root, 'train')[0].images
    phi = np.radians(aolp_deg)
    assert images['rgb'][0, 0] == pytest.approx(np.mean(angles))
    assert images['aolp'][0, 0] == pytest.approx(
        128 + 127 * np.array([np.sin(phi), np.cos(phi), np.sin(phi)]), abs=1e-3)
    assert images['dolp'][0, 0] == pytest.approx(255 * degree)


def test_urbanlf_colours_are_never_class_0_by_default(root_of):
    root = root_of('urbanlf')
    path = root / 'train/Image0/label.png'
    label = np.full((8, 12, 3), (168, 198, 168), np.uint8)
    label[0, 0], label[0, 1], label[0, 2] = (0, 0, 198), (0, 0, 0), (1, 2, 3)
    write(path, label)
    with pytest.raises(ConfigError, match=r'label\.png has colour \(3, 2, 1\) at 1 pixels'):
        DATASETS['urbanlf'](root, 'train')[0]
    labels = DATASETS['urbanlf'](root, 'train', options={'unmatched': 'unlabelled'})[0].labels
    assert labels[0, :4].tolist() == [1, 3, 255, 0]
    np.save(root / 'val/Image0/5_5_label.npy', np.resize([0, 255, 1, 14], (8, 12)))
    assert DATASETS['urbanlf'](root, 'val')[0].labels[0, :4].tolist() == [255, 255, 0, 13]


def test_urbanlf_views(root_of):
    root = root_of('urbanlf')
    frame = DATASETS['urbanlf'](root, 'train', options={'view': '5_6'})[0]
    wanted = cv2.imread(str(root / 'train/Image0/5_6.png'))[..., ::-1]
    assert np.array_equal(frame.images['lightfield'], wanted)
    for options in ({'view': '5_5'}, {'view': '0_1'}, {'view': '../1'}, {'unmatched': 'bike'}):
        with pytest.raises(ConfigError, match='allowed'):
            DATASETS['urbanlf'](root, 'train', options=options)


def test_kitti360_ids_and_white_background(root_of):
    root = root_of('kitti360')
    name = '2013_05_28_drive_0005_sync/image_00'
    stored = np.resize([7, 34, 35, 37, 26, 33, 6, 44], (8, 12)).astype(np.uint8)
    write(root / f'data_2d_semantics/train/{name}/semantic/0000000000.png', stored)
    frame = DATASETS['kitti360'](root, 'train')[0]
    assert frame.id == f'{name}/0000000000'
    assert frame.labels[0, :8].tolist() == [0, 2, 4, 5, 13, 18, 255, 255]
    assert frame.images['lidar'][3].any() and not np.delete(frame.images['lidar'], 3, 0).any()
    (root / 'train.txt').write_text('data_2d_hha/x/image_00/data_rect/0.png\n')
    with pytest.raises(ConfigError, match='data_2d_raw/<sequence>'):
        DATASETS['kitti360'](root, 'train')


@pytest.mark.parametrize(('name', 'folder', 'stem', 'value'), [
    ('deliver', 'semantic', '*/train/*/*', 26), ('muses', 'gt_semantic', 'train/*/*/*', 19),
    ('mcubes', 'GT', 'train*', 20), ('mfnet', 'labels', '*', 9), ('nyuv2', 'Label', '*', 41),
    ('zju_rgbp', 'train/train_label', '*', 9),
    ('kitti360', 'data_2d_semantics', 'train/*/*/*/*', 45),
    ('recorded', '.', 'drive*/label/*', 25),
])
def test_labels_out_of_range_are_named(name, folder, stem, value, root_of):
    root = root_of(name)
    source = DATASETS[name](root, 'train')
    for path in (root / folder).glob(f'{stem}.png'):
        shape = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).shape[:2]
        write(path, np.full(shape, value, np.uint8))
    with pytest.raises(ConfigError, match=rf'\.png holds label {value} at \d+ pixels; allowed: 0'):
        source[0]


@pytest.mark.parametrize(('name', 'path'), [
    ('muses', f'frame_camera/{MUSES_NAME}_frame_camera.png'),
    ('mcubes', 'GT/train_outscene00.png'),
    ('mfnet', 'labels/00001D.png'), ('nyuv2', 'HHA/0.jpg'),
    ('zju_rgbp', 'train/45/20200101_0_45.png'), ('urbanlf', 'train/Image0/1_1.png'),
    ('kitti360', 'data_2d_event/2013_05_28_drive_0005_sync/0000000000_event_image.png'),
])
def test_mismatched_sizes_are_named(name, path, root_of):
    root = root_of(name)
    channels = () if 'GT' in path or 'labels' in path else (3,)
    write(root / path, np.ones((9, 200 if name == 'mcubes' else 12, *channels), np.uint8))
    with pytest.raises(ConfigError, match=r'\(9, (12|8)\)'):
        DATASETS[name](root, 'train')[0]


def test_aolp_covers_its_range():
    values = np.linspace(-1.5, 1.5, 61, dtype=np.float32)[None]
    image = encode_aolp(values, -values)
    assert image.min() == 1 and image.max() == 255
    assert np.array_equal(image[..., 0], image[..., 2])
    assert image[..., 0] + image[..., 1] == pytest.approx(256)
