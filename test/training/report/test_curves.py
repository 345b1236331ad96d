# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Curves: what is drawn is what was logged."""

import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.report.curves import MAX_POINTS, curve_svg, nice_ticks, short

SVG = '{http://www.w3.org/2000/svg}'


def line_of(x, y):
    root = ElementTree.fromstring(curve_svg(np.asarray(x, float), np.asarray(y, float), 'ce & kd'))
    points = root.find(f'.//{SVG}polyline').get('points').split()
    return np.array([[float(v) for v in point.split(',')] for point in points]), root


def test_a_falling_straight_line_is_straight_and_falls():
    points, root = line_of(range(11), range(10, -1, -1))
    assert len(points) == 11
    assert np.ptp(np.diff(points, axis=0), axis=0) == pytest.approx([0, 0], abs=0.2)
    # Downwards is up in a drawing.
    assert (np.diff(points[:, 1]) > 0).all()
    assert root.find(f'{SVG}title').text == 'ce & kd'


def test_long_lines_are_shortened_to_their_means():
    points, _ = line_of(range(100_000), np.tile([0.0, 2.0], 50_000))
    assert len(points) == MAX_POINTS
    assert np.ptp(points[:, 1]) <= 0.2


def test_values_that_are_not_known_are_left_out():
    assert len(line_of(range(4), [1, math.nan, math.inf, 2])[0]) == 2


def test_one_point_and_none():
    assert len(line_of([5], [2])[0]) == 1
    assert 'nothing was logged' in curve_svg(np.zeros(0), np.zeros(0), 'ce')


def test_a_rare_peak_does_not_flatten_the_rest():
    values = np.ones(1000)
    values[0] = 1e6
    points, _ = line_of(range(1000), values)
    middle = points[MAX_POINTS // 2, 1]
    assert 0 < middle < 90 and points[0, 1] < 0


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 8))
def test_ticks_enclose_and_are_not_many(low, span, wanted):
    ticks = nice_ticks(low, low + span, wanted)
    slack = 1e-6 * max(abs(low), span)
    assert ticks[0] <= low + slack and ticks[-1] >= low + span - slack
    assert len(ticks) <= wanted + 3
    assert np.ptp(np.diff(ticks)) <= slack


@pytest.mark.parametrize(('value', 'text'), [
    (0, '0'), (0.25, '0.25'), (1500, '1.5k'), (2e6, '2M'), (3e9, '3G'), (0.0005, '0.0005'),
    (3.4e-7, '3.4e-7'), (-1500, '-1.5k'),
])
def test_short_numbers(value, text):
    assert short(value) == text
