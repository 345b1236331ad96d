# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Heat maps: every value in its cell and colour, as SVG and as PNG."""

import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np
import pytest

from anymodal_seg_ros.errors import WriteError
from training.report import Grid, heatmap_png, heatmap_svg, subset_grid
from training.report.colors import NOT_MEASURED, color_of, css

SVG = '{http://www.w3.org/2000/svg}'
GRID = subset_grid({('rgb', 'lidar'): {'all': 71.26, 'fog & rain': 60.0},
                    ('rgb',): {'all': 51.0}, ('lidar',): {'all': 40.0, 'fog & rain': 35.04}},
                   ['all', 'fog & rain'], ('rgb', 'lidar'))


def parsed(grid, **settings):
    return ElementTree.fromstring(heatmap_svg(grid, **settings))


def test_every_value_is_written_in_its_colour():
    cells = parsed(GRID, limits=(20, 80)).findall(f'{SVG}g')
    written = [(cell.find(f'{SVG}text').text, cell.find(f'{SVG}rect').get('fill'))
               for cell in cells]
    expected = [('–' if np.isnan(v) else f'{v:.1f}', css(color_of(v, 20, 80)))
                for v in GRID.values.ravel()]
    assert written == expected
    assert [cell.find(f'{SVG}title').text for cell in cells][:2] == [
        'rgb + lidar, all: 71.26', 'rgb + lidar, fog & rain: 60.00']


def test_dots_are_filled_where_a_sensor_works():
    dots = parsed(GRID).findall(f'{SVG}circle')
    assert [dot.get('fill') != 'none' for dot in dots] == [True, True, True, False, False, True]


def test_cells_do_not_overlap_and_lie_inside():
    svg = parsed(GRID)
    boxes = [tuple(float(rect.get(key)) for key in ('x', 'y', 'width', 'height'))
             for rect in svg.iter(f'{SVG}rect') if rect.get('rx')]
    assert len(boxes) == GRID.values.size
    for i, (x, y, wide, tall) in enumerate(boxes):
        assert x >= 0 and x + wide <= float(svg.get('width'))
        assert y >= 0 and y + tall <= float(svg.get('height'))
        for x2, y2, wide2, tall2 in boxes[:i]:
            assert x2 + wide2 <= x or x + wide <= x2 or y2 + tall2 <= y or y + tall <= y2


def test_names_are_text_where_there_are_no_sensors():
    svg = parsed(Grid(rows=('a<b',), columns=('x',), values=np.array([[1.0]])))
    assert 'a<b' in [text.text for text in svg.iter(f'{SVG}text')]
    assert not svg.findall(f'{SVG}circle')


def test_png_shows_the_same_colours(tmp_path):
    heatmap_png(tmp_path / 'new' / 'map.png', GRID, title='run', limits=(20, 80))
    image = cv2.imread(str(tmp_path / 'new' / 'map.png'))[:, :, ::-1]
    seen = {tuple(color) for color in image.reshape(-1, 3).tolist()}
    assert {color_of(v, 20, 80) for v in GRID.values.ravel()} <= seen
    assert NOT_MEASURED in seen


def test_no_rows_make_an_empty_map():
    assert parsed(Grid(rows=(), columns=(), values=np.zeros((0, 0)))).findall(f'{SVG}g') == []


def test_png_that_cannot_be_written(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(WriteError, match=r'cannot write .*map\.png'):
        heatmap_png(tmp_path / 'file' / 'map.png', GRID)
