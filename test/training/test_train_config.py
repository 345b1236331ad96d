# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recipes: strict reading, round trip, stages, and the learning rate over a run."""

import re

import pytest

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.resources import resource_path
from training.learning_rate import rate_factor, run_progress
from training.train_config import OptimConfig, TrainConfig

RECIPES = sorted(path for path in (resource_path('config') / 'training').rglob('*.yaml')
                 if path.parent.name not in ('ma_clip', 'tables'))
"""MA-CLIP's, and tables of recipes, are read by commands of their own."""


@pytest.mark.parametrize('path', RECIPES, ids=lambda path: f'{path.parent.name}/{path.stem}')
def test_shipped_recipes_round_trip(path):
    config = TrainConfig.from_yaml(path)
    assert TrainConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(('data', 'match'), [
    ([], 'table'),
    ({'epoch': 3}, 'epoch'),
    ({'data': {'sise': 3}}, 'sise'),
    ({'data': 3}, 'data is 3; allowed: a table'),
    ({'model': 'unet'}, 'unet'),
    ({'loss': 'dice'}, 'dice'),
    ({'epochs': 'many'}, 'many'),
    ({'epochs': True}, 'epochs'),
    ({'optim': {'lr': 0}}, r'optim\.lr'),
    ({'optim': {'schedule': 'steps'}}, 'steps'),
    ({'augment': {'flip': 1.5}}, 'flip'),
    ({'augment': {'scale_min': 2, 'scale_max': 1}}, 'scale_max'),
    ({'dropout': {'mode': 'half'}}, 'half'),
    ({'dropout': {'weights': {'rgb': -1}}}, 'weights'),
    ({'data': {'short_side_px': 250}}, '250'),
    ({'data': {'conditions': 'sun'}}, 'conditions is .*; allowed: a list of names'),
    ({'data': {'conditions': [3]}}, 'conditions is .*; allowed: a list of names'),
    ({'data': {'label_space': 3}}, 'label_space'),
    ({'data': {'name': 'kitti360', 'score_split': 'test'}},
     "data.score_split is 'test'; allowed: train, val"),
    ({'dropout': {'weights': 3}}, 'weights'),
    ({'dropout': {'weights': {3: 1.0}}}, r'dropout\.weights is 3; allowed: text'),
    ({'device': 'gpu'}, 'gpu'),
    ({'pretrained': 3}, 'pretrained'),
    ({'seed': 1.5}, 'seed'),
    ({'stages': [{'until': 1.0, 'batch': 2.5, 'crop_px': 64}]}, r'batch is 2\.5'),
    ({'stages': []}, 'stages'),
    ({'stages': {'until': 1}}, 'list'),
    ({'stages': [{'until': 1.0, 'batch': 2}]}, 'crop_px'),
    ({'stages': [{'until': 0.5, 'batch': 2, 'crop_px': 64}]}, 'end at 1'),
    ({'stages': [{'until': 1.0, 'batch': 2, 'crop_px': 50}]}, 'multiple'),
])
def test_bad_recipes_are_named(data, match):
    with pytest.raises(ConfigError, match=match):
        TrainConfig.from_dict(data)


def test_errors_name_the_file(tmp_path):
    path = tmp_path / 'recipe.yaml'
    path.write_text('loss: dice', encoding='utf-8')
    with pytest.raises(ConfigError, match=r'recipe\.yaml'):
        TrainConfig.from_yaml(path)
    path.write_text('a: [', encoding='utf-8')
    with pytest.raises(ConfigError, match=r'recipe\.yaml'):
        TrainConfig.from_yaml(path)


def test_stages_by_progress():
    config = TrainConfig.from_dict({'stages': [
        {'until': 0.7, 'crop_px': 64, 'batch': 4}, {'until': 1.0, 'crop_px': 128, 'batch': 2}]})
    assert [config.stage_at(p).crop_px for p in (0.0, 0.69, 0.7, 0.99, 1.0)] == [
        64, 64, 128, 128, 128]


@pytest.mark.parametrize('schedule', ['poly', 'cosine'])
def test_the_rate_warms_up_and_falls_to_zero(schedule):
    config = OptimConfig(schedule=schedule, warmup=0.1)
    factors = [rate_factor(p / 100, config) for p in range(101)]
    assert factors[0] == pytest.approx(0.1) and factors[10] == pytest.approx(1.0)
    assert factors[:11] == sorted(factors[:11])
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[-1] == pytest.approx(0.0, abs=1e-9)


def test_poly_by_hand():
    config = OptimConfig(schedule='poly', power=0.9, warmup=0.0)
    assert rate_factor(0.5, config) == pytest.approx(0.5**0.9)


def test_progress_is_by_samples_or_time_whichever_is_further():
    assert run_progress(5, 20) == 0.25
    assert run_progress(5, 20, elapsed_s=30, max_minutes=1) == 0.5
    assert run_progress(15, 20, elapsed_s=30, max_minutes=1) == 0.75
    assert run_progress(25, 20) == 1.0


def write(path, text):
    path.write_text(text, encoding='utf-8')
    return path


def test_a_recipe_says_only_what_differs_from_its_base(tmp_path):
    write(tmp_path / 'base.yaml', 'seed: 3\noptim: {lr: 0.1, ema: 0.5}\n'
          'dropout: {weights: {rgb: 1}}\n')
    path = write(tmp_path / 'own.yaml', 'base: base.yaml\noptim: {lr: 0.2}\n'
                 'dropout: {weights: {lidar: 2}}\n')
    config = TrainConfig.from_yaml(path)
    assert (config.seed, config.optim.lr, config.optim.ema) == (3, 0.2, 0.5)
    assert config.dropout.weights == {'lidar': 2}


def test_overrides_come_last(tmp_path):
    path = write(tmp_path / 'own.yaml', 'seed: 3\n')
    config = TrainConfig.from_yaml(path, ('seed=4', 'optim.lr=0.25', 'data.conditions=[sun, fog]',
                                          'data.root=a=b'))
    assert (config.seed, config.optim.lr) == (4, 0.25)
    assert config.data.sets[0].conditions == ('sun', 'fog') and config.data.sets[0].root == 'a=b'


@pytest.mark.parametrize('override', ['seed', '=3', 'optim.=3', 'optim.lr=[', 'seed.a=1'])
def test_overrides_that_make_no_sense_are_named(tmp_path, override):
    path = write(tmp_path / 'own.yaml', 'seed: 3\n')
    with pytest.raises(ConfigError, match=re.escape(repr(override))):
        TrainConfig.from_yaml(path, (override,))


def test_bases_in_a_circle_end(tmp_path):
    write(tmp_path / 'a.yaml', 'base: b.yaml\n')
    write(tmp_path / 'b.yaml', 'base: a.yaml\n')
    with pytest.raises(ConfigError, match='circle'):
        TrainConfig.from_yaml(tmp_path / 'a.yaml')


@pytest.mark.parametrize(('text', 'match'), [
    ('base: 3', 'name of a recipe'), ('base: gone.yaml', r'gone\.yaml'), ('- 3', 'table')])
def test_wrong_files_are_named(tmp_path, text, match):
    with pytest.raises(ConfigError, match=match):
        TrainConfig.from_yaml(write(tmp_path / 'own.yaml', text))
