# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The joint recipe on two frames of each of its five data sets, and what is fine-tuned from it."""

import json

import pytest
import torch

from anymodal_seg_ros.bundle import read_description
from anymodal_seg_ros.bundle.weights import load_bundle
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.resources import resource_path
from training import train
from training.run_data import open_data
from training.train_config import TrainConfig

RECIPES = resource_path('config') / 'training' / 'segrgbx'
FIVE = ('deliver', 'mfnet', 'nyuv2', 'zju_rgbp', 'urbanlf')
SENSORS = ('rgb', 'event', 'thermal', 'depth', 'dolp', 'lightfield')

pytestmark = pytest.mark.slow


@pytest.fixture
def roots(write_dataset, tmp_path):
    return {name: write_dataset(name, tmp_path / name) for name in FIVE}


def settings(roots, names):
    return [f'data.sets.{number}.root={roots[name]}' for number, name in enumerate(names)]


def test_the_joint_recipe_trains_and_is_fine_tuned_on_one_data_set(roots, tmp_path, capsys):
    torch.set_num_threads(1)
    run, tuned = tmp_path / 'run', tmp_path / 'tuned'
    assert train.main(['--recipe', str(RECIPES / 'joint_debug.yaml'), '--threads', '1',
                       f'output={run}', *settings(roots, FIVE)]) == 0
    joint = read_description(run / 'bundle')
    assert joint.label_space.num_classes == 74 and joint.modalities == SENSORS
    scores = json.loads((run / 'scores.json').read_text(encoding='utf-8'))
    pairs = {title.rpartition('(')[2][:-1]: max(report['subsets'], key=len)
             for title, report in scores['sets'].items()}
    assert pairs == {'deliver': 'rgb+event', 'mfnet': 'rgb+thermal', 'nyuv2': 'rgb+depth',
                     'zju_rgbp': 'rgb+dolp', 'urbanlf': 'rgb+lightfield'}

    recipe = ['--recipe', str(RECIPES / 'joint_mfnet.yaml'), '--threads', '1', f'output={tuned}',
              f'method.init={run / "bundle"}', 'epochs=2', 'device=cpu', 'precision=fp32',
              'model_config={backbone: b0, head_dim: 32, clip: tiny, lora_rank: 2}',
              'data.short_side_px=32',
              'stages=[{until: 1, crop_px: 32, batch: 2}]', *settings(roots, ['mfnet'])]
    assert train.main([*recipe, 'data.statistics=dataset']) == 1
    assert "needs images of every sensor; 'event' is in no data set" in capsys.readouterr().err
    assert train.main(recipe) == 0
    bundle, weights = load_bundle(tuned / 'bundle')
    assert bundle.modalities == SENSORS and bundle.label_space == joint.label_space
    assert dict(bundle.encoders) == dict(joint.encoders)
    _, before = load_bundle(run / 'bundle')
    assert set(weights) == set(before)
    assert any(not torch.equal(value, before[name]) for name, value in weights.items())
    tuned_scores = json.loads((tuned / 'scores.json').read_text(encoding='utf-8'))
    assert set(tuned_scores['subsets']) == {'rgb', 'thermal', 'rgb+thermal'}


def test_a_data_set_gives_the_sensors_that_the_recipe_names(roots):
    sets = [{'name': 'deliver', 'root': str(roots['deliver']), 'sensors': ['rgb', 'event']},
            {'name': 'nyuv2', 'root': str(roots['nyuv2']), 'score_split': 'none',
             'label_map': 'nyuv2-to-unified'}]
    sets[0]['label_map'] = 'deliver-to-unified'
    data = {'modalities': ['rgb', 'event', 'depth'], 'sets': sets}
    opened = open_data(TrainConfig.from_dict({'data': data}), print)
    assert [each.modalities for each in opened.sets] == [('rgb', 'event'), ('rgb', 'depth')]
    assert set(opened.sets[0].train[0].images) == {'rgb', 'event'}
    sets[0]['sensors'] = ['rgb', 'radar']
    with pytest.raises(ConfigError, match=r"data\.sensors is 'radar'; allowed: rgb, depth, lidar"):
        open_data(TrainConfig.from_dict({'data': data}), print)
