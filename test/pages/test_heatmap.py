# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Heat maps: every value in its cell and colour, as SVG and as PNG."""

import re
import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np
import pytest

from anymodal_seg_ros.errors import WriteError
from anymodal_seg_ros.pages.colors import NOT_MEASURED, color_of, text_on
from anymodal_seg_ros.pages.grid import Grid, subset_grid
from anymodal_seg_ros.pages.heatmap import heatmap_png, heatmap_svg

SVG = '{http://www.w3.org/2000/svg}'
GRID = subset_grid({('rgb', 'lidar'): {'all': 71.26, 'fog & rain': 60.0},
                    ('rgb',): {'all': 51.0}, ('lidar',): {'all': 40.0, 'fog & rain': 35.04}},
                   ['all', 'fog & rain'], ('rgb', 'lidar'))


def parsed(grid, **settings):
    return ElementTree.fromstring(heatmap_svg(grid, **settings))


def tipped(svg, kind):
    """Texts that show when pointed at, each with the element that it belongs to."""
    found = [(group.find(f'{SVG}title'), group.find(f'{SVG}{kind}'))
             for group in svg.iter(f'{SVG}g')]
    return [(title.text, element) for title, element in found
            if title is not None and element is not None]


def cells_of(svg):
    return [(tip, path) for tip, path in tipped(svg, 'path') if ': ' in tip]


def corners(path):
    numbers = [float(v) for v in re.findall(r'-?[\d.]+', path.get('d'))]
    return min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])


def test_every_value_is_written_in_its_colour():
    svg = parsed(GRID, limits=(20, 80))
    numbers, cells = tipped(svg, 'text'), cells_of(svg)
    values = GRID.values.ravel()
    assert [text.text for _, text in numbers] == [
        '–' if np.isnan(v) else f'{v:.1f}' for v in values]
    for (_, text), (_, path), value in zip(numbers, cells, values, strict=True):
        color = color_of(value, 20, 80)
        assert f'fill: {color}' in path.get('style', '')
        # Black is what SVG fills with where nothing else is said.
        fill = re.search('fill: (#[0-9a-f]+)', text.get('style', ''))
        assert (fill[1] if fill else '#000000') == text_on(color)
        left, top, right, bottom = corners(path)
        assert left < float(text.get('x')) < right and top < float(text.get('y')) < bottom
    tips = [tip for tip, _ in cells]
    assert tips == [tip for tip, _ in numbers]
    assert tips[:2] == ['rgb + lidar, all: 71.26', 'rgb + lidar, fog & rain: 60.00']


def test_dots_are_filled_where_a_sensor_works():
    dots = [(tip, path) for tip, path in tipped(parsed(GRID), 'path') if ': ' not in tip]
    assert [tip for tip, _ in dots] == [
        'rgb works', 'lidar works', 'rgb works', 'lidar is missing', 'rgb is missing',
        'lidar works']
    assert all(('fill: none' in path.get('style', '')) == tip.endswith('missing')
               for tip, path in dots)


def test_cells_do_not_overlap_and_lie_inside():
    svg = parsed(GRID)
    boxes = [corners(path) for _, path in cells_of(svg)]
    assert len(boxes) == GRID.values.size
    for i, (left, top, right, bottom) in enumerate(boxes):
        assert 0 <= left < right <= float(svg.get('width'))
        assert 0 <= top < bottom <= float(svg.get('height'))
        for left2, top2, right2, bottom2 in boxes[:i]:
            assert right2 <= left or right <= left2 or bottom2 <= top or bottom <= top2


def test_names_are_text_where_there_are_no_sensors():
    svg = parsed(Grid(rows=('a<b',), columns=('x',), values=np.array([[1.0]])))
    assert 'a<b' in [text.text for text in svg.iter(f'{SVG}text')]
    assert [tip for tip, _ in tipped(svg, 'path')] == ['a<b, x: 1.00']


def test_png_shows_the_same_colours(tmp_path):
    heatmap_png(tmp_path / 'new' / 'map.png', GRID, title='run', limits=(20, 80))
    image = cv2.imread(str(tmp_path / 'new' / 'map.png'))[:, :, ::-1]
    seen = {f'#{red:02x}{green:02x}{blue:02x}' for red, green, blue in
            np.unique(image.reshape(-1, 3), axis=0).tolist()}
    assert {color_of(v, 20, 80) for v in GRID.values.ravel()} <= seen
    assert NOT_MEASURED in seen


def test_no_rows_make_an_empty_map():
    assert cells_of(parsed(Grid(rows=(), columns=(), values=np.zeros((0, 0))))) == []


def test_png_that_cannot_be_written(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(WriteError, match=r'cannot write .*map\.png'):
        heatmap_png(tmp_path / 'file' / 'map.png', GRID)
