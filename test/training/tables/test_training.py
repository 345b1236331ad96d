# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which runs a table needs, in which order; what is kept, resumed and stored."""

import json
import shutil
from dataclasses import replace

import pytest

from anymodal_seg_ros.errors import ConfigError
from training.tables.result import read_result, read_results, write_result
from training.tables.table import load_table
from training.tables.training import train_table

pytestmark = pytest.mark.slow

LADDER = load_table('ladder')


def train(tmp_path, rows, seeds=(3,), **changes):
    train_table(LADDER, rows, seeds, data=tmp_path, output=tmp_path / 'runs',
                results=tmp_path / 'results', **changes)


def test_each_seed_trains_a_teacher_and_students_that_start_from_it(tmp_path, trainings):
    train(tmp_path, ['teacher', 'dropout', 'hpd'])
    teacher = str(tmp_path / 'runs' / 'teacher-3' / 'bundle')
    begun = trainings.begun()
    assert [(name, changes.get('seed'), changes.get('method.init'), changes.get('method.teacher'))
            for name, changes, _, _ in begun] == [
        ('camera', None, None, None),
        ('teacher-3', '3', str(tmp_path / 'runs' / 'camera' / 'bundle'), None),
        ('dropout-3', '3', teacher, None),
        ('hpd-3', '3', None, teacher)]
    assert all(changes['data.root'] == str(tmp_path) for _, changes, _, _ in begun)
    assert {(resumed, threads) for _, _, resumed, threads in begun} == {(False, '1')}


def test_all_rows_have_the_first_seed_before_any_has_the_next(tmp_path, trainings):
    train(tmp_path, ['teacher', 'hpd'], seeds=[5, 4])
    assert [name for name, *_ in trainings.begun()] == ['camera', 'teacher-5', 'hpd-5',
                                                        'teacher-4', 'hpd-4']


def test_finished_runs_are_kept_and_an_interrupted_one_goes_on(tmp_path, trainings):
    train(tmp_path, ['dropout'])
    trainings.begun()
    (tmp_path / 'runs' / 'hpd-3').mkdir()
    (tmp_path / 'runs' / 'hpd-3' / 'checkpoint.pt').touch()
    train(tmp_path, ['dropout', 'hpd'])
    assert [(name, resumed) for name, _, resumed, _ in trainings.begun()] == [('hpd-3', True)]


def test_a_finished_run_gets_the_result_that_it_lacks(tmp_path, trainings):
    train(tmp_path, ['teacher'])
    path = tmp_path / 'results' / 'teacher-3.json'
    stored = read_result(path)
    path.unlink()
    trainings.begun()
    train(tmp_path, ['teacher'])
    assert read_result(path) == stored
    assert trainings.begun() == []


def test_a_run_that_was_trained_anew_has_its_new_figures(tmp_path, trainings):
    train(tmp_path, ['teacher'])
    path = tmp_path / 'results' / 'teacher-3.json'
    write_result(path, replace(read_result(path), emm=1.0))
    shutil.rmtree(tmp_path / 'runs' / 'teacher-3')
    train(tmp_path, ['teacher'])
    assert read_result(path).emm == 43.0


def test_a_guide_that_is_missing_is_named_before_anything_is_trained(tmp_path, trainings,
                                                                    monkeypatch):
    monkeypatch.chdir(tmp_path)

    def train_networks():
        train_table(load_table('networks'), ['dropout', 'segrgbx'], [0], data=tmp_path,
                    output=tmp_path / 'runs', results=tmp_path / 'results')

    with pytest.raises(ConfigError, match=r"guide 'out/ma_clip/guide': .* training\.ma_clip"):
        train_networks()
    assert trainings.begun() == []
    (tmp_path / 'out' / 'ma_clip' / 'guide').mkdir(parents=True)
    with pytest.raises(ConfigError, match='has no folder img'):
        train_networks()
    assert [name for name, *_ in trainings.begun()] == ['camera', 'dropout-0', 'segrgbx-0']


def test_what_is_stored_of_a_run(tmp_path, trainings):
    train(tmp_path, ['teacher'])
    [result] = read_results(tmp_path / 'results', 'teacher')
    assert (result.row, result.seed, result.recipe) == ('teacher', 3, 'ladder/teacher.yaml')
    assert (result.emm, result.all_sensors) == (43.0, 60.0)
    assert result.subsets == {'rgb+depth+lidar+event': 60.0, 'lidar+event': 6.0}
    assert (result.steps, result.samples, result.minutes) == (225, 1800, 2.5)
    assert result.host == 'a bench, 1 x 1 threads of 2 cores, torch 9.9'
    assert (result.precision, result.split, result.frames) == ('bf16', 'val', 100)
    assert result.revision == 'abcdef'
    assert result.parameters > 3_000_000 and result.macs > 10**9
    assert not list((tmp_path / 'results').glob('camera*')), 'it has no row'


def test_a_finished_run_of_another_recipe_is_no_row(tmp_path, trainings):
    train(tmp_path, ['teacher'])
    path = tmp_path / 'runs' / 'teacher-3' / 'bundle' / 'bundle.json'
    bundle = json.loads(path.read_text())
    bundle['provenance']['recipe']['epochs'] = 7
    path.write_text(json.dumps(bundle))
    with pytest.raises(ConfigError, match='teacher-3 was trained by another recipe'):
        train(tmp_path, ['dropout'])
    del bundle['provenance']['recipe']['epochs']
    bundle['provenance']['recipe']['epoch'] = 7
    path.write_text(json.dumps(bundle))
    with pytest.raises(ConfigError, match=r"teacher-3: its recipe: .*unknown key 'epoch'"):
        train(tmp_path, ['dropout'])


@pytest.mark.parametrize('processes', [1, 3])
def test_a_run_that_fails_takes_along_what_needs_it_and_no_other(tmp_path, trainings, processes):
    trainings.failing('teacher-3')
    with pytest.raises(ConfigError, match=r'teacher-3: error: no such luck .*3\.log') as told:
        train(tmp_path, ['teacher', 'hpd', 'teacher_statistics'], processes=processes)
    assert 'hpd-3: needs teacher-3' in str(told.value)
    assert next(name for name, *_ in trainings.begun()) == 'camera'
    assert read_results(tmp_path / 'results', 'teacher_statistics')
    assert not read_results(tmp_path / 'results', 'hpd')


def test_wrong_requests_are_named_before_anything_runs(tmp_path, trainings):
    with pytest.raises(ConfigError, match="row is 'top'; allowed: camera, teacher"):
        train(tmp_path, ['teacher', 'top'])
    with pytest.raises(ConfigError, match='processes is 0'):
        train(tmp_path, ['teacher'], processes=0)
    with pytest.raises(ConfigError, match='seed is -1'):
        train(tmp_path, ['teacher'], seeds=[-1])
    assert trainings.begun() == []
