# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""metrics.csv of unbroken, continued, killed and damaged runs."""

import numpy as np
import pytest

from anymodal_seg_ros.errors import ConfigError
from training.report.metrics import read_metrics


def read(tmp_path, text):
    path = tmp_path / 'metrics.csv'
    path.write_text(text, encoding='utf-8')
    return {name: values.tolist() for name, values in read_metrics(path).items()}


def test_columns_by_name(tmp_path):
    assert read(tmp_path, 'step,lr,ce\n1,0.5,3\n2,0.25,2\n') == {
        'step': [1, 2], 'lr': [0.5, 0.25], 'ce': [3, 2]}


def test_lines_may_end_as_csv_ends_them(tmp_path):
    path = tmp_path / 'metrics.csv'
    path.write_bytes(b'step,ce\r\n1,9\r\n2,8')
    assert read_metrics(path)['ce'].tolist() == [9]


def test_a_continued_run_counts_as_logged_last(tmp_path):
    text = 'step,ce\n1,9\n2,8\n3,7\n2,6\n3,5\n4,4\n'
    assert read(tmp_path, text) == {'step': [1, 2, 3, 4], 'ce': [9, 6, 5, 4]}


def test_a_line_that_a_killed_run_left_unfinished_is_dropped(tmp_path):
    assert read(tmp_path, 'step,ce\n1,9\n2,8.1')['ce'] == [9]


def test_an_empty_field_is_not_known(tmp_path):
    values = read(tmp_path, 'step,ce,kd\n1,9,\n2,nan,3\n')
    assert np.isnan(values['kd'][0]) and values['kd'][1] == 3 and np.isnan(values['ce'][1])


def test_a_header_alone_has_no_rows(tmp_path):
    assert read(tmp_path, 'step,ce\n') == {'step': [], 'ce': []}


@pytest.mark.parametrize(('text', 'words'), [
    ('', "no column 'step'"),
    ('time,ce\n1,2\n', "no column 'step'"),
    ('step,ce\n1,low\n2,3\n', "line 2: could not convert string to float: 'low'"),
    ('step,ce\n1,2\n2\n3,4\n', 'line 3 has 1 fields; the first line names 2'),
])
def test_damage_is_named(tmp_path, text, words):
    with pytest.raises(ConfigError, match=words):
        read(tmp_path, text)


def test_no_text(tmp_path):
    (tmp_path / 'metrics.csv').write_bytes(b'step\xff\n')
    with pytest.raises(ConfigError, match=r'metrics\.csv is not CSV, nor text'):
        read_metrics(tmp_path / 'metrics.csv')


def test_a_field_longer_than_a_reader_takes(tmp_path):
    with pytest.raises(ConfigError, match=r'metrics\.csv is not CSV: field larger'):
        read(tmp_path, 'step,ce\n1,"' + '2' * 200_000 + '\n')
