# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command that scores a bundle: its table, its JSON, the provenance and its complaints."""

import json

import pytest
import torch

from anymodal_seg_ros.bundle import Bundle, load_bundle, save_bundle
from anymodal_seg_ros.labels import load_label_space
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.models import build_model
from training.evaluate import main


@pytest.fixture
def bundle_path(tmp_path):
    torch.manual_seed(0)
    space = load_label_space('deliver')
    bundle = Bundle(
        model_name='m_segformer',
        model_config={'backbone': 'b0', 'head_dim': 32, 'num_classes': space.num_classes},
        encoders={name: kind.default_settings() for name, kind in MODALITIES.items()},
        label_space=space, short_side_px=32, provenance={'seed': 5})
    network = build_model(bundle.model_name, bundle.model_config)
    save_bundle(tmp_path / 'bundle', bundle, network.state_dict())
    return tmp_path / 'bundle'


def test_all_combinations_are_printed_and_written(bundle_path, deliver_root, tmp_path, capsys):
    output = tmp_path / 'scores' / 'val.json'
    assert main([str(bundle_path), '--data', str(deliver_root), '--output', str(output),
                 '--update-bundle', '--threads', '1']) == 0
    printed = capsys.readouterr().out
    assert 'rgb+depth+lidar+event' in printed and 'EMM average' in printed
    report = json.loads(output.read_text(encoding='utf-8'))
    assert len(report['subsets']) == 15 and report['data']['split'] == 'val'
    provenance = load_bundle(bundle_path)[0].provenance
    assert provenance['seed'] == 5
    assert provenance['scores']['val'] == report


@pytest.mark.parametrize(('arguments', 'words'), [
    (['/nowhere', '--data', 'DATA'], '/nowhere'),
    (['BUNDLE', '--data', '/nowhere'], '/nowhere'),
    (['BUNDLE', '--data', 'DATA', '--condition', 'hail'], 'hail'),
    (['BUNDLE', '--bag', '/nowhere'], '/nowhere'),
    (['BUNDLE', '--bag', '/nowhere', '--faults', '/none.yaml'], '/none.yaml'),
])
def test_bad_input_costs_one_line(bundle_path, deliver_root, arguments, words, capsys):
    names = {'BUNDLE': str(bundle_path), 'DATA': str(deliver_root)}
    assert main([names.get(argument, argument) for argument in arguments]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith('error: ') and words in line


def test_faults_without_a_recording_are_refused(bundle_path, deliver_root, capsys):
    with pytest.raises(SystemExit, match='2'):
        main([str(bundle_path), '--data', str(deliver_root), '--faults', 'f.yaml'])
    assert '--faults needs --bag' in capsys.readouterr().err
