# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Interpolated functions against themselves, computed at every pixel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymodal_seg_ros.smooth import NUM_CELLS, SmoothGrid

COLUMNS, ROWS = np.arange(0.0, 300.0, 2.0), np.arange(-50.0, 150.0)
NODES = (NUM_CELLS + 1) ** 2 + NUM_CELLS ** 2


class Counted:
    """A function of pixels that counts for how many it was computed."""

    def __init__(self, function):
        self.function, self.count = function, 0

    def __call__(self, pixels):
        self.count += len(pixels)
        return np.stack(self.function(*pixels.T), axis=-1)


def everywhere(function, columns, rows):
    return np.stack(function(*np.meshgrid(columns, rows)))


def cubic(u, v):
    return 1.0 + u * v - (u / 90) ** 3 + (v / 50) ** 3, u + v * v


def test_a_cubic_is_exact_and_computed_at_few_pixels():
    function = Counted(cubic)
    values = SmoothGrid(function, COLUMNS, ROWS, 1e-6).values(0, ROWS.size)
    assert values.shape == (2, ROWS.size, COLUMNS.size)
    np.testing.assert_allclose(values, everywhere(cubic, COLUMNS, ROWS), atol=1e-6)
    assert function.count == NODES


def test_the_work_does_not_grow_with_the_image():
    function = Counted(cubic)
    side = np.arange(16384.0)
    values = SmoothGrid(function, side, side, 1.0).values(9000, 9003)
    assert function.count == NODES
    np.testing.assert_allclose(values, everywhere(cubic, side, side[9000:9003]), rtol=1e-9)


@pytest.mark.parametrize('shape', [(1, 1), (2, 3), (60, 70), (1, 16384), (16384, 1)])
def test_strips_of_any_image(shape):
    rows, columns = (np.arange(float(side)) for side in shape)
    grid = SmoothGrid(Counted(cubic), columns, rows, 1e-3)
    strips = [grid.values(first, first + 32) for first in range(0, shape[0], 32)]
    np.testing.assert_allclose(np.concatenate(strips, axis=1), everywhere(cubic, columns, rows),
                               rtol=1e-9, atol=1e-3)


@pytest.mark.slow
@given(st.floats(0, 300), st.floats(-50, 150), st.floats(20, 200), st.floats(0.05, 3))
def test_where_it_is_not_smooth_it_is_exact(centre_u, centre_v, radius, height):
    """A root that ends in a vertical slope, and nothing beyond it."""
    def dome(u, v):
        with np.errstate(invalid='ignore'):
            inside = radius ** 2 - (u - centre_u) ** 2 - (v - centre_v) ** 2
            return (height * np.sqrt(inside),)
    values = SmoothGrid(Counted(dome), COLUMNS, ROWS, 1e-3).values(0, ROWS.size)
    expected = everywhere(dome, COLUMNS, ROWS)
    np.testing.assert_array_equal(np.isnan(values), np.isnan(expected))
    np.testing.assert_allclose(values, expected, atol=2e-3)


def test_a_step_is_where_it_belongs():
    def step(u, v):
        return (np.where(u + v < 120.0, 0.0, 5.0),)
    values = SmoothGrid(Counted(step), COLUMNS, ROWS, 1e-3).values(0, ROWS.size)
    np.testing.assert_allclose(values, everywhere(step, COLUMNS, ROWS), atol=2e-3)
