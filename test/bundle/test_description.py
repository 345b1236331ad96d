# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a bundle says of itself: versions, plain data, and reading it without its tensors."""

import json
import subprocess
import sys

import pytest

from anymodal_seg_ros.bundle import (
    FORMAT_VERSION,
    Artefact,
    Bundle,
    read_description,
    read_weights_sha256,
    update_provenance,
)
from anymodal_seg_ros.bundle.description import STEPS
from anymodal_seg_ros.bundle.weights import load_bundle
from anymodal_seg_ros.errors import BundleError, ConfigError
from anymodal_seg_ros.labels import LabelSpace
from anymodal_seg_ros.models import MODELS
from anymodal_seg_ros.resources import resource_path

VERSION_1 = """{
  "format_version": 1,
  "model": {
    "name": "m_segformer",
    "config": {
      "backbone": "b0", "num_classes": 2, "head_dim": 32, "modalities": ["rgb", "lidar"],
      "stem": "shared", "encoder": "shared", "fusion": "mean", "drop_path": 0.1,
      "mean": {"rgb": [123.675, 116.28, 103.53], "lidar": [0.0, 0.0, 0.0]},
      "std": {"rgb": [58.395, 57.12, 57.375], "lidar": [255.0, 255.0, 255.0]}
    }
  },
  "encoders": {"rgb": {}, "lidar": {"max_range_m": 80.0}},
  "label_space": {
    "name": "two",
    "classes": [
      {"id": 0, "name": "road", "color": [1, 2, 3]},
      {"id": 1, "name": "car", "color": [4, 5, 6]}
    ]
  },
  "short_side_px": 256,
  "missing_mode": "drop",
  "provenance": {"seed": 1},
  "weights_sha256": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
}
"""
OF_VERSION_1 = Bundle(
    model_name='m_segformer',
    model_config={'num_classes': 2, 'head_dim': 32, 'modalities': ['rgb', 'lidar']},
    encoders={'rgb': {}, 'lidar': {'max_range_m': 80.0}},
    label_space=LabelSpace('two', ('road', 'car'), ((1, 2, 3), (4, 5, 6))),
    short_side_px=256, provenance={'seed': 1})


MIT = {'num_classes', 'modalities', 'mean', 'std', 'backbone', 'head_dim', 'drop_path'}
M_SEGFORMER = {*MIT, 'stem', 'encoder', 'fusion'}
EQUISEG = {*MIT, 'profile', 'hub_source', 'hub', 'cross_attention', 'residual'}
SEGRGBX = {*MIT, 'primary', 'clip', 'lora_rank', 'control_prompts', 'learned_prompts',
           'prompt_gate', 'control', 'fusion_norm', 'dsrm', 'dsrm_prompt', 'dsrm_residual',
           'dsrm_guidance'}
SETTINGS = {
    1: {'m_segformer': M_SEGFORMER},
    2: {'m_segformer': M_SEGFORMER, 'equiseg': EQUISEG, 'segrgbx': SEGRGBX},
    3: {'m_segformer': M_SEGFORMER, 'equiseg': {*EQUISEG, 'cmtb_every_block'},
        'segrgbx': SEGRGBX},
}
"""The networks of each version and their settings. A setting more is a version more, with a step
to it and a row here; rows of older versions stay as they are."""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'bundle.json').write_text(VERSION_1, encoding='utf-8')
    return tmp_path


def test_a_bundle_of_version_1_is_read(folder):
    assert read_description(folder) == OF_VERSION_1
    assert read_weights_sha256(folder) == '0123456789abcdef' * 4


def test_the_default_bundle_is_read():
    path = resource_path('bundles') / 'default'
    assert read_description(path) == load_bundle(path)[0]


def test_every_older_version_has_a_step_to_the_next():
    assert sorted(STEPS) == list(range(1, FORMAT_VERSION))


def test_who_adds_a_setting_raises_the_version():
    assert sorted(SETTINGS) == list(range(1, FORMAT_VERSION + 1))
    now = {name: set(row.config().to_dict()) for name, row in MODELS.items()}
    assert now == SETTINGS[FORMAT_VERSION]


@pytest.mark.parametrize(('version', 'name'), [
    (version, name) for version, networks in SETTINGS.items() for name in networks])
def test_a_network_of_every_version_is_read_as_it_was(version, name):
    config = MODELS[name].config(num_classes=2, modalities=('rgb', 'lidar'))
    wanted = Bundle(**{**vars(OF_VERSION_1), 'model_name': name,
                       'model_config': config.to_dict()})
    data = json.loads(json.dumps(wanted.to_dict()))
    data['format_version'] = version
    data['model']['config'] = {key: value for key, value in data['model']['config'].items()
                               if key in SETTINGS[version][name]}
    if version == 1:
        del data['artefacts']
    assert Bundle.from_dict(data) == wanted
    del data['model']['config']['drop_path']
    with pytest.raises(ConfigError, match='model config must have exactly'):
        Bundle.from_dict(data)


def test_a_setting_that_came_before_its_version_is_kept():
    config = MODELS['equiseg'].config(num_classes=2, modalities=('rgb', 'lidar'),
                                      cmtb_every_block=True)
    wanted = Bundle(**{**vars(OF_VERSION_1), 'model_name': 'equiseg',
                       'model_config': config.to_dict()})
    assert Bundle.from_dict({**wanted.to_dict(), 'format_version': 2}) == wanted


@pytest.mark.parametrize('model', [
    None, [], {}, {'name': 'equiseg'}, {'name': 'equiseg', 'config': []},
    {'name': ['equiseg'], 'config': {}}])
def test_no_step_stumbles_over_what_is_no_network(model):
    with pytest.raises(ConfigError):
        Bundle.from_dict({**OF_VERSION_1.to_dict(), 'format_version': 2, 'model': model})


def test_plain_data_and_back():
    artefact = Artefact.of(b'graph', name='all_sensors', kind='graph', ending='.onnx')
    bundle = Bundle(**{**vars(OF_VERSION_1), 'artefacts': (artefact,)})
    data = json.loads(json.dumps(bundle.to_dict()))
    assert data['format_version'] == FORMAT_VERSION == 3
    assert Bundle.from_dict(data) == bundle


@pytest.mark.parametrize('data', [None, [], 'bundle', {}, {'format_version': 3}])
def test_what_is_no_description_is_refused(data):
    with pytest.raises(ConfigError, match='bundle must have exactly'):
        Bundle.from_dict(data)


def test_version_1_has_nothing_of_version_2(folder):
    file = folder / 'bundle.json'
    file.write_text(VERSION_1.replace('"provenance"', '"artefacts": [], "provenance"'))
    with pytest.raises(BundleError, match='bundle of format_version 1 must have exactly'):
        read_description(folder)


def test_a_note_in_the_provenance_brings_the_description_up_to_date(folder):
    weights = folder / 'weights.safetensors'
    weights.write_bytes(b'not looked at')
    update_provenance(folder, {'scores': {'val': {}}})
    assert read_description(folder).provenance == {'seed': 1, 'scores': {'val': {}}}
    assert json.loads((folder / 'bundle.json').read_text())['format_version'] == FORMAT_VERSION
    assert read_weights_sha256(folder) == '0123456789abcdef' * 4
    assert weights.read_bytes() == b'not looked at'
    assert sorted(path.name for path in folder.iterdir()) == ['bundle.json',
                                                              'weights.safetensors']


def test_a_note_that_json_cannot_hold_changes_nothing(folder):
    with pytest.raises(BundleError, match=r'bundle\.json cannot be written'):
        update_provenance(folder, {'scores': float('nan')})
    assert (folder / 'bundle.json').read_text() == VERSION_1


def test_reading_a_description_needs_no_torch():
    code = ('import sys; from anymodal_seg_ros.bundle import read_description; '
            'from anymodal_seg_ros.resources import resource_path; '
            "print(read_description(resource_path('bundles') / 'default').model_name, "
            "[m for m in ('torch', 'safetensors') if m in sys.modules])")
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                          check=True)
    assert done.stdout.split() == ['m_segformer', '[]']
