# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What label pixels stand for: CARLA's two tables in full, both forms, and bad values."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anymodal_seg_ros import bags
from anymodal_seg_ros.errors import BadMessageError, ConfigError
from anymodal_seg_ros.labels import load_label_space
from training.extraction.label_codes import LabelCodes, load_label_codes

# Tag, class id of DELIVER, colour. Up to 0.9.13 tag k is class k - 1, in the same colours.
UNTIL_0_9_13 = {0: (255, (0, 0, 0)), **{
    k + 1: (k, color) for k, color in enumerate(load_label_space('deliver').colors[:22])}}
FROM_0_9_14 = {
    0: (255, (0, 0, 0)), 1: (6, (128, 64, 128)), 2: (7, (244, 35, 232)), 3: (0, (70, 70, 70)),
    4: (10, (102, 102, 156)), 5: (1, (190, 153, 153)), 6: (4, (153, 153, 153)),
    7: (17, (250, 170, 30)), 8: (11, (220, 220, 0)), 9: (8, (107, 142, 35)),
    10: (21, (152, 251, 152)), 11: (12, (70, 130, 180)), 12: (3, (220, 20, 60)),
    13: (22, (255, 0, 0)), 14: (9, (0, 0, 142)), 15: (24, (0, 0, 70)), 16: (23, (0, 60, 100)),
    17: (255, (0, 80, 100)), 18: (22, (0, 0, 230)), 19: (22, (119, 11, 32)),
    20: (18, (110, 190, 160)), 21: (19, (170, 120, 50)), 22: (2, (55, 90, 80)),
    23: (20, (45, 60, 150)), 24: (5, (157, 234, 50)), 25: (13, (81, 0, 81)),
    26: (14, (150, 100, 100)), 27: (15, (230, 150, 140)), 28: (16, (180, 165, 180)),
    29: (2, (180, 130, 70))}
TABLES = {'carla-0.9.13': UNTIL_0_9_13, 'carla-0.9.14': FROM_0_9_14}


def image(pixels, encoding):
    return bags.image_message(0, 'camera', np.ascontiguousarray(pixels), encoding)


def colored(colors, encoding='bgra8'):
    """One row of these colours."""
    rgb = np.array([colors], np.uint8)
    alpha = np.full((*rgb.shape[:2], 1), 255, np.uint8)
    channels = {'rgb8': rgb, 'bgr8': rgb[..., ::-1], 'rgba8': np.concatenate([rgb, alpha], 2),
                'bgra8': np.concatenate([rgb[..., ::-1], alpha], 2)}
    return image(channels[encoding], encoding)


@pytest.mark.parametrize('name', TABLES)
def test_every_row_of_the_table(name):
    codes = load_label_codes(name)
    assert codes.label_space.name == 'deliver'
    assert {c.value: (c.class_id, c.color) for c in codes.codes} == TABLES[name]


@pytest.mark.parametrize(('form', 'encoding'), [
    ('auto', 'bgra8'), ('colors', 'bgra8'), ('auto', 'rgb8'), ('auto', 'rgba8'), ('auto', 'bgr8')])
@pytest.mark.parametrize('name', TABLES)
def test_palette_of_the_bridge(name, form, encoding):
    rows = TABLES[name].values()
    ids = load_label_codes(name).decode(colored([color for _, color in rows], encoding), form)
    assert ids.tolist() == [[class_id for class_id, _ in rows]]


@pytest.mark.parametrize('form', ['auto', 'values'])
@pytest.mark.parametrize('name', TABLES)
def test_tags_in_the_red_channel(name, form):
    message = colored([(tag, 0, 0) for tag in TABLES[name]])
    assert load_label_codes(name).decode(message, form).tolist() == [
        [class_id for class_id, _ in TABLES[name].values()]]


def test_tags_beside_instance_numbers_when_the_form_is_named():
    message = colored([(14, 7, 1), (12, 200, 3)])
    assert load_label_codes('carla-0.9.14').decode(message, 'values').tolist() == [[9, 3]]


@pytest.mark.parametrize('name', TABLES)
def test_nothing_but_riders_or_black_is_read_as_colours(name):
    codes = load_label_codes(name)
    assert codes.decode(colored([(0, 0, 0)] * 3)).tolist() == [[255, 255, 255]]
    if name == 'carla-0.9.14':
        assert codes.decode(colored([(255, 0, 0)] * 2)).tolist() == [[22, 22]]


@pytest.mark.parametrize('encoding', ['mono8', 'mono16', '16UC1'])
def test_tags_in_one_channel(encoding):
    dtype = np.uint8 if encoding == 'mono8' else np.uint16
    message = image(np.array([list(FROM_0_9_14)], dtype), encoding)
    assert load_label_codes('carla-0.9.14').decode(message).tolist() == [
        [class_id for class_id, _ in FROM_0_9_14.values()]]


def test_rows_may_be_padded():
    message = image(np.array([[1, 2, 99], [3, 4, 99]], np.uint8), 'mono8')
    message.width = 2
    assert LabelCodes.of_space(load_label_space('deliver')).decode(message).tolist() == [
        [1, 2], [3, 4]]


@pytest.mark.parametrize('pixels', [
    np.array([[6, 7], [255, 0]], np.uint8),
    load_label_space('deliver').palette()[np.array([[6, 7], [255, 0]])][..., ::-1]])
def test_png_messages(pixels):
    data = cv2.imencode('.png', pixels)[1].reshape(-1)
    codes = LabelCodes.of_space(load_label_space('deliver'))
    message = bags.compressed_image_message(0, 'camera', data, 'png')
    assert codes.decode(message).tolist() == [[6, 7], [255, 0]]
    message.format = 'jpeg'
    with pytest.raises(BadMessageError, match="'jpeg'; labels need png"):
        codes.decode(message)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from([*range(25), 255]), min_size=1, max_size=40))
def test_ids_and_colours_of_the_label_space_agree(ids):
    space = load_label_space('deliver')
    codes = LabelCodes.of_space(space)
    values = np.array([ids], np.uint8)
    assert codes.decode(image(values, 'mono8')).tolist() == [ids]
    assert codes.decode(colored(space.palette()[ids])).tolist() == [ids]


@pytest.mark.parametrize(('version', 'table'), [
    ('0.9.10', '0.9.13'), ('0.9.12', '0.9.13'), ('0.9.13', '0.9.13'), ('0.9.14', '0.9.14'),
    ('0.9.16', '0.9.14'), ('0.10.0', '0.9.14')])
def test_versions_between_the_tables(version, table):
    assert load_label_codes(f'carla-{version}').name == f'carla-{table}'


@pytest.mark.parametrize('name', ['carla-0.9.9', 'carla', 'nuscenes'])
def test_unknown_tables(name):
    with pytest.raises(ConfigError, match=rf"'{name}'; allowed: carla-0.9.13, carla-0.9.14"):
        load_label_codes(name)


@pytest.mark.parametrize(('message', 'form', 'words'), [
    (image(np.full((2, 2), 25, np.uint8), 'mono8'), 'auto',
     "label map 'deliver' holds label 25 at 4 pixels; allowed: 0 to 24, 255"),
    (image(np.full((2, 2), 300, np.uint16), 'mono16'), 'auto', 'label 300 at 4 pixels'),
    (colored([(1, 2, 3), (70, 70, 70)]), 'auto', r'colour \[1, 2, 3\] at 1 pixels'),
    (colored([(200, 0, 0)]), 'values', 'label 200 at 1 pixels'),
    (image(np.zeros((2, 2), np.uint8), 'mono8'), 'colors', 'one channel')])
def test_values_that_mean_nothing(message, form, words):
    with pytest.raises(ConfigError, match=words):
        LabelCodes.of_space(load_label_space('deliver')).decode(message, form)


ENTRY = '{tag: 0, name: a, color: [0, 0, 0], class: null}'


@pytest.mark.parametrize(('text', 'words'), [
    ('tags: []', 'label_space'),
    ('{name: x, label_space: deliver, tags: []}', 'tags must differ'),
    (f'{{name: x, label_space: deliver, tags: [{ENTRY}, {ENTRY}]}}', 'tags must differ'),
    ('{name: x, label_space: deliver, tags: [{tag: 256, name: a, color: [0, 0, 0], '
     'class: null}]}', 'tag 256; allowed: 0 to 255'),
    ('{name: x, label_space: deliver, tags: [{tag: 1, name: a, color: [0, 0], class: null}]}',
     'no label map'),
    ('{name: x, label_space: deliver, tags: [{tag: 1, name: a, color: [0, 0, 0], '
     'class: Moon}]}', "no class 'Moon'"),
    ('[', 'no label map')])
def test_bad_tables(text, words, tmp_path):
    (tmp_path / 'map.yaml').write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_label_codes(tmp_path / 'map.yaml')


def test_a_colour_of_two_classes_is_refused_only_where_colours_are_read(tmp_path):
    (tmp_path / 'map.yaml').write_text(
        '{name: x, label_space: deliver, tags: ['
        '{tag: 1, name: a, color: [9, 9, 9], class: Road}, '
        '{tag: 2, name: b, color: [9, 9, 9], class: Wall}]}')
    codes = load_label_codes(tmp_path / 'map.yaml')
    assert codes.decode(image(np.array([[1, 2]], np.uint8), 'mono8')).tolist() == [[6, 10]]
    with pytest.raises(ConfigError, match=r'\[9, 9, 9\] of .x. stands for a and for b'):
        codes.decode(colored([(9, 9, 9)]))
