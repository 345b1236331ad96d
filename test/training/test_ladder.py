# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ablation ladder: its recipes, its table, and that finished runs are kept."""

import json
import re
from types import SimpleNamespace

import pytest

from anymodal_seg_ros.resources import resource_path
from training import ladder
from training.ladder import EXTRAS, RUNGS, ladder_table
from training.train_config import TrainConfig

FOLDER = resource_path('config') / 'training' / 'ladder'
NAMES = [rung.recipe for rung in (*RUNGS, *EXTRAS)]


def recipe(name):
    return TrainConfig.from_yaml(FOLDER / f'{name}.yaml')


@pytest.mark.parametrize('name', NAMES)
def test_every_rung_has_a_recipe(name):
    assert recipe(name).method.name in ('supervised', 'anyseg', 'robustseg')


def test_students_differ_in_their_method_alone():
    """All else is equal, so that the table compares methods."""
    def rest(name):
        return {key: value for key, value in recipe(name).to_dict().items() if key != 'method'}

    students = [name for name in (rung.recipe for rung in RUNGS) if name != 'teacher']
    assert all(rest(name) == rest('hpd') for name in students)
    assert all(recipe(name).method.init != 'scratch' for name in students)


def test_published_weights_are_used():
    options = recipe('feedback').method.options
    assert options == {'feedback': {'lr': 6.0e-6, 'every': 1}}


def write_scores(folder, name, emm, full, weak):
    run = folder / name
    run.mkdir()
    (run / 'scores.json').write_text(json.dumps({
        'emm_average_skip': emm,
        'subsets': {'rgb+depth+lidar+event': {'miou': full}, 'lidar+event': {'miou': weak}}}))


def test_the_table_gives_mean_and_spread(tmp_path):
    for seed, emm in enumerate((40.0, 41.0, 42.0)):
        write_scores(tmp_path, f'teacher-{seed}', emm, 60.0, 1.0)
    write_scores(tmp_path, 'hpd-0', 50.0, 59.0, 30.0)
    lines = ladder_table(tmp_path, [0, 1, 2]).splitlines()
    assert re.search(r'\| 3 \| 41\.0 ± 1\.0 \| 60\.0 ± 0\.0 \| 1\.0 ± 0\.0 \| 39\.36', lines[2])
    assert '| 1 | 50.0 | 59.0 | 30.0 |' in lines[3]
    assert len(lines) == 4


def test_nothing_to_show_is_said(tmp_path, capsys):
    assert ladder.main(['--output', str(tmp_path), '--table-only']) == 1
    assert 'no scored run' in capsys.readouterr().err
    (tmp_path / 'hpd-0').mkdir()
    (tmp_path / 'hpd-0' / 'scores.json').write_text('{}')
    assert ladder.main(['--output', str(tmp_path), '--table-only']) == 1
    assert 'hpd-0' in capsys.readouterr().err
    assert ladder.main(['--output', str(tmp_path), '--rungs', 'top']) == 1
    assert "rung is 'top'" in capsys.readouterr().err


def test_each_seed_trains_a_teacher_and_students_that_start_from_it(tmp_path, monkeypatch):
    started = []

    def fake_train(prepared, should_stop):
        config = prepared.config
        started.append((config.output.removeprefix(f'{tmp_path}/'), config.seed,
                        config.method.init, config.method.teacher))
        (tmp_path / config.output / 'bundle').mkdir(parents=True)
        (tmp_path / config.output / 'scores.json').write_text('{}')
        return True

    monkeypatch.setattr(ladder, 'prepare', lambda config, resume: SimpleNamespace(config=config))
    monkeypatch.setattr('training.run.train', fake_train)
    for _ in range(2):
        ladder.train_ladder(tmp_path, tmp_path, [3], ['teacher', 'dropout', 'hpd'])
    teacher = str(tmp_path / 'teacher-3' / 'bundle')
    assert started == [
        ('camera', 0, 'scratch', ''),
        ('teacher-3', 3, str(tmp_path / 'camera' / 'bundle'), ''),
        ('dropout-3', 3, teacher, ''),
        ('hpd-3', 3, 'teacher', teacher),
    ]
