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


def test_plain_data_and_back():
    artefact = Artefact.of(b'graph', name='all_sensors', kind='graph', ending='.onnx')
    bundle = Bundle(**{**vars(OF_VERSION_1), 'artefacts': (artefact,)})
    data = json.loads(json.dumps(bundle.to_dict()))
    assert data['format_version'] == FORMAT_VERSION == 2
    assert Bundle.from_dict(data) == bundle


@pytest.mark.parametrize('data', [None, [], 'bundle', {}, {'format_version': 2}])
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
