# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bundles of checkpoints, of unfinished runs too."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from anymodal_seg_ros.bundle import Bundle
from anymodal_seg_ros.bundle.weights import load_bundle, save_bundle
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.labels import load_label_space
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.models import build_model
from anymodal_seg_ros.sim.vehicle import SENSOR_NAMES
from training.checkpoint import KEYS, save_checkpoint
from training.checkpoint_bundle import export
from training.export import main
from training.report import read_scores

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SPACE = load_label_space('deliver')
CONFIG = {'backbone': 'b0', 'head_dim': 32, 'num_classes': SPACE.num_classes}


@pytest.fixture(scope='module')
def networks():
    torch.manual_seed(0)
    return {name: build_model('m_segformer', CONFIG).state_dict() for name in ('model', 'average')}


@pytest.fixture(scope='module')
def bundle():
    return Bundle(
        model_name='m_segformer', model_config=CONFIG,
        encoders={name: MODALITIES[name].default_settings() for name in SENSOR_NAMES},
        label_space=SPACE, short_side_px=32,
        provenance={'seed': 5, 'host': {'cores': 2}, 'scores': {'val': {}}})


@pytest.fixture
def run(tmp_path, networks, bundle):
    folder = tmp_path / 'run'
    save_checkpoint(folder / 'checkpoint.pt', {
        **{key: {} for key in KEYS}, **networks, 'bundle': bundle.to_dict(),
        'progress': {'samples': 80, 'steps': 20, 'elapsed_s': 90.0},
        'recipe': {'seed': 5, 'data': {'name': 'deliver'}}})
    return folder


@pytest.mark.parametrize(('choice', 'key'), [('average', 'average'), ('last', 'model')])
@pytest.mark.parametrize('source', ['.', 'checkpoint.pt'])
def test_weights_are_those_asked_for(run, networks, tmp_path, choice, key, source):
    export(run / source, tmp_path / 'out', weights=choice)
    exported, state = load_bundle(tmp_path / 'out')
    for name, value in networks[key].items():
        if value.is_floating_point():
            torch.testing.assert_close(state[name].float(), value, rtol=1e-3, atol=1e-6)
    assert exported.provenance == {
        'seed': 5, 'host': {'cores': 2}, 'recipe': {'seed': 5, 'data': {'name': 'deliver'}},
        'steps': 20, 'samples': 80, 'minutes': 1.5, 'weights': choice}


def test_all_but_weights_and_provenance_is_as_described(run, bundle, tmp_path):
    export(run, tmp_path / 'out')
    exported = load_bundle(tmp_path / 'out')[0]
    assert {**exported.to_dict(), 'provenance': 0} == {
        **bundle.to_dict(), 'provenance': 0}


def strip(run, **changes):
    path = run / 'checkpoint.pt'
    state = {**torch.load(path, weights_only=True), **changes}
    save_checkpoint(path, {key: value for key, value in state.items() if value is not None})


def test_a_checkpoint_that_describes_nothing_takes_the_bundle_beside_it(
        run, bundle, networks, tmp_path):
    strip(run, bundle=None)
    with pytest.raises(ConfigError, match="no entry 'bundle' that describes its network"):
        export(run, tmp_path / 'out')
    save_bundle(run / 'bundle', bundle, networks['model'])
    export(run, tmp_path / 'out')
    assert load_bundle(tmp_path / 'out')[0].short_side_px == 32


@pytest.mark.parametrize('description', [{}, [1], 'b0'])
def test_an_incomplete_description_is_named(run, tmp_path, description):
    strip(run, bundle=description)
    with pytest.raises(ConfigError, match="entry 'bundle' is incomplete"):
        export(run, tmp_path / 'out')


def test_unknown_weights(run, tmp_path):
    with pytest.raises(ConfigError, match="weights is 'best'; allowed: average, last"):
        export(run, tmp_path / 'out', weights='best')


def test_weights_of_another_network(run, tmp_path, capsys):
    strip(run, average={'head': torch.zeros(1)})
    assert main([str(run), '--output', str(tmp_path / 'out')]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith('error: the state dict does not fit the network')
    assert not (tmp_path / 'out').exists()


def test_scores_are_noted_in_the_bundle(run, deliver_root, tmp_path, capsys):
    arguments = [str(run), '--output', str(tmp_path / 'out'), '--update-scores']
    assert main(arguments) == 1
    assert 'the recipe names no data set; name its folder with --data' in capsys.readouterr().err
    assert main([*arguments, '--data', str(deliver_root)]) == 0
    assert 'rgb+depth+lidar+event' in capsys.readouterr().out
    scores = load_bundle(tmp_path / 'out')[0].provenance['scores']['val']
    assert len(scores['subsets']) == 15


@pytest.mark.parametrize('option', [['--data', 'x'], ['--split', 'val']])
def test_what_is_scored_needs_scoring(run, tmp_path, capsys, option):
    with pytest.raises(SystemExit, match='2'):
        main([str(run), '--output', str(tmp_path / 'out'), *option])
    assert '--data and --split need --update-scores' in capsys.readouterr().err


def test_scores_are_of_the_frames_that_the_recipe_names(
        run, deliver_root, tmp_path, capsys):
    data = {'name': 'deliver', 'root': str(deliver_root), 'conditions': ['night'],
            'score_split': 'train',
            'options': {'depth_folder': 'depth'}}
    state = torch.load(run / 'checkpoint.pt', weights_only=True)
    save_checkpoint(run / 'checkpoint.pt', {**state, 'recipe': {'data': data}})
    assert main([str(run), '--output', str(tmp_path / 'out'), '--update-scores']) == 0
    [scoring, head, *_] = capsys.readouterr().out.splitlines()[1:]
    assert scoring == 'scoring on split train'
    assert head.split() == ['sensors', 'all', 'night']
    assert list(load_bundle(tmp_path / 'out')[0].provenance['scores']) == ['train']


SCORED, UNSCORED, HELD_OUT = {}, {'score_split': 'none'}, {'hold_out': 0.5}


def with_data_sets(run, root, *sets):
    state = torch.load(run / 'checkpoint.pt', weights_only=True)
    data = {'name': 'deliver', 'root': str(root), 'sets': list(sets)}
    save_checkpoint(run / 'checkpoint.pt', {**state, 'recipe': {'data': data}})


def test_data_sets_that_the_run_did_not_score_are_left_out(run, deliver_root, tmp_path, capsys):
    with_data_sets(run, deliver_root, UNSCORED, SCORED, HELD_OUT, {'score_split': 'train'})
    assert main([str(run), '--output', str(tmp_path / 'out'), '--update-scores']) == 0
    printed = capsys.readouterr().out
    assert 'split train of data.sets.3 (deliver)\n' in printed and 'all data sets\n' in printed
    [(split, noted)] = load_bundle(tmp_path / 'out')[0].provenance['scores'].items()
    assert split == noted['data']['split'] == 'val+train'
    assert list(noted['sets']) == ['data.sets.1 (deliver)', 'data.sets.3 (deliver)']
    assert [each['data']['scored_frames'] for each in (noted, *noted['sets'].values())] == [
        12, 6, 6]
    scores = read_scores(noted)
    assert list(scores.sets) == list(noted['sets']) and len(scores.subsets) == 15


@pytest.mark.parametrize('sets', [[UNSCORED], [HELD_OUT, UNSCORED]])
def test_a_split_is_named_where_the_run_scored_none(run, deliver_root, tmp_path, capsys, sets):
    with_data_sets(run, deliver_root, *sets)
    arguments = [str(run), '--output', str(tmp_path / 'out'), '--update-scores']
    assert main(arguments) == 1
    assert 'the run scored no split of its data; name one with --split' in capsys.readouterr().err
    assert main([*arguments, '--split', 'val']) == 0
    [noted] = load_bundle(tmp_path / 'out')[0].provenance['scores'].values()
    assert len(noted.get('sets', [0])) == len(sets)


def test_nothing_is_scored_before_all_data_sets_are_there(run, deliver_root, tmp_path, capsys):
    with_data_sets(run, deliver_root, SCORED, {'root': str(tmp_path / 'nowhere')})
    assert main([str(run), '--output', str(tmp_path / 'out'), '--update-scores']) == 1
    done = capsys.readouterr()
    assert 'nowhere' in done.err and 'rgb' not in done.out


def test_a_place_that_cannot_be_written_costs_one_line(run, tmp_path, capsys):
    (tmp_path / 'file').touch()
    assert main([str(run), '--output', str(tmp_path / 'file' / 'out')]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f'error: cannot write {tmp_path / "file" / "out"}: ')


@pytest.mark.parametrize('start', [['training/export.py'], ['-m', 'training.export']])
def test_command_from_anywhere(tmp_path, start):
    at = {'cwd': ROOT} if start[0] == '-m' else {'cwd': tmp_path}
    if start[0] != '-m':
        start = [str(ROOT / start[0])]
    done = subprocess.run([sys.executable, *start, 'none', '--output', 'out'], check=False,
                          capture_output=True, text=True, **at)
    assert done.returncode == 1
    assert done.stderr == 'error: no checkpoint at none\n'
