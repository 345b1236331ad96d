# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One run over several data sets: sensors, classes, scores, resumption, and what does not fit."""

import json
import re
import signal

import cv2
import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from anymodal_seg_ros.bundle import WEIGHTS_FILE, read_description
from anymodal_seg_ros.labels import LabelSpace, load_label_space
from anymodal_seg_ros.resources import resource_path
from training import evaluate, export, run_data
from training import train as train_command
from training.datasets import Frame, JoinedFrames, load_label_map
from training.losses.class_weights import class_weights
from training.run import _loss_weights as loss_weights
from training.run_data import open_data
from training.train_config import TrainConfig
from training.trainer import Trainer

pytestmark = pytest.mark.slow

DEBUG = resource_path('config') / 'training' / 'debug.yaml'
SPACE = LabelSpace('three', ('a', 'b', 'c'), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
TITLES = ['data.sets.0 (deliver)', 'data.sets.1 (mfnet)']


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope='module')
def mfnet_root(tmp_path_factory):
    """Two wider training frames and one to validate on, RGB and thermal in one file."""
    root, rng = tmp_path_factory.mktemp('mfnet'), np.random.default_rng(1)
    for folder in ('images', 'labels'):
        (root / folder).mkdir()
    for split, names in (('train', ('001D', '002N')), ('val', ('003N',))):
        (root / f'{split}.txt').write_text('\n'.join(names) + '\n', encoding='utf-8')
        for name in names:
            labels = rng.permutation(9)[:4].repeat(16)[:, None].repeat(96, 1).astype(np.uint8)
            pixels = np.stack([labels * 20, 255 - labels * 20, labels, labels * 9], -1)
            assert cv2.imwrite(str(root / 'images' / f'{name}.png'), pixels)
            assert cv2.imwrite(str(root / 'labels' / f'{name}.png'), labels)
    return root


@pytest.fixture
def data(deliver_root, mfnet_root):
    return {'modalities': ['rgb', 'depth', 'thermal'], 'short_side_px': 64, 'sets': [
        {'name': 'deliver', 'root': str(deliver_root), 'weight': 0.5},
        {'name': 'mfnet', 'root': str(mfnet_root), 'weight': 2, 'label_map': 'mfnet-to-deliver'}]}


def labelled(label, length):
    """Frames of one pixel and class."""
    return [Frame(id='', condition='any', failure='normal', images={},
                  labels=np.full((1, 1), label, np.uint8))] * length


def command(data, run, *arguments):
    return train_command.main(['--recipe', str(DEBUG), '--threads', '1', f'output={run}',
                               f'data={json.dumps(data)}', *arguments])


def test_each_data_set_gives_the_sensors_that_it_has_in_the_run_s_classes(data, mfnet_root):
    opened = open_data(TrainConfig.from_dict({'data': data}), print)
    assert [each.title for each in opened.sets] == TITLES
    assert [each.modalities for each in opened.sets] == [('rgb', 'depth'), ('rgb', 'thermal')]
    assert opened.modalities == ('rgb', 'depth', 'thermal')
    assert opened.label_space.name == 'deliver'
    frame = opened.sets[1].train[0]
    stored = cv2.imread(str(mfnet_root / 'labels' / '001D.png'), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(frame.labels, load_label_map('mfnet-to-deliver').ids[stored])
    assert set(frame.images) == {'rgb', 'thermal'}
    assert opened.encoders['depth'] == {'source': 'dataset'}


def test_statistics_are_of_the_frames_as_they_come_in_training(data, monkeypatch):
    config = TrainConfig.from_dict({'data': {**data, 'statistics': 'dataset'}})
    opened = open_data(config, print)
    deliver, mfnet = ([frame.images['rgb'].reshape(-1, 3) for frame in map(
        each.train.__getitem__, range(len(each.train)))] for each in opened.sets)
    come = np.concatenate([*deliver, *4 * mfnet])  # 3 of 6 and 4 of 2 frames in an epoch
    assert opened.statistics['mean']['rgb'] == pytest.approx(come.mean(0))
    assert opened.statistics['std']['rgb'] == pytest.approx(come.std(0))
    # Of three frames spread over one row none would be of the second data set.
    monkeypatch.setattr(run_data, 'STATISTICS_FRAMES', 3)
    thermal = opened.sets[1].train[0].images['thermal'].mean((0, 1))
    assert open_data(config, print).statistics['mean']['thermal'] == pytest.approx(thermal)


def test_class_weights_are_of_the_classes_as_they_come_in_training():
    config = TrainConfig.from_dict({'class_weights': 'log', 'data': {
        'sets': [{'weight': 0.5}, {'weight': 4}]}})
    large, small = labelled(0, 2000), labelled(1, 3)
    weights_K = loss_weights(config, JoinedFrames([large, small]), SPACE)
    torch.testing.assert_close(weights_K, class_weights(torch.tensor([1000, 12, 0])))
    one = TrainConfig.from_dict({'class_weights': 'log', 'data': {'weight': 0.3}})
    assert torch.equal(loss_weights(one, JoinedFrames([labelled(2, 700)]), SPACE),
                       class_weights(torch.tensor([0, 0, 500])))


def test_a_run_over_two_data_sets(data, tmp_path, monkeypatch, capsys):
    straight, stopped = tmp_path / 'straight', tmp_path / 'stopped'
    assert command(data, straight, 'val_frames=2') == 0
    recipe = yaml.safe_load((straight / 'recipe.yaml').read_text(encoding='utf-8'))
    assert [each['weight'] for each in recipe['data']['sets']] == [0.5, 2]
    bundle = read_description(straight / 'bundle')
    provenance = bundle.provenance
    assert bundle.modalities == ('rgb', 'depth', 'thermal')
    assert provenance['samples'] == 2 * (3 + 4)
    assert provenance['data']['frames'] == 8
    assert [told['frames'] for told in provenance['data']['sets'].values()] == [6, 2]
    scores = json.loads((straight / 'scores.json').read_text(encoding='utf-8'))
    assert provenance['scores'] == {'val': scores}
    assert list(scores['sets']) == TITLES
    first, second = scores['sets'].values()
    assert set(first['subsets']) == {'rgb', 'depth', 'rgb+depth'}
    assert set(second['subsets']) == {'rgb', 'thermal', 'rgb+thermal'}
    assert set(scores['subsets']) == set(first['subsets']) | set(second['subsets'])
    assert (first['data']['scored_frames'], second['data']['scored_frames'],
            scores['data']['scored_frames']) == (6, 1, 7)
    assert 'emm_average_skip' in first and 'emm_average_skip' not in scores
    assert (straight / 'report.html').is_file()
    sheets = sorted(path.name for path in (straight / 'samples').iterdir())
    assert len(sheets) == 6 and sheets[-1].endswith('003N.png')
    printed = ''.join(capsys.readouterr())
    assert '6 training frames of 64 x 64 pixels' in printed
    assert '2 training frames of 64 x 96 pixels' in printed
    first_epoch = printed.partition('epoch 1\n')[2].partition('epoch 2\n')[0]
    assert 'rgb+depth ' in first_epoch and 'rgb+thermal ' in first_epoch

    step = Trainer._step
    monkeypatch.setattr(Trainer, '_step', lambda self, group: (
        signal.raise_signal(signal.SIGTERM), step(self, group))[1])
    assert command(data, stopped) == 130
    monkeypatch.setattr(Trainer, '_step', step)
    other = {**data, 'sets': [data['sets'][0], {**data['sets'][1], 'weight': 3}]}
    assert command(other, stopped, '--resume') == 1
    assert 'is of another recipe: data was' in capsys.readouterr().err
    assert command(data, stopped, '--resume') == 0
    weights = [load_file(run / 'bundle' / WEIGHTS_FILE) for run in (straight, stopped)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())

    assert export.main([str(straight), '--output', str(tmp_path / 'b'), '--update-scores']) == 0
    noted = read_description(tmp_path / 'b').provenance['scores']
    assert list(noted) == ['val'] and noted['val']['data'] == scores['data']
    assert {name: noted['val'][name] for name in scores if name != 'sets'} == {
        name: scores[name] for name in scores if name != 'sets'}
    assert {title: report['subsets'] for title, report in noted['val']['sets'].items()} == {
        title: report['subsets'] for title, report in scores['sets'].items()}
    assert export.main([str(straight), '--output', str(tmp_path / 'b'), '--update-scores',
                        '--data', str(tmp_path)]) == 1
    assert 'is one folder; the recipe has 2 data sets' in capsys.readouterr().err


@pytest.mark.parametrize(('changes', 'of_second', 'match'), [
    ({'modalities': []}, {}, r'data\.sets\.0 \(deliver\) has rgb, depth, lidar, event, '
     r'data\.sets\.1 \(mfnet\) has rgb, thermal; name the sensors .* in data\.modalities'),
    ({'modalities': ['rgb', 'radar']}, {}, "modality 'radar' is in no data set; allowed: depth"),
    ({'modalities': ['depth', 'lidar']}, {}, r'data\.sets\.1 \(mfnet\): no modality to read'),
    ({}, {'label_map': ''}, r"labels of data\.sets\.0 \(deliver\) are of 'deliver', those of "
     r"data\.sets\.1 \(mfnet\) of 'mfnet'; a label_map for each is needed"),
    ({}, {'label_map': 'urbanlf-to-deliver'}, r"data\.sets\.1 \(mfnet\): label map"),
    ({'label_space': 'mfnet'}, {}, "data.label_space 'mfnet' has 9 classes"),
    ({}, {'root': ''}, r'names no data; add data\.sets\.1\.root=FOLDER'),
    ({}, {'root': 'nowhere'}, r'data\.sets\.1 \(mfnet\): no folder nowhere'),
    ({}, {'hold_out': 0.01}, r'data\.sets\.1 \(mfnet\): data\.hold_out 0\.01 of 2'),
])
def test_data_sets_that_do_not_fit_together_are_named(data, tmp_path, capsys, changes, of_second,
                                                      match):
    data = {**data, **changes, 'sets': [data['sets'][0], {**data['sets'][1], **of_second}]}
    assert command(data, tmp_path / 'run') == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith('error: ') and re.search(match, error), error


def test_a_sensor_that_was_encoded_in_two_ways_is_refused(data, deliver_root, tmp_path, capsys):
    other = tmp_path / 'other'
    for folder in ('img', 'depth', 'semantic'):
        (other / folder).parent.mkdir(exist_ok=True)
        (other / folder).symlink_to(deliver_root / folder)
    (other / 'dataset.json').write_text(json.dumps({
        'name': 'bands', 'encoders': {'depth': {'encoding': 'hha'}}}), encoding='utf-8')
    data = {'modalities': ['rgb', 'depth'],
            'sets': [data['sets'][0], {'name': 'deliver', 'root': str(other)}]}
    assert command(data, tmp_path / 'run') == 1
    assert re.search(r"depth was encoded by {'source': 'dataset'} in data\.sets\.0 .* by "
                     r"{'encoding': 'hha'.* in data\.sets\.1", capsys.readouterr().err)


@pytest.fixture
def unified(data):
    """The same in one network's 74 classes, each data set with its own labels."""
    sets = [{**each, 'label_map': f'{each["name"]}-to-unified'} for each in data['sets']]
    return {**data, 'sets': sets}


OWN = ('loss=ce', 'class_weights=none', 'method={name: segrgbx}')


def test_a_run_over_data_sets_in_their_own_classes(unified, mfnet_root, tmp_path, capsys):
    run = tmp_path / 'run'
    assert command(unified, run, 'val_frames=2', *OWN) == 0
    bundle = read_description(run / 'bundle')
    assert bundle.label_space.name == 'unified' and bundle.label_space.num_classes == 74
    scores = json.loads((run / 'scores.json').read_text(encoding='utf-8'))
    first, second = (scores['sets'][title] for title in TITLES)
    assert set(first['subsets']['rgb+depth']['classes']) <= set(
        load_label_space('deliver').class_names)
    assert set(second['subsets']['rgb+thermal']['classes']) <= set(
        load_label_space('mfnet').class_names)
    assert scores['subsets'] == {} and scores['mean_miou'] == pytest.approx(
        (first['subsets']['rgb+depth']['miou'] + second['subsets']['rgb+thermal']['miou']) / 2,
        abs=0.01)
    printed = ''.join(capsys.readouterr())
    assert f'epoch 1 {TITLES[0]}\n' in printed and f'epoch 1 {TITLES[1]}\n' in printed
    page = (run / 'report.html').read_text(encoding='utf-8')
    assert 'on the average of 2 data sets, each in its own classes' in page
    assert all(f'<h2>{title}</h2>' in page for title in TITLES)
    assert len(list((run / 'samples').iterdir())) == 6

    report = tmp_path / 'mfnet.json'
    assert evaluate.main([str(run / 'bundle'), '--data', str(mfnet_root), '--dataset', 'mfnet',
                          '--label-map', 'mfnet-to-unified', '--output', str(report)]) == 0
    again = json.loads(report.read_text(encoding='utf-8'))
    assert again['subsets'] == second['subsets']
    assert evaluate.main([str(run / 'bundle'), '--data', str(mfnet_root), '--dataset', 'mfnet',
                          ]) == 1
    assert 'a label map such as mfnet-to-unified is needed' in capsys.readouterr().err

    assert export.main([str(run), '--output', str(tmp_path / 'b'), '--update-scores']) == 0
    noted = read_description(tmp_path / 'b').provenance['scores']['val']
    assert noted['mean_miou'] == scores['mean_miou'] and noted['subsets'] == {}


def test_labels_in_classes_of_their_own_need_a_method_that_takes_them(unified, tmp_path, capsys):
    assert command(unified, tmp_path / 'run') == 1
    assert re.search(r"label map 'deliver-to-unified' leaves the labels of data\.sets\.0 \(deliver"
                     r'\) in classes of their own, which method supervised does not take; allowed:'
                     ' segrgbx', capsys.readouterr().err)
