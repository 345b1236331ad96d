# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stored results: what a file may hold, and the table that is printed from them."""

import json
import re
from dataclasses import asdict, replace

import pytest

from anymodal_seg_ros.errors import ConfigError
from training import compare
from training.tables.latency import LATENCY_FILE, Latency, read_latency, write_latency
from training.tables.markdown import conditions, markdown
from training.tables.result import read_result, read_results, result_path, write_result
from training.tables.table import load_table

LADDER = load_table('ladder')


@pytest.fixture
def store(tmp_path, make_result):
    def store(*arguments, **changes):
        result = make_result(*arguments, **changes)
        write_result(result_path(tmp_path, result.row, result.seed), result)

    return store


def test_the_table_gives_mean_and_sample_standard_deviation(tmp_path, store):
    for seed, emm in enumerate((40.0, 41.0, 42.0)):
        store('teacher', seed, emm, 60.0, 1.0)
    store('hpd', 0, 50.0, 59.0, 30.0)
    lines = markdown(LADDER, tmp_path).splitlines()
    assert lines[0] == ('|  | seeds | EMM average | all sensors | lidar + event '
                        '| paper: EMM / all |')
    assert re.search(r'\| 3 \| 41\.0 ± 1\.0 \| 60\.0 ± 0\.0 \| 1\.0 ± 0\.0 \| 39\.36', lines[2])
    assert '| 1 | 50.0 | 59.0 | 30.0 | 49.10' in next(line for line in lines if '(HPD)' in line)


def test_scores_against_a_row_are_of_the_seeds_that_both_have(tmp_path, store):
    table = load_table('equiseg')
    assert table.against == 'equiseg'
    for seed, emm in enumerate((40.0, 44.0)):
        store('equiseg', seed, emm, 60.0)
    store('mean', 1, 43.5, 61.25)
    store('no_add', 2, 43.5, 61.25)
    store('cosine', 0, 40.04, 59.96)
    _, _, whole, mean, _, no_add, *_, cosine, _, _, _ = markdown(table, tmp_path).splitlines()
    assert '| 2 | 42.0 ± 2.8 | 60.0 ± 0.0 |' in whole
    assert '| 1 | 43.5 (−0.5) | 61.2 (+1.2) |' in mean
    assert whole.endswith('| 44.77 / 63.26 |')
    assert mean.endswith('| 42.83 (−1.94) / 62.57 (−0.69) |')
    assert cosine.endswith('| 43.11 (−1.66) / – |')
    assert '| 1 | 43.5 | 61.2 |' in no_add
    assert '| 1 | 40.0 (+0.0) | 60.0 (+0.0) |' in cosine


def test_a_row_without_runs_says_so_and_an_extra_one_is_left_out(tmp_path, store):
    store('teacher')
    lines = markdown(LADDER, tmp_path).splitlines()
    assert len(lines) == 2 + len(LADDER.usual_rows())
    assert '| sensor dropout, no distillation | 0 | – | – | – | – |' in lines
    store('corruption')
    assert len(markdown(LADDER, tmp_path).splitlines()) == len(lines) + 1


@pytest.mark.parametrize(('name', 'value'), [
    ('data_sha256', 'of others'), ('split', 'test'), ('frames', 40)])
def test_scores_of_different_frames_make_no_table(tmp_path, store, name, value):
    store('teacher')
    store('hpd', **{name: value})
    with pytest.raises(ConfigError, match=f'cannot stand in one table, .* different {name}'):
        markdown(LADDER, tmp_path)


def test_columns_of_the_networks(tmp_path, store):
    table = load_table('networks')
    robustness = {'RMM r=0.5 average': 33.0, 'NM low': 31.0, 'NM mid': 21.0, 'score': 44.0}
    store('m_segformer', 0, robustness=robustness, robustness_frames=25)
    store('m_segformer', 1, robustness={**robustness, 'score': 46.0}, robustness_frames=25)
    store('dropout')
    write_latency(tmp_path, Latency(host='a bench', precision='bf16', size_px=256, rows={
        'm_segformer': {'4': [10.0, 12.0, 11.0], '2': [6.0, 6.0, 7.0], '1': [4.0, 3.0, 3.0]},
        'anyseg': {'2': [6.0], '1': [4.0]}}))
    _, _, plain, dropout, fewer, *_ = markdown(table, tmp_path).splitlines()
    assert plain == ('| M-SegFormer | 2 | 50.0 ± 0.0 | 59.0 ± 0.0 | – | 30.0 ± 0.0 | 33.0 ± 0.0 '
                     '| 31.0 ± 0.0 | 21.0 ± 0.0 | 45.0 ± 1.4 | 3.72 | 1.00 '
                     '| 11 (10–12) / 6 (6–7) / 3 (3–4) | 39.36 / 61.92 |')
    assert dropout == ('| M-SegFormer + sensor dropout | 1 | 50.0 | 59.0 | – | 30.0 | – | – | – '
                       '| – | 3.72 | 1.00 | – | – |')
    assert '| – / 6 (6–6) / 4 (4–4) |' in fewer
    told = conditions(table, tmp_path)
    assert '100 frames of split val' in told and 'seeds 0, 1; 225 steps' in told
    assert 'a bench; bf16; revision c' in told and 'RMM and NM: 25 frames' in told
    assert 'at 256 px; a bench; bf16' in told


def test_a_row_with_fewer_sensors_has_no_figures_over_all(tmp_path, store):
    robustness = {'RMM r=0.5 average': 33.0, 'NM low': 31.0, 'NM mid': 21.0, 'score': 44.0}
    store('m_segformer')
    store('segrgbx_rgb_depth', emm=40.0, subsets={'rgb': 41.0, 'depth': 39.0, 'rgb+depth': 52.0},
          robustness=robustness, robustness_frames=25)
    table = markdown(load_table('networks'), tmp_path)
    assert ('| SegRGB-X, camera + depth | 1 | – | – | 52.0 | – | – | 31.0 | 21.0 | – | 3.72 '
            '| 1.00 | – | – |') in table


def test_a_result_is_read_as_it_was_written(tmp_path, make_result):
    result = make_result(robustness={'score': 41.5}, robustness_frames=7)
    write_result(tmp_path / 'hpd-0.json', result)
    assert read_result(tmp_path / 'hpd-0.json') == result
    assert (tmp_path / 'hpd-0.json').stat().st_size < 2000


@pytest.mark.parametrize(('change', 'message'), [
    ({'emm': 101}, 'emm is 101'), ({'emm': float('nan')}, 'emm is nan'),
    ({'subsets': {}}, 'subsets is empty'), ({'subsets': {'rgb': 'high'}}, "'rgb'.*'high'"),
    ({'subsets': [1]}, r'subsets is \[1\]'), ({'robustness': {'score': -1}}, 'score'),
    ({'colour': 'red'}, "unknown key 'colour'"), ({'seed': 0.5}, 'seed is 0.5'),
    ({'host': 3}, 'host is 3')])
def test_a_file_that_is_no_result_is_named(tmp_path, make_result, change, message):
    path = tmp_path / 'hpd-0.json'
    path.write_text(json.dumps({**asdict(make_result()), **change}))
    with pytest.raises(ConfigError, match=rf'hpd-0\.json is no result: .*{message}'):
        read_result(path)


def test_a_result_under_another_s_name_is_none_of_it(tmp_path, make_result):
    write_result(tmp_path / 'hpd-1.json', replace(make_result(), seed=0))
    with pytest.raises(ConfigError, match=r"hpd-1\.json holds row 'hpd', seed 0"):
        read_results(tmp_path, 'hpd')


@pytest.mark.parametrize(('rows', 'message'), [
    ({'hpd': 3}, r"rows\['hpd'\] is 3"), ({'hpd': {'4': []}}, 'allowed: a list'),
    ({'hpd': {'4': ['fast']}}, "'fast'")])
def test_a_file_that_is_no_latency_is_named(tmp_path, rows, message):
    (tmp_path / LATENCY_FILE).write_text(json.dumps(
        {'host': 'h', 'precision': 'fp32', 'size_px': 64, 'rows': rows}))
    with pytest.raises(ConfigError, match=rf'latency\.json is no latency: .*{message}'):
        read_latency(tmp_path)


def test_the_command_prints_from_stored_results_alone(tmp_path, make_result, capsys):
    for seed in (0, 1):
        write_result(result_path(tmp_path / 'ladder', 'hpd', seed), make_result(seed=seed))
    assert compare.main(['ladder', '--print', '--results', str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(markdown(LADDER, tmp_path / 'ladder') + '\n\nmIoU in percent')


def test_nothing_to_show_is_said(tmp_path, capsys):
    arguments = ['ladder', '--results', str(tmp_path)]
    assert compare.main([*arguments, '--print']) == 1
    assert f'no result in {tmp_path / "ladder"}' in capsys.readouterr().err
    (tmp_path / 'ladder').mkdir()
    (tmp_path / 'ladder' / 'hpd-0.json').write_text('{}')
    assert compare.main([*arguments, '--print']) == 1
    assert 'hpd-0.json' in capsys.readouterr().err
    assert compare.main([*arguments, '--rows', 'top']) == 1
    assert "row is 'top'" in capsys.readouterr().err
    assert compare.main(['steps']) == 1
    assert "table is 'steps'" in capsys.readouterr().err
    assert compare.main([*arguments, '--latency', '--output', str(tmp_path / 'none')]) == 1
    assert 'no row is trained' in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_trains_stores_and_prints(tmp_path, trainings, capsys):
    arguments = ['ladder', '--rows', 'teacher', '--seeds', '0', '1', '--processes', '2',
                 '--data', str(tmp_path), '--output', str(tmp_path / 'runs'),
                 '--results', str(tmp_path / 'results')]
    assert compare.main(arguments) == 0
    assert '| 2 | 40.5 ± 0.7 | 60.0 ± 0.0 | 6.0 ± 0.0 |' in capsys.readouterr().out
    assert {path.name for path in (tmp_path / 'results' / 'ladder').iterdir()} == {
        'teacher-0.json', 'teacher-1.json'}


def test_a_row_that_has_nothing_to_compare_is_not_put_against_another(tmp_path, store):
    store('equiseg', 0, 40.0, 60.0)
    store('mean', 0, 43.5, subsets={'rgb': 41.0, 'rgb+depth': 50.0})
    _, _, _, mean, *_ = markdown(load_table('equiseg'), tmp_path).splitlines()
    assert '| 1 | – | – | – | – | – | 42.83' in mean
