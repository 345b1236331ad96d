# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command that scores a bundle: its table, its JSON, the provenance and its complaints."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from anymodal_seg_ros.bundle import Bundle
from anymodal_seg_ros.bundle.weights import load_bundle, save_bundle
from anymodal_seg_ros.inference import build_segmenter
from anymodal_seg_ros.labels import load_label_space
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.models import build_model
from anymodal_seg_ros.sim.vehicle import SENSOR_NAMES
from training import evaluate
from training.evaluate import main

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bundle_path(tmp_path):
    torch.manual_seed(0)
    space = load_label_space('deliver')
    bundle = Bundle(
        model_name='m_segformer',
        model_config={'backbone': 'b0', 'head_dim': 32, 'num_classes': space.num_classes},
        encoders={name: MODALITIES[name].default_settings() for name in SENSOR_NAMES},
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


def test_benchmark_with_everything_that_can_be_written(
        bundle_path, deliver_root, tmp_path, capsys):
    results = {name: tmp_path / 'out' / f'scores.{name}' for name in ('json', 'tex', 'png')}
    assert main([
        str(bundle_path), '--data', str(deliver_root), '--benchmark', 'emm, rmm,nm,failures',
        '--label-size', 'network', '--severities', '1', '--seed', '4',
        '--modalities', 'rgb,event', '--max-frames', '1', '--threads', '1',
        '--precision', 'fp32', '--option', 'depth_folder=depth', '--output', str(results['json']),
        '--latex', str(results['tex']), '--heatmap', str(results['png'])]) == 0
    printed = capsys.readouterr().out
    for words in ('EMM average (drop)', 'RMM: elements missing', 'NM: noise', 'eventlowres',
                  'robustness score', 'labels at network size'):
        assert words in printed
    assert 'lidarjitter' not in printed
    report = json.loads(results['json'].read_text(encoding='utf-8'))
    assert report['settings'] == {
        'benchmarks': ['emm', 'rmm', 'nm', 'failures'], 'sensors': ['rgb', 'event'],
        'missing_modes': ['drop'], 'label_size': 'network', 'severities': [1.0],
        'seed': 4, 'precision': 'fp32'}
    assert report['data']['scored_frames'] == 1 and 'fp32' in report['network']
    assert f"network: {report['network']}" in printed
    assert r'\begin{table}' in results['tex'].read_text(encoding='utf-8')
    assert cv2.imread(str(results['png'])) is not None


def test_the_precision_is_what_the_node_takes_unless_named(
        bundle_path, deliver_root, tmp_path, monkeypatch, capsys):
    cpuinfo = tmp_path / 'cpuinfo'
    cpuinfo.write_text('flags : fpu avx512_bf16\n')
    monkeypatch.setattr('anymodal_seg_ros.inference.precision.CPUINFO', cpuinfo)
    for options, precision in ((), 'bf16'), (('--precision', 'fp32'), 'fp32'):
        assert main([str(bundle_path), '--data', str(deliver_root), '--max-frames', '1',
                     '--device', 'cpu', *options]) == 0
        network = build_segmenter(bundle_path, device='cpu', precision=precision).description
        assert f'network: {network}\n' in capsys.readouterr().out


def test_help_says_what_a_gpu_takes_and_what_becomes_of_an_older_bundle(monkeypatch, capsys):
    monkeypatch.setattr(evaluate, 'GPU_BATCH', 13)
    with pytest.raises(SystemExit, match='0'):
        main(['--help'])
    shown = ' '.join(capsys.readouterr().out.split())
    assert 'default 13 on a GPU, 1 on a CPU' in shown
    assert "its bundle.json is then of the newest format version" in shown


def test_script_runs_from_anywhere(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / 'training' / 'evaluate.py', 'none', '--data', 'none'],
        cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == 'error: no bundle folder at none\n'


@pytest.mark.parametrize(('arguments', 'words'), [
    (['/nowhere', '--data', 'DATA'], '/nowhere'),
    (['BUNDLE', '--data', '/nowhere'], '/nowhere'),
    (['BUNDLE', '--data', 'DATA', '--condition', 'hail'], 'hail'),
    (['BUNDLE', '--data', 'DATA', '--dataset', 'nowhere'], 'nowhere'),
    (['BUNDLE', '--data', 'DATA', '--benchmark', 'emm,fog'], "'fog'; allowed: emm, rmm, nm, fail"),
    (['BUNDLE', '--data', 'DATA', '--severities', 'much'], "'much'; allowed: numbers from 0.001"),
    (['BUNDLE', '--data', 'DATA', '--severities', '3'], 'severity is 3.0'),
    (['BUNDLE', '--data', 'DATA', '--batch-size', '0'], 'batch size is 0; allowed: a whole'),
    (['BUNDLE', '--data', 'DATA', '--workers', '-1'], 'workers is -1; allowed: a whole'),
    (['BUNDLE', '--data', 'DATA', '--max-frames', '-1'], '--max-frames is -1; allowed: a whole'),
    (['BUNDLE', '--data', 'DATA', '--modalities', 'radar'], 'radar'),
    (['BUNDLE', '--data', 'DATA', '--option', 'hha'], "--option 'hha'; write KEY=VALUE"),
    (['BUNDLE', '--data', 'DATA', '--option', 'depth_folder=raw'], 'raw'),
    (['BUNDLE', '--data', 'DATA', '--heatmap', 'map.jpg'], 'map.jpg; allowed: the name of a .png'),
    (['BUNDLE', '--data', 'DATA', '--dataset', 'mfnet', '--label-map', 'mfnet-to-deliver'],
     "it was read as data set 'mfnet'"),
    (['BUNDLE', '--data', 'DATA', '--precision', 'fp16', '--device', 'cpu'], 'fp16'),
    (['BUNDLE', '--bag', '/nowhere', '--benchmark', 'emm'], '--benchmark needs --data'),
    *((['BUNDLE', '--bag', '/nowhere', *option], f'{option[0]} needs --data') for option in (
        ('--missing-mode', 'zero'), ('--dataset', 'mfnet'), ('--split', 'test'),
        ('--modalities', 'rgb'), ('--condition', 'sun'), ('--failure', 'normal'),
        ('--option', 'a=1'), ('--label-map', 'x'), ('--max-frames', '2'), ('--seed', '1'),
        ('--severities', '1'), ('--batch-size', '2'), ('--workers', '0'))),
    (['BUNDLE', '--data', 'DATA', '--modalities', 'rgb', '--missing-mode', 'both', '--benchmark',
      'nm'], "missing mode 'zero' without depth, lidar, event of the network"),
    (['BUNDLE', '--bag', '/nowhere'], '/nowhere'),
    (['BUNDLE', '--bag', '/nowhere', '--faults', '/none.yaml'], '/none.yaml'),
])
def test_bad_input_costs_one_line(bundle_path, deliver_root, arguments, words, capsys):
    names = {'BUNDLE': str(bundle_path), 'DATA': str(deliver_root)}
    assert main([names.get(argument, argument) for argument in arguments]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith('error: ') and words in line


def test_data_without_labels_cannot_be_scored(bundle_path, deliver_root, tmp_path, capsys):
    data = tmp_path / 'data'
    shutil.copytree(deliver_root, data)
    for path in (data / 'semantic').glob('*/val/*/*.png'):
        assert cv2.imwrite(str(path), np.zeros((64, 64), np.uint8))
    assert main([str(bundle_path), '--data', str(data), '--max-frames', '2', '--output',
                 str(tmp_path / 'scores.json')]) == 1
    assert 'has a labelled pixel; there is nothing to score' in capsys.readouterr().err
    assert not (tmp_path / 'scores.json').exists()


@pytest.mark.parametrize('option', ['--output', '--latex', '--heatmap'])
@pytest.mark.parametrize('target', ['file/scores', 'folder'])
def test_a_result_that_cannot_be_written_is_named_before_scoring(
        bundle_path, deliver_root, tmp_path, option, target, capsys):
    (tmp_path / 'file').touch()
    (tmp_path / 'folder').mkdir()
    path = tmp_path / target
    assert main([str(bundle_path), '--data', str(deliver_root), option, str(path)]) == 1
    printed = capsys.readouterr()
    assert printed.out == ''
    [line] = printed.err.splitlines()
    assert line.startswith(f'error: cannot write {path}: ')


def test_faults_without_a_recording_are_refused(bundle_path, deliver_root, capsys):
    with pytest.raises(SystemExit, match='2'):
        main([str(bundle_path), '--data', str(deliver_root), '--faults', 'f.yaml'])
    assert '--faults needs --bag' in capsys.readouterr().err
