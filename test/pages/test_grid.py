# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Order of the combinations, and their average."""

import math

import numpy as np
import pytest

from anymodal_seg_ros.pages.grid import AVERAGE, Grid, by_size, subset_grid

ABC = ('a', 'b', 'c')
SUBSETS = [('a',), ('b',), ('c',), ('a', 'b'), ('a', 'c'), ('b', 'c'), ABC]


def test_most_sensors_first_and_the_lack_of_the_first_sensor_first():
    assert by_size(SUBSETS, ABC) == [
        ABC, ('b', 'c'), ('a', 'c'), ('a', 'b'), ('a',), ('b',), ('c',)]


def test_order_of_a_pair():
    assert by_size([('b',), ('a', 'b'), ('a',)], ('a', 'b')) == [('a', 'b'), ('a',), ('b',)]


def test_grid_of_all_combinations_ends_with_their_average():
    scores = {subset: {'all': float(i), 'sun': 2.0 * i} for i, subset in enumerate(SUBSETS)}
    grid = subset_grid(scores, ['all', 'sun'], ABC)
    assert grid.rows == ('a+b+c', 'b+c', 'a+c', 'a+b', 'a', 'b', 'c', AVERAGE)
    assert grid.values[:, 0].tolist() == [6, 5, 4, 3, 0, 1, 2, 3]
    assert grid.num_summary_rows == 1
    assert grid.subset_of(1) == ('b', 'c') and grid.subset_of(7) is None


def test_no_average_of_some_combinations():
    grid = subset_grid({ABC: {'all': 1.0}, ('a',): {}}, ['all'], ABC)
    assert grid.num_summary_rows == 0
    assert grid.values[0, 0] == 1 and math.isnan(grid.values[1, 0])


def test_a_condition_that_one_combination_lacks_has_no_average():
    scores = {subset: {'all': 1.0, 'sun': 1.0} for subset in SUBSETS}
    del scores[('b',)]['sun']
    grid = subset_grid(scores, ['all', 'sun'], ABC)
    assert grid.values[-1, 0] == 1 and math.isnan(grid.values[-1, 1])


def test_values_must_fit_the_names():
    with pytest.raises(ValueError, match=r'\(1, 1\), but there are 1 rows and 2 columns'):
        Grid(rows=('a',), columns=('x', 'y'), values=np.zeros((1, 1)))
