# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Several runs on one page; runs that differ in their seed alone are averaged."""

import json
import re

import numpy as np
import pytest

from anymodal_seg_ros.errors import ConfigError
from training.report import write_comparison
from training.report.__main__ import main
from training.report.comparison import comparison_grid, group_runs
from training.report.differences import recipe_differences
from training.report.run_folder import read_run


def test_seeds_are_averaged_and_recipes_kept_apart(make_run, tmp_path, scores_dict):
    runs = [make_run('student-seed0', shift=1.0), make_run('teacher', method='supervised'),
            make_run('student-seed1', seed=1, shift=3.0)]
    groups = group_runs([read_run(run) for run in runs])
    assert [(group.name, len(group.runs)) for group in groups] == [('student', 2), ('teacher', 1)]
    grid = comparison_grid(groups)
    assert grid.columns == ('student', 'teacher') and len(grid.rows) == 8
    np.testing.assert_allclose(grid.values[:, 0] - grid.values[:, 1], 2.0)
    text = write_comparison(runs, tmp_path / 'c.html').read_text(encoding='utf-8')
    rows = [re.findall(r'<td[^>]*>([^<]*)</td>', row) for row in text.split('<tr>')[2:]]
    full = scores_dict['subsets']['rgb+depth+lidar']['miou']
    assert rows[0][:4] == ['student', 'anyseg', '2', f'{full + 2:.1f} ± 1.4']
    assert rows[1][-1] == '−2.0'
    assert 'href="student-seed1/report.html"' in text


def test_equal_names_are_told_apart(make_run):
    runs = [make_run('a/run'), make_run('b/run', method='supervised')]
    groups = group_runs([read_run(run) for run in runs])
    assert [group.name for group in groups] == ['run', 'run (2)']


def test_runs_without_scores_are_left_out_and_none_is_an_error(make_run, tmp_path):
    run = make_run('a')
    (run / 'scores.json').unlink()
    with pytest.raises(ConfigError, match='none of the runs was scored'):
        write_comparison([run], tmp_path / 'c.html')


def test_data_sets_in_classes_of_their_own_are_compared_one_by_one(
    make_run, tmp_path, scores_dict, recwarn
):
    """There are no combinations of sensors of all frames, so nothing is drawn or averaged."""
    runs = [make_run('a'), make_run('b', method='supervised')]
    for run, sets in zip(runs, (['x', 'y'], ['x', 'z']), strict=True):
        (run / 'scores.json').write_text(json.dumps(
            {'subsets': {}, 'sets': dict.fromkeys(sets, scores_dict)}), encoding='utf-8')
    text = write_comparison(runs, tmp_path / 'c.html').read_text(encoding='utf-8')
    full = f"{scores_dict['subsets']['rgb+depth+lidar']['miou']:.1f}"
    rows = [re.findall(r'<td[^>]*>([^<]*)</td>', row) for row in text.split('<tr>')]
    for row in (['x', full, full], ['y', full, '–'], ['z', '–', full]):
        assert row in rows
    assert 'Combinations of sensors' not in text and '<svg' not in text
    assert not recwarn.list
    plain = make_run('c')
    text = write_comparison([runs[0], plain], tmp_path / 'c.html').read_text(encoding='utf-8')
    assert 'Combinations of sensors' in text


@pytest.mark.slow
def test_command_with_several_runs(make_run, tmp_path, capsys):
    runs = [make_run('a'), make_run('b <i>', method='supervised')]
    assert main([str(run) for run in runs]) == 0
    assert capsys.readouterr().out.splitlines() == [
        str(runs[0] / 'report.html'), str(runs[1] / 'report.html'),
        str(tmp_path / 'comparison.html')]
    assert '<i>' not in (tmp_path / 'comparison.html').read_text(encoding='utf-8')


def test_settings_that_differ_are_shown(make_run, tmp_path):
    runs = [make_run('a'), make_run('b', seed=1, method='supervised')]
    text = write_comparison(runs, tmp_path / 'c.html').read_text(encoding='utf-8')
    rows = [re.findall(r'<td[^>]*>([^<]*)</td>', row) for row in text.split('<tr>')]
    assert ['method.name', 'anyseg', 'supervised'] in rows
    assert not any(row and row[0] in ('seed', 'output', 'data.name') for row in rows)


def test_differences_of_recipes():
    a = {'seed': 0, 'optim': {'lr': 1e-3, 'ema': 0.9}, 'stages': [{'until': 1.0}], 'loss': ''}
    b = {'seed': 1, 'optim': {'lr': 1e-4, 'ema': 0.9}, 'stages': [{'until': 0.5}], 'options': {}}
    assert recipe_differences([a, b], ['seed']) == {
        'optim.lr': ('0.001', '0.0001'), 'stages': ('[{"until": 1.0}]', '[{"until": 0.5}]'),
        'loss': ('""', '–'), 'options': ('–', '{}')}
    assert recipe_differences([a, a]) == {} == recipe_differences([a, {**a, 'seed': 2}], ['seed'])
