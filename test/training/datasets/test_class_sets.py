# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The unified label space, and what the classes of each data set are in it."""

import numpy as np
import pytest

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.labels import LabelSpace, load_label_space
from training.datasets import DATASETS, ClassSets, load_label_map, with_label_map

PAPER = ('deliver', 'mfnet', 'nyuv2', 'zju_rgbp', 'urbanlf')
OWN = LabelSpace('own', ('a', 'b'), ((0, 0, 0), (1, 1, 1)))
WIDE = LabelSpace('wide', ('x', 'y', 'z'), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
SYNONYMS = {
    'building': {'Building', 'building'}, 'road': {'Road', 'road'}, 'car': {'Cars', 'car'},
    'person': {'Pedestrian', 'person', 'pedestrian'}, 'bike': {'bike', 'bicycle'},
    'vegetation': {'Vegetation', 'tree', 'vegetation'}, 'sky': {'Sky', 'sky'},
    'fence': {'Fence', 'fence'}, 'pole': {'Pole', 'pole'}, 'sidewalk': {'SideWalk', 'sidewalk'},
    'traffic sign': {'TrafficSign', 'traffic sign'}, 'bridge': {'Bridge', 'bridge'},
    'guard rail': {'GroundRail', 'guardrail'},
}
"""Of the unified classes that stand for classes of several data sets."""


def tables():
    return {name: load_label_map(f'{DATASETS[name].LABEL_SPACE}-to-unified') for name in PAPER}


@pytest.mark.parametrize('name', PAPER)
def test_every_class_is_one_or_more_unified_classes_that_no_other_is(name):
    table = tables()[name]
    assert table.source == load_label_space(DATASETS[name].LABEL_SPACE)
    assert table.target == load_label_space('unified')
    assert len(table.ids) == table.source.num_classes and all(table.ids)
    members = [member for ids in table.ids for member in ids]
    assert len(members) == len(set(members))
    assert set(members) <= set(range(74))


def test_the_unified_classes_are_those_of_all_data_sets_with_synonyms_as_one():
    space = load_label_space('unified')
    assert space.num_classes == len(set(space.class_names)) == len(set(space.colors)) == 74
    classes_of = {}
    for table in tables().values():
        for name, ids in zip(table.source.class_names, table.ids, strict=True):
            classes_of.setdefault(space.class_names[ids[0]], []).append(name)
    assert sum(map(len, classes_of.values())) == 25 + 9 + 40 + 8 + 14
    assert set(classes_of) == set(space.class_names)
    shared = {name: names for name, names in classes_of.items() if len(names) > 1}
    assert {name: set(names) for name, names in shared.items()} == SYNONYMS


def test_indoors_is_apart_from_outdoors():
    found = tables()
    [walls, floors, *_] = found['nyuv2'].ids
    outdoors = {member for name in PAPER if name != 'nyuv2' for ids in found[name].ids
                for member in ids}
    assert not outdoors & {*walls, *floors}
    wall = load_label_space('unified').id_of('wall')
    assert wall in outdoors and wall not in {*walls, *floors}


def test_what_one_data_set_has_finer_is_part_of_the_coarser_class_of_another():
    def members(name, class_name):
        table = tables()[name]
        ids = table.ids[table.source.id_of(class_name)]
        return {table.target.class_names[k] for k in ids}

    assert members('urbanlf', 'vehicle') == {'vehicle', 'car', 'bus', 'truck'}
    assert members('deliver', 'TwoWheeler') == {'two-wheeler', 'bike', 'rider'}
    assert {'road', 'building', 'sky', 'unlabeled'} <= members('mfnet', 'unlabeled')
    assert all(len(ids) == 1 for ids in tables()['nyuv2'].ids)


@pytest.mark.parametrize(('changes', 'match'), [
    ({'b': None}, "'m' does not say what 'b' is"), ({'b': []}, "does not say what 'b' is"),
    ({'b': ['w']}, "no class 'w' in label space 'wide'"), ({'c': ['z']}, "no class 'c'"),
    ({'b': ['y', 'x']}, "'x' is both 'a' and 'b'"), ({'a': ['x', 'x']}, "'x' is both 'a' and 'a'"),
])
def test_wrong_sets_are_named(changes, match):
    with pytest.raises(ConfigError, match=match):
        ClassSets.from_names('m', OWN, WIDE, {'a': ['x'], 'b': ['y', 'z'], **changes})


@pytest.mark.parametrize(('value', 'match'), [
    ('Sky', "'sky' is 'Sky'; allowed: a list, as 'building' has one"),
    ('null', "'sky' is None; allowed: a list"), ('[3]', "no class '3' in label space 'unified'")])
def test_a_table_has_lists_for_all_its_classes_or_for_none(tmp_path, value, match):
    classes = {name: f'[{load_label_space("unified").class_names[i]}]'
               for i, name in enumerate(load_label_space('zju_rgbp').class_names)}
    lines = [f'  {name}: {value if name == "sky" else listed}' for name, listed in classes.items()]
    path = tmp_path / 'a.yaml'
    path.write_text('\n'.join(['from: zju_rgbp', 'to: unified', 'classes:', *lines]))
    with pytest.raises(ConfigError, match=match):
        load_label_map(path)


def test_labels_stay_in_the_classes_of_the_data_set(root_of):
    source = DATASETS['mfnet'](root_of('mfnet'), 'train')
    frames, labelling = with_label_map(source, 'mfnet-to-unified')
    np.testing.assert_array_equal(frames[0].labels, source[0].labels)
    assert labelling.label_space.name == 'mfnet' and labelling.answered.name == 'unified'
    remapped, labelling = with_label_map(source, 'mfnet-to-deliver')
    assert labelling.label_space.name == labelling.answered.name == 'deliver'
    assert (remapped[0].labels != source[0].labels).any() and labelling.class_sets is None
    same, labelling = with_label_map(source, '')
    assert same is source and labelling.label_space == labelling.answered
    assert labelling.answered == load_label_space('mfnet')
