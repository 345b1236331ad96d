# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One data set or a list of them in a recipe and on the command line."""

import pytest

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.resources import resource_path
from training.data_config import DataConfig, DataSetConfig
from training.train_config import TrainConfig

TWO = {'label_space': 'cityscapes', 'short_side_px': 64, 'sets': [
    {'name': 'muses', 'root': 'M', 'weight': 0.5},
    {'name': 'mfnet', 'root': 'F', 'label_map': 'mfnet-to-cityscapes', 'conditions': ['night']}]}


def test_one_data_set_is_a_list_of_one():
    config = DataConfig.from_dict({'name': 'nyuv2', 'root': 'N', 'score_split': 'test',
                                   'short_side_px': 64})
    assert config.sets == (DataSetConfig(name='nyuv2', root='N', score_split='test'),)
    assert config == DataConfig.from_dict({'short_side_px': 64, 'sets': [
        {'name': 'nyuv2', 'root': 'N', 'score_split': 'test'}]})
    assert 'sets' not in config.to_dict() and config.to_dict()['root'] == 'N'
    assert DataConfig.from_dict({}) == DataConfig()


@pytest.mark.parametrize('data', [{}, {'root': 'x', 'hold_out': 0.2}, TWO])
def test_plain_data_and_back(data):
    config = DataConfig.from_dict(data)
    assert DataConfig.from_dict(config.to_dict()) == config


def test_a_list_of_data_sets():
    config = DataConfig.from_dict(TWO)
    assert [each.name for each in config.sets] == ['muses', 'mfnet']
    assert [each.weight for each in config.sets] == [0.5, 1.0]
    assert config.sets[1].conditions == ('night',)
    assert config.label_space == 'cityscapes'
    assert config.title_of(1) == 'data.sets.1 (mfnet)'


def test_what_stands_beside_the_list_is_of_every_set_without_its_own():
    config = DataConfig.from_dict({**TWO, 'conditions': ['day'], 'score_split': 'none'})
    assert [each.conditions for each in config.sets] == [('day',), ('night',)]
    assert [each.score_split for each in config.sets] == ['none', 'none']


@pytest.mark.parametrize(('data', 'match'), [
    ({'sets': []}, r'data\.sets is \[\]; allowed: a list of tables'),
    ({'sets': {'0': {}}}, 'allowed: a list of tables'),
    ({'sets': ['muses']}, 'allowed: a list of tables'),
    ({'sets': [{'rot': 'x'}]}, r"data\.sets\.0: data: unknown key 'rot'"),
    ({'sets': [{}, {'weight': 0}]}, r'data\.sets\.1: data\.weight is 0'),
    ({'sets': [{}, {'short_side_px': 64}]}, r"data\.sets\.1: data: unknown key 'short_side_px'"),
    ({**TWO, 'root': 'X'}, r"data\.root 'X' is of no data set.*or give data\.sets\.0\.root"),
    ({'size': 3}, "data: unknown key 'size'; allowed: name, root, weight"),
])
def test_wrong_lists_are_named(data, match):
    with pytest.raises(ConfigError, match=match):
        DataConfig.from_dict(data)


def overridden(tmp_path, text, *overrides):
    path = tmp_path / 'recipe.yaml'
    path.write_text(text, encoding='utf-8')
    return TrainConfig.from_yaml(path, overrides).data


def test_entries_of_a_list_are_overridden_by_number(tmp_path):
    text = 'data: {sets: [{name: muses}, {name: mfnet}]}\n'
    data = overridden(tmp_path, text, 'data.sets.0.root=A', 'data.sets.1.root=B',
                      'data.sets.1={name: nyuv2, root: C, score_split: test}')
    assert [(each.name, each.root) for each in data.sets] == [('muses', 'A'), ('nyuv2', 'C')]
    data = overridden(tmp_path, 'data: {name: muses}\n', 'data.root=A')
    assert [(each.name, each.root) for each in data.sets] == [('muses', 'A')]
    data = overridden(tmp_path, '', 'data.sets=[{root: A}, {root: B, weight: 2}]')
    assert [each.weight for each in data.sets] == [1.0, 2]


@pytest.mark.parametrize('base', ['supervised', 'debug', 'deliver/teacher'])
def test_a_list_on_top_of_a_shipped_recipe(tmp_path, base):
    path = resource_path('config') / 'training' / f'{base}.yaml'
    data = overridden(tmp_path, f'base: {path}\ndata: {{sets: [{{name: muses, root: A}}, '
                      '{name: mfnet, root: B}]}\n')
    assert [each.name for each in data.sets] == ['muses', 'mfnet']


@pytest.mark.parametrize('override', ['data.sets.2.root=A', 'data.sets.x.root=A',
                                      'data.sets.-1.root=A', 'data.sets.2={}'])
def test_numbers_of_no_entry_are_named(tmp_path, override):
    with pytest.raises(ConfigError, match=r'is no entry of a list of 2; allowed: 0, 1'):
        overridden(tmp_path, 'data: {sets: [{name: muses}, {name: mfnet}]}\n', override)
