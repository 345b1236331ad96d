# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Charts: what is drawn is what was measured."""

import math
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from anymodal_seg_ros.pages.charts import (
    CHART_PX,
    CURVE_PX,
    MAX_POINTS,
    Bar,
    Row,
    curve,
    histogram,
    short,
    timeline,
)

SVG = '{http://www.w3.org/2000/svg}'


def curve_of(x, y, **settings):
    return ElementTree.fromstring(
        curve(np.asarray(x, float), np.asarray(y, float), 'ce & kd', **settings))


def points_of(path):
    """[N, 2] of the path's lines, in pixels from the left and from above."""
    pairs = re.findall(r'[ML] (-?[\d.]+) (-?[\d.]+)', path.get('d'))
    return np.array([[float(v) for v in pair] for pair in pairs])


def paths_of(root, *looks):
    return [path for path in root.iter(f'{SVG}path')
            if all(look in path.get('style', '') for look in looks)]


def line_of(root):
    """The one line that is not filled and has the colour of lines."""
    [path] = paths_of(root, 'stroke: var(--one)', 'fill: none')
    return points_of(path)


def numbers_of(root):
    return [text.text for text in root.iter(f'{SVG}text')]


def test_a_falling_straight_line_is_straight_and_falls():
    root = curve_of(range(11), range(10, -1, -1))
    points = line_of(root)
    assert len(points) == 11
    assert np.ptp(np.diff(points, axis=0), axis=0) == pytest.approx([0, 0], abs=0.01)
    # Downwards is up in a drawing; the line goes from one corner of the plot to the other.
    assert (np.diff(points[:, 1]) > 0).all()
    assert (np.ptp(points, axis=0) > 0.7 * np.array(CURVE_PX)).all()
    assert root.find(f'{SVG}title').text == 'ce & kd'


def test_long_lines_are_shortened_to_their_means():
    root = curve_of(range(100_000), np.tile([0.0, 0.0, 3.0, 5.0, 2.0], 20_000))
    points = line_of(root)
    assert len(points) == MAX_POINTS
    assert np.ptp(points[:, 1]) <= 0.2
    [band] = paths_of(root, 'fill: var(--one)')
    zero, mean, most = points_of(band)[:, 1].max(), points[0, 1], points_of(band)[:, 1].min()
    assert (zero - mean) / (zero - most) == pytest.approx(2 / 5, abs=0.01)


def test_values_that_are_not_known_are_left_out():
    assert len(line_of(curve_of(range(4), [1, math.nan, math.inf, 2]))) == 2


def test_one_point_is_a_dot_and_none_is_an_empty_chart():
    root = curve_of([5], [2])
    assert len(list(root.iter(f'{SVG}use'))) == 1
    assert paths_of(curve_of([], []), '--one') == []


def test_a_value_that_stays_0_is_drawn_without_a_word(recwarn):
    assert len(line_of(curve_of([1, 2], [0, 0]))) == 2
    assert not recwarn.list


def test_a_rare_peak_does_not_flatten_the_rest():
    values = np.ones(1000)
    values[0] = 1e6
    points = line_of(curve_of(range(1000), values))
    assert 0 < points[-1, 1] < CURVE_PX[1] / 2 and points[0, 1] < 0


@settings(max_examples=20, deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_numbers_enclose_the_values_and_are_not_many(low, span):
    assume(span > 1e-6 * abs(low))
    root = curve_of([0, 1], [low, low + span])
    ys = line_of(root)[:, 1]
    grid = [points_of(path)[0, 1] for path in paths_of(root, 'stroke-opacity: 0.14')]
    assert min(grid) - 0.1 <= ys.min() and ys.max() <= max(grid) + 0.1
    assert 2 <= len(grid) <= 7


def test_units_limits_and_shaded_stretches():
    root = curve_of([1.0, 2.0], [20.0, 40.0], size_px=CHART_PX, span=(0, 10), limits=(0, 100),
                    units=(' s', '%'), shaded=[(5.0, 7.5)])
    assert {'0 s', '0%', '50%', '100%'} <= set(numbers_of(root))
    [shade] = map(points_of, paths_of(root, 'fill: #cf4747'))
    line = line_of(root)
    px_per_s = line[1, 0] - line[0, 0]
    assert np.ptp(shade[:, 0]) == pytest.approx(2.5 * px_per_s, abs=0.1)
    assert shade[:, 0].min() - line[0, 0] == pytest.approx(4 * px_per_s, abs=0.1)


def test_timeline_bars_lie_where_their_times_are():
    rows = [Row(name='rgb', reported=[
        Bar(start_s=5.0, end_s=7.5, color='#123456', tip='lost & found', text='lost')],
        truth=[Bar(start_s=0.0, end_s=10.0, color='#654321', tip='dropped')]),
        Row(name='used', truth=(), reported=[
            Bar(start_s=2.0, end_s=2.1, color='#abcdef', tip='x', text='too long')])]
    root = ElementTree.fromstring(timeline(rows, 10.0, 'health'))
    boxes = {path.get('style', '').split(': ')[1].rstrip(';'): points_of(path)
             for path in root.iter(f'{SVG}path')}
    all_of_it, late, short_one = (boxes[color] for color in ('#654321', '#123456', '#abcdef'))
    left, wide = all_of_it[:, 0].min(), np.ptp(all_of_it[:, 0])
    seconds = {text.text: float(text.get('x')) for text in root.iter(f'{SVG}text')}
    assert wide > 0.9 * CHART_PX[0]
    assert (left, left + wide) == pytest.approx((seconds['0 s'], seconds['10 s']), abs=0.1)
    assert late[:, 0].min() == pytest.approx(left + wide / 2, abs=0.1)
    assert np.ptp(late[:, 0]) == pytest.approx(wide / 4, abs=0.1)
    assert all_of_it[:, 1].max() < late[:, 1].min() < late[:, 1].max() < short_one[:, 1].min()
    words = numbers_of(root)
    assert {'rgb', 'used', 'lost', '0 s', '10 s'} <= set(words) and 'too long' not in words
    tips = [group.find(f'{SVG}title').text for group in root.iter(f'{SVG}g')
            if group.find(f'{SVG}title') is not None]
    assert sorted(tips) == ['dropped', 'lost & found', 'lost & found', 'x']


def test_histogram_counts():
    root = ElementTree.fromstring(histogram([1.0, 1.0, 9.9, 10.0, float('nan')], 'ms', 'x', 10))
    bars = {group.find(f'{SVG}title').text: points_of(group.find(f'{SVG}path'))
            for group in root.iter(f'{SVG}g') if group.find(f'{SVG}title') is not None}
    assert len(bars) == 10
    two, one = bars['1 to 2 ms: 2'], bars['9 to 10 ms: 2']
    assert np.ptp(two[:, 1]) == pytest.approx(np.ptp(one[:, 1])) and np.ptp(two[:, 1]) > 50
    assert np.ptp(bars['2 to 3 ms: 0'][:, 1]) == 0
    assert len(list(ElementTree.fromstring(histogram([], 'ms', 'x')).iter(f'{SVG}title'))) == 41


@pytest.mark.parametrize(('value', 'text'), [
    (0, '0'), (0.25, '0.25'), (1500, '1.5k'), (2e6, '2M'), (3e9, '3G'), (0.0005, '0.0005'),
    (3.4e-7, '3.4e-7'), (-1500, '-1.5k'),
])
def test_short_numbers(value, text):
    assert short(value) == text
