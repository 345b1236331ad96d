# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Robustness tables: rows of figures wherever they stand."""

from training.report.robustness import robustness_tables


def shown(data):
    """Title (if any), heads and rows of each table."""
    found = robustness_tables(data)
    return [title for title, _ in found if title], [
        [list(row) for row in (table.heads, *table.rows)] for _, table in found]


def test_levels_of_each_benchmark():
    titles, tables = shown({
        'rmm': {'r=0.25': {'drop': 51.26, 'zero': 48.5}, 'r=0.5': {'drop': 40.0}},
        'nm': {'low': {'drop': 60.0}}, 'data': {'frames': 20}})
    assert titles == ['RMM: random values missing', 'NM: noise']
    assert tables == [
        [['', 'drop', 'zero'], ['r=0.25', '51.3', '48.5'], ['r=0.5', '40.0', '–']],
        [['', 'drop'], ['low', '60.0']]]


def test_figures_that_stand_alone():
    titles, tables = shown({'clean_miou': 70.0, 'seed': True, 'mode': 'drop'})
    assert titles == [] and tables == [[['', 'clean miou'], ['', '70.0']]]


def test_combinations_and_classes_are_not_repeated():
    assert shown({'subsets': {'rgb': {'miou': 1.0}}}) == ([], [])
