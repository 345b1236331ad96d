# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The whole command: what a run folder holds, interruption, wrong input in one line each."""

import errno
import json
import re
import shutil
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from anymodal_seg_ros.bundle import WEIGHTS_FILE, read_description
from anymodal_seg_ros.bundle.weights import load_bundle, save_bundle
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.inference import build_segmenter
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.resources import resource_path
from training import evaluate, export, memory
from training import train as train_command
from training.datasets import DeliverDataset
from training.run_data import encoder_settings
from training.train_config import TrainConfig
from training.trainer import Trainer

pytestmark = pytest.mark.slow

DEBUG = resource_path('config') / 'training' / 'debug.yaml'


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope='module')
def teacher_run(deliver_root, tmp_path_factory):
    run = tmp_path_factory.mktemp('teacher') / 'run'
    assert command(deliver_root, run) == 0
    return run


def command(data, run, *arguments, recipe=DEBUG):
    return train_command.main(['--recipe', str(recipe), '--threads', '1', f'data.root={data}',
                               f'output={run}', *arguments])


def test_a_run_leaves_everything_behind(teacher_run):
    assert {path.name for path in teacher_run.iterdir()} == {
        'recipe.yaml', 'metrics.csv', 'tensorboard', 'checkpoint.pt', 'scores.json', 'samples',
        'bundle', 'report.html'}
    recipe = yaml.safe_load((teacher_run / 'recipe.yaml').read_text(encoding='utf-8'))
    bundle, state = load_bundle(teacher_run / 'bundle')
    provenance = bundle.provenance
    assert provenance['recipe'] == recipe == TrainConfig.from_dict(recipe).to_dict()
    assert provenance['data']['frames'] == 6 and provenance['samples'] == 12
    assert len(provenance['scores']['val']['subsets']) == 15
    assert provenance['scores']['val']['network'] == build_segmenter(
        teacher_run / 'bundle').description
    assert bundle.modalities == ('rgb', 'depth', 'lidar', 'event')
    assert all(torch.isfinite(value).all() for value in state.values())
    json.dumps(dict(provenance))
    assert list((teacher_run / 'tensorboard').glob('events.*'))


def test_a_bundle_is_written_once_and_its_scores_are_noted_in_it(
        deliver_root, tmp_path, monkeypatch):
    saved = []

    def save_and_count(*arguments):
        saved.append(arguments[0])
        save_bundle(*arguments)

    monkeypatch.setattr('training.run.save_bundle', save_and_count)
    assert command(deliver_root, tmp_path / 'run', 'epochs=0.5') == 0
    assert len(saved) == 1
    assert read_description(tmp_path / 'run' / 'bundle').provenance['scores']['val']


def test_a_student_learns_from_a_teacher_s_bundle(deliver_root, teacher_run, tmp_path):
    options = ('method={name: robustseg, init: teacher, '
               f'teacher: {teacher_run / "bundle"}, '
               'options: {feedback: {lr: 1.0e-3}, primary: {policy: fixed, names: [rgb]}}}')
    assert command(deliver_root, tmp_path / 'run', options, 'epochs=1') == 0
    header = (tmp_path / 'run' / 'metrics.csv').read_text(encoding='utf-8').splitlines()[0]
    assert header == 'step,samples,elapsed_s,lr,total,ce,kl,cp,ifv,teacher_ce,teacher_ifv'
    assert load_bundle(tmp_path / 'run' / 'bundle')[0].model_config['encoder'] == 'shared'
    assert load_bundle(tmp_path / 'run' / 'teacher_bundle')[0].model_config['encoder'] == (
        'adapters')


def test_a_network_that_is_one_file_and_one_row_goes_the_whole_way(deliver_root, tmp_path, toy):
    run, scores = tmp_path / 'run', tmp_path / 'robustness.json'
    assert command(deliver_root, run, f'model={toy}', 'model_config={width: 8}',
                   'val_epochs=1') == 0
    assert {'bundle', 'scores.json', 'samples', 'report.html'} <= {p.name for p in run.iterdir()}
    assert evaluate.main([str(run / 'bundle'), '--data', str(deliver_root), '--benchmark',
                          'emm,rmm,nm,failures', '--missing-mode', 'both', '--threads', '1',
                          '--output', str(scores)]) == 0
    assert json.loads(scores.read_text(encoding='utf-8'))['settings']['sensors'] == [
        'rgb', 'depth', 'lidar', 'event']
    assert export.main([str(run), '--output', str(tmp_path / 'again')]) == 0
    assert load_bundle(tmp_path / 'again')[0].model_config['width'] == 8
    assert command(deliver_root, tmp_path / 'more', f'model={toy}', 'model_config={width: 8}',
                   f'method.init={run / "bundle"}', 'epochs=0.5') == 0


def test_input_statistics_come_from_the_training_frames(deliver_root, tmp_path):
    assert command(deliver_root, tmp_path / 'run', 'data.statistics=dataset', 'epochs=0.5') == 0
    config = load_bundle(tmp_path / 'run' / 'bundle')[0].model_config
    # The fixture's images are the same in every modality.
    assert config['mean']['rgb'] == config['mean']['lidar'] != [0.0, 0.0, 0.0]


@pytest.mark.parametrize(('arguments', 'match'), [
    (['optim.rl=1'], "unknown key 'rl'"),
    (['optim.lr=1e-4'], r'write 1\.0e-4'),
    (['optim.lr'], 'write key=value'),
    (['seed.x=1'], 'no table'),
    (['method={name: robustseg}'], r'needs method\.teacher'),
    (['method={name: supervised, teacher: x}'], 'has no teacher'),
    (['method={name: distil}'], 'distil'),
    (['method={name: anyseg, teacher: nowhere}'], 'nowhere'),
    (['model=toy', 'model_config={}', 'method={name: anyseg, teacher: x}', 'data.root=nowhere'],
     'method anyseg needs features .* network .toy. does not offer; '
     'allowed: m_segformer, equiseg$'),
    (['model=toy', 'model_config={}', f'pretrained={DEBUG}'], 'ToyNetwork takes no such weights'),
    (['method={name: anyseg, teacher: x, options: {mda: 1}}'], 'mda'),
    (['data.root=nowhere'], 'nowhere'),
    (['output='], 'output'),
    (['--resume'], 'no checkpoint.pt'),
    (['data.label_map=mfnet-to-deliver'], 'mfnet'),
    (['data.label_space=mfnet'], 'label_map'),
    (['model_config={modalities: [rgb, radar]}'], 'radar'),
    (['model_config={backbone: b9}'], r"\.yaml: model_config: backbone is 'b9'; allowed: b0"),
    (['pretrained=nowhere.pth'], 'nowhere'),
    (['device=cuda'], 'CUDA') if not torch.cuda.is_available() else (['device=gpu'], 'gpu'),
])
def test_wrong_input_ends_at_once_with_one_line(deliver_root, tmp_path, capsys, toy, arguments,
                                                match):
    assert command(deliver_root, tmp_path / 'run', *arguments) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith('error: ')
    assert re.search(match, error), error
    assert not (tmp_path / 'run' / 'metrics.csv').exists()


def test_a_teacher_of_other_classes_is_refused(deliver_root, teacher_run, tmp_path, capsys):
    other = tmp_path / 'labels.yaml'
    other.write_text(yaml.safe_dump({'name': 'other', 'classes': [
        {'id': i, 'name': f'class {i}', 'color': [i, i, i]} for i in range(25)]}),
        encoding='utf-8')
    assert command(deliver_root, tmp_path / 'run', f'data.label_space={other}',
                   f'method={{name: anyseg, teacher: {teacher_run / "bundle"}}}') == 1
    assert "has the classes of 'deliver'" in capsys.readouterr().err


def test_a_start_from_another_network_is_refused(deliver_root, teacher_run, tmp_path, toy,
                                                 capsys):
    assert command(deliver_root, tmp_path / 'run', f'method.init={teacher_run / "bundle"}',
                   f'model={toy}', 'model_config={}') == 1
    assert "is a network 'm_segformer'; the recipe trains model 'toy'" in capsys.readouterr().err


def test_a_student_that_does_not_fit_its_start_is_refused(deliver_root, teacher_run, tmp_path,
                                                          capsys):
    assert command(deliver_root, tmp_path / 'run', f'method.init={teacher_run / "bundle"}',
                   'model_config={backbone: b1}') == 1
    assert 'does not fit' in capsys.readouterr().err


def test_an_existing_run_is_not_overwritten(deliver_root, teacher_run, capsys):
    assert command(deliver_root, teacher_run) == 1
    assert 'exists' in capsys.readouterr().err


def test_an_interrupted_command_is_continued(deliver_root, tmp_path, monkeypatch, capsys):
    straight, stopped = tmp_path / 'straight', tmp_path / 'stopped'
    assert command(deliver_root, straight) == 0
    step = Trainer._step

    def step_and_interrupt(self, group):
        signal.raise_signal(signal.SIGTERM)
        return step(self, group)

    monkeypatch.setattr(Trainer, '_step', step_and_interrupt)
    assert command(deliver_root, stopped) == 130
    assert (stopped / 'checkpoint.pt').is_file() and not (stopped / 'bundle').exists()
    monkeypatch.setattr(Trainer, '_step', step)
    assert command(deliver_root, stopped) == 1, 'an unfinished run is not overwritten'
    assert command(deliver_root, stopped, '--resume', 'seed=5') == 1, 'nor continued otherwise'
    assert command(deliver_root, stopped, '--resume') == 0
    weights = [load_file(run / 'bundle' / WEIGHTS_FILE) for run in (straight, stopped)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def copy_with_torn_lidar(source, target, pattern, number):
    shutil.copytree(source, target)
    broken = sorted((target / 'lidar').rglob(pattern))[number]
    broken.write_bytes(broken.read_bytes()[:60])
    return target, broken


def test_an_unreadable_frame_is_skipped_only_if_the_recipe_allows(deliver_root, tmp_path, capsys):
    data, broken = copy_with_torn_lidar(deliver_root, tmp_path / 'data', '*.png', 2)
    assert command(data, tmp_path / 'strict', 'epochs=1') == 1
    assert broken.name in capsys.readouterr().err
    changes = ('epochs=1', 'data.unreadable=skip')
    split = 'train' if '/train/' in str(broken) else 'val'
    assert split == 'train'
    assert command(data, tmp_path / 'lenient', *changes) == 0
    provenance = load_bundle(tmp_path / 'lenient' / 'bundle')[0].provenance
    assert any(broken.name in line for line in provenance['data']['skipped'])


def test_an_unreadable_validation_frame_is_not_scored(deliver_root, tmp_path, capsys):
    data, broken = copy_with_torn_lidar(deliver_root, tmp_path / 'data', '*/val/*/*.png', 0)
    assert command(data, tmp_path / 'strict', 'epochs=1') == 1
    assert broken.name in capsys.readouterr().err
    assert command(data, tmp_path / 'lenient', 'epochs=1', 'val_epochs=1',
                   'data.unreadable=skip') == 0
    scored = json.loads((tmp_path / 'lenient' / 'scores.json').read_text('utf-8'))['data']
    [problem] = scored['skipped']
    assert broken.name in problem and problem.startswith('frame 0 is not scored')
    assert scored['scored_frames'] == scored['frames'] - 1


@pytest.mark.parametrize('encoding', ['hha', 'log'])
def test_bundle_encodes_depth_as_the_data_set_did(encoding):
    manifest = {'encoders': {'depth': {'encoding': encoding}}}
    settings = encoder_settings({'layout': 'deliver', 'manifest': manifest}, ('rgb', 'depth'))
    assert settings['depth']['encoding'] == encoding


@pytest.mark.parametrize('layout', ['muses', 'deliver'])
def test_images_that_a_data_set_s_authors_encoded_are_marked(layout):
    description = {'layout': layout, 'folders': {'depth': 'hha'}, 'manifest': {}}
    settings = encoder_settings(description, ('rgb', 'depth', 'lidar', 'radar'))
    assert settings.pop('rgb') == MODALITIES['rgb'].default_settings()
    assert settings == {name: {'source': 'dataset'} for name in ('depth', 'lidar', 'radar')}


def test_a_run_ends_well_where_validation_has_no_labels(deliver_root, tmp_path, capsys):
    data, run = tmp_path / 'data', tmp_path / 'run'
    shutil.copytree(deliver_root, data)
    for path in (data / 'semantic').glob('*/val/*/*.png'):
        assert cv2.imwrite(str(path), np.zeros((64, 64), np.uint8))
    assert command(data, run, 'epochs=1', 'val_epochs=1') == 0
    assert 'split val has no labels, so nothing was scored' in ''.join(capsys.readouterr())
    assert 'scores' not in load_bundle(run / 'bundle')[0].provenance
    assert not (run / 'scores.json').exists()
    assert 'Not scored' in (run / 'report.html').read_text(encoding='utf-8')


def test_another_split_can_be_scored(deliver_root, tmp_path, capsys):
    data, run = tmp_path / 'data', tmp_path / 'run'
    shutil.copytree(deliver_root, data, ignore=shutil.ignore_patterns('val'))
    assert command(data, run, 'epochs=1') == 1
    error = capsys.readouterr().err
    assert "data.score_split 'val': no 'val' frames in" in error
    assert 'data.hold_out=0.2' in error and 'data.score_split=none' in error
    assert command(data, run, 'epochs=1', 'val_epochs=1', 'data.score_split=train') == 0
    [(split, scores)] = load_bundle(run / 'bundle')[0].provenance['scores'].items()
    assert split == scores['data']['split'] == 'train'


def test_the_last_frames_of_a_training_split_can_be_held_out(deliver_root, tmp_path):
    data, run = tmp_path / 'data', tmp_path / 'run'
    shutil.copytree(deliver_root, data, ignore=shutil.ignore_patterns('val'))
    assert command(data, run, 'epochs=1', 'val_epochs=1', 'data.hold_out=0.3') == 0
    provenance = load_bundle(run / 'bundle')[0].provenance
    assert provenance['data']['frames'] == provenance['samples'] == 4
    assert provenance['data']['part'] == {'of': 'train', 'frames': 6, 'first': 0, 'last': 3}
    [(split, scores)] = provenance['scores'].items()
    assert split == scores['data']['split'] == 'held_out'
    assert scores['data']['scored_frames'] == 2
    assert scores['data']['part'] == {'of': 'train', 'frames': 6, 'first': 4, 'last': 5}
    assert len(list((run / 'samples').iterdir())) == 2


def test_nothing_need_be_scored(deliver_root, tmp_path, capsys):
    data, run = tmp_path / 'data', tmp_path / 'run'
    shutil.copytree(deliver_root, data, ignore=shutil.ignore_patterns('val'))
    assert command(data, run, 'epochs=1', 'val_epochs=1', 'data.score_split=none') == 0
    assert 'data.score_split is none: nothing is scored' in ''.join(capsys.readouterr())
    assert 'scores' not in load_bundle(run / 'bundle')[0].provenance
    assert not (run / 'scores.json').exists() and not (run / 'samples').exists()
    assert 'Not scored' in (run / 'report.html').read_text(encoding='utf-8')


@pytest.mark.parametrize(('settings', 'match'), [
    (['data.hold_out=0.05'], r'0\.05 of 6 training frames is 0; needed: at least one'),
    (['data.hold_out=0.2', 'data.score_split=train'],
     r"instead of data\.score_split 'train'; give one"),
    (['data.hold_out=1.0'], r'data\.hold_out'),
])
def test_wrong_frames_to_hold_out_are_refused(deliver_root, tmp_path, capsys, settings, match):
    assert command(deliver_root, tmp_path / 'run', *settings) == 1
    assert re.search(match, capsys.readouterr().err)


class Killed(BaseException):
    """As SIGKILL: what was to be tidied up afterwards is left."""


def kill_before(patch, name):
    """From when something is to get this name on, nothing on the disk changes."""
    alive = [True]

    def guard(owner, function_name):
        function = getattr(owner, function_name)

        def call(*arguments, **options):
            if function_name in ('rename', 'replace') and Path(arguments[-1]).name == name:
                alive.clear()
            if not alive:
                raise Killed
            return function(*arguments, **options)

        patch.setattr(owner, function_name, call)

    for function_name in ('rename', 'replace', 'unlink', 'rmdir'):
        guard(Path, function_name)
    guard(shutil, 'rmtree')


def test_a_command_that_is_killed_again_and_again_ends_as_one_that_is_not(
        deliver_root, tmp_path, monkeypatch):
    """Each start goes on where there is a checkpoint, and begins anew where there is none."""
    straight, run = tmp_path / 'straight', tmp_path / 'run'
    settings = ('epochs=0.7', 'data.score_split=none')
    assert command(deliver_root, straight, *settings) == 0
    for name, left in (
            ('recipe.yaml', {'recipe.yaml.unfinished'}),
            ('checkpoint.pt', {'recipe.yaml', 'checkpoint.pt.unfinished'}),
            ('metrics.csv', {'recipe.yaml', 'checkpoint.pt', 'metrics.csv.unfinished'}),
            ('bundle', {'recipe.yaml', 'checkpoint.pt', 'metrics.csv', 'tensorboard',
                        'bundle.unfinished'})):
        resume = ['--resume'] if (run / 'checkpoint.pt').is_file() else []
        with monkeypatch.context() as patch, pytest.raises(Killed):
            kill_before(patch, name)
            command(deliver_root, run, *settings, *resume)
        assert {path.name for path in run.iterdir()} == left
    assert command(deliver_root, run, *settings, '--resume') == 0
    assert {path.name for path in run.iterdir()} == {path.name for path in straight.iterdir()}
    assert (run / 'bundle' / WEIGHTS_FILE).read_bytes() == (
        straight / 'bundle' / WEIGHTS_FILE).read_bytes()


def test_a_run_that_was_ended_while_it_was_scored_has_no_bundle_yet(
        deliver_root, tmp_path, monkeypatch, capsys):
    run = tmp_path / 'run'

    def full(*_, **__):
        raise OSError(errno.ENOSPC, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr('training.final_scores.score_frames', full)
        assert command(deliver_root, run, 'epochs=0.5') == 1
    printed = capsys.readouterr()
    assert printed.err.splitlines()[-1] == (
        f'error: cannot write {run / "bundle"}: No space left on device')
    assert f'{run / "checkpoint.pt"} holds the trained network: --resume' in printed.out
    assert not (run / 'bundle').exists() and not (run / 'bundle.unfinished').exists()
    assert command(deliver_root, run, 'epochs=0.5') == 1
    assert 'holds an unfinished run' in capsys.readouterr().err
    assert command(deliver_root, run, 'epochs=0.5', '--resume') == 0
    assert load_bundle(run / 'bundle')[0].provenance['scores']


def test_frames_that_do_not_fit_into_memory_are_not_kept(
        deliver_root, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(memory, 'available_bytes', lambda: 10_000)
    assert command(deliver_root, tmp_path / 'run') == 1
    assert re.search(r'data\.cache: .* GiB for 6 frames, .*; set data\.cache=false',
                     capsys.readouterr().err)
    frame = DeliverDataset(deliver_root, 'train')[0]
    size = 64 * 64 * (4 * 3 + 1)
    monkeypatch.setattr(memory, 'available_bytes', lambda: 6 * size / 0.8)
    memory.check_cache([[frame] * 6])
    monkeypatch.setenv('LOCAL_WORLD_SIZE', '2')
    with pytest.raises(ConfigError, match='in each of 2 processes'):
        memory.check_cache([[frame] * 6])


def test_available_memory_is_that_of_the_system(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, 'MEMINFO', tmp_path / 'meminfo')
    assert memory.available_bytes() is None
    (tmp_path / 'meminfo').write_text('MemFree: 3 kB\nMemAvailable:   7 kB\n', encoding='ascii')
    assert memory.available_bytes() == 7 * 1024


def test_help_teaches(capsys):
    with pytest.raises(SystemExit):
        train_command.main(['--help'])
    text = capsys.readouterr().out
    for word in ('--recipe', 'key=value', '--resume', 'torchrun', 'report.html', 'method.teacher'):
        assert word in text




def test_an_output_that_cannot_be_written_is_said_at_once(deliver_root, capsys):
    assert command(deliver_root, '/proc/nowhere/run') == 1
    assert 'cannot write output' in capsys.readouterr().err


def test_a_wrong_validation_frame_is_found_before_training(deliver_root, tmp_path, capsys):
    data = tmp_path / 'data'
    shutil.copytree(deliver_root, data)
    broken = next((data / 'semantic').glob('*/val/*/*.png'))
    broken.write_bytes(broken.read_bytes()[:60])
    assert command(data, tmp_path / 'run') == 1
    assert broken.name in capsys.readouterr().err
    assert not (tmp_path / 'run' / 'metrics.csv').exists()


def test_frames_without_a_label_give_no_class_weights(deliver_root, tmp_path, capsys):
    data = tmp_path / 'unlabelled'
    shutil.copytree(deliver_root, data)
    for path in (data / 'semantic').glob('*/train/*/*.png'):
        assert cv2.imwrite(str(path), np.full((64, 64, 4), 255, np.uint8))
    assert command(data, tmp_path / 'run', 'class_weights=log') == 1
    assert ('class_weights log: none of 6 counted frames has a labelled pixel; set '
            'class_weights=none') in capsys.readouterr().err


def test_a_run_that_was_moved_is_continued(deliver_root, tmp_path, monkeypatch):
    step = Trainer._step
    monkeypatch.setattr(Trainer, '_step', lambda self, group: (
        signal.raise_signal(signal.SIGTERM), step(self, group))[1])
    assert command(deliver_root, tmp_path / 'a') == 130
    monkeypatch.setattr(Trainer, '_step', step)
    (tmp_path / 'a').rename(tmp_path / 'b')
    shutil.copytree(deliver_root, tmp_path / 'data')
    assert command(tmp_path / 'data', tmp_path / 'b', '--resume') == 0
