# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Heat maps of scores as SVG text and as PNG files, with the value written in each cell."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.unfinished import write_whole
from training.report.colors import Color, color_of, css, scale_limits, text_on
from training.report.grid import Grid

_CELL_TALL_PX, _GAP_PX, _SUMMARY_GAP_PX = 30, 2, 10
_HEAD_PX, _FOOT_PX, _LEGEND_PX = 30, 46, 240
_CHAR_PX = 7.2
_WANTED_WIDTH_PX = 1000
_DOT_PX = 6.5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Where things are, in pixels."""

    name_wide: tuple[int, ...]
    """Widths of the columns left of the cells: one for each sensor, or one for all names."""
    cell_wide: int
    width: int
    height: int
    low: float
    high: float

    @property
    def left(self) -> int:
        return sum(self.name_wide) + 12

    def name_x(self, column: int) -> float:
        return sum(self.name_wide[:column]) + self.name_wide[column] / 2

    def cell_x(self, column: int) -> int:
        return self.left + column * self.cell_wide


def _layout(grid: Grid, limits: tuple[float, float] | None) -> _Layout:
    if grid.sensors:
        name_wide = tuple(round(_CHAR_PX * max(len(name), 3)) + 12 for name in grid.sensors)
    else:
        name_wide = (round(_CHAR_PX * max(map(len, grid.rows), default=1)) + 8,)
    left = sum(name_wide) + 12
    needed = round(_CHAR_PX * max((len(name) for name in grid.columns), default=1)) + 14
    stretched = (_WANTED_WIDTH_PX - left) // max(len(grid.columns), 1)
    cell_wide = max(needed, min(max(stretched, 56), 124))
    low, high = limits or scale_limits(grid.values.ravel().tolist())
    height = _row_y(grid, len(grid.rows)) + _FOOT_PX
    return _Layout(name_wide=name_wide, cell_wide=cell_wide, height=height, low=low, high=high,
                   width=max(left + cell_wide * len(grid.columns), left + _LEGEND_PX + 40))


def _row_y(grid: Grid, row: int) -> int:
    is_apart = row >= len(grid.rows) - grid.num_summary_rows and grid.num_summary_rows > 0
    return _HEAD_PX + row * _CELL_TALL_PX + is_apart * _SUMMARY_GAP_PX


def heatmap_svg(grid: Grid, *, limits: tuple[float, float] | None = None,
                unit: str = 'mIoU in percent') -> str:
    """The heat map as an SVG element that takes its text colour from the page around it.

    Args:
        grid: what to draw.
        limits: values of the two ends of the colour scale; None rounds the values' own.
        unit: written at the colour scale.
    """
    at = _layout(grid, limits)
    parts = [_text(at.name_x(i), 18, name, 'text-anchor="middle"')
             for i, name in enumerate(grid.sensors)]
    parts += [_text(at.cell_x(i) + at.cell_wide / 2, 18, name, 'text-anchor="middle"')
              for i, name in enumerate(grid.columns)]
    for row in range(len(grid.rows)):
        parts += _svg_name(grid, at, row)
        parts += [_svg_cell(grid, at, row, column) for column in range(len(grid.columns))]
    parts += _svg_legend(at, unit)
    return (f'<svg viewBox="0 0 {at.width} {at.height}" width="{at.width}" height="{at.height}" '
            'xmlns="http://www.w3.org/2000/svg" role="img" font-size="13" '
            'font-family="system-ui, sans-serif" fill="currentColor">'
            f'<title>{escape(unit)}</title>{"".join(parts)}</svg>')


def _svg_name(grid: Grid, at: _Layout, row: int) -> Iterator[str]:
    y = _row_y(grid, row) + _CELL_TALL_PX / 2
    subset = grid.subset_of(row)
    if subset is None:
        yield _text(at.left - 12, y + 4.5, grid.rows[row], 'text-anchor="end" font-weight="600"')
        return
    for i, sensor in enumerate(grid.sensors):
        look = ('fill="currentColor"' if sensor in subset
                else 'fill="none" stroke="currentColor" stroke-width="1.5" opacity="0.35"')
        yield f'<circle cx="{at.name_x(i):.1f}" cy="{y:.1f}" r="{_DOT_PX}" {look}/>'


def _svg_cell(grid: Grid, at: _Layout, row: int, column: int) -> str:
    value = float(grid.values[row, column])
    color = color_of(value, at.low, at.high)
    x, y = at.cell_x(column), _row_y(grid, row)
    tip = f'{grid.rows[row].replace("+", " + ")}, {grid.columns[column]}: {_shown(value, 2)}'
    number = _text(x + (at.cell_wide - _GAP_PX) / 2, y + _CELL_TALL_PX / 2 + 4,
                   _shown(value, 1), f'text-anchor="middle" fill="{css(text_on(color))}"')
    return (f'<g><title>{escape(tip)}</title><rect x="{x}" y="{y}" rx="3" '
            f'width="{at.cell_wide - _GAP_PX}" height="{_CELL_TALL_PX - _GAP_PX}" '
            f'fill="{css(color)}"/>{number}</g>')


def _svg_legend(at: _Layout, unit: str) -> Iterator[str]:
    y, num_steps = at.height - 32, 60
    wide = _LEGEND_PX / num_steps
    for i in range(num_steps):
        color = css(color_of(i / (num_steps - 1), 0.0, 1.0))
        yield (f'<rect x="{at.left + i * wide:.1f}" y="{y}" width="{wide + 0.4:.1f}" height="10" '
               f'fill="{color}"/>')
    middle = (at.low + at.high) / 2
    for share, value, anchor in ((0, at.low, 'start'), (0.5, middle, 'middle'),
                                 (1, at.high, 'end')):
        yield _text(at.left + share * _LEGEND_PX, y + 25, f'{value:g}',
                    f'text-anchor="{anchor}" font-size="12"')
    yield _text(at.left - 12, y + 10, unit.split(' ')[0], 'text-anchor="end" font-size="12"')


def _text(x: float, y: float, text: str, more: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(text)}</text>'


def _shown(value: float, digits: int) -> str:
    return f'{value:.{digits}f}' if math.isfinite(value) else '–'


def heatmap_png(path: Path, grid: Grid, *, title: str = '',
                limits: tuple[float, float] | None = None,
                unit: str = 'mIoU in percent') -> None:
    """Write the heat map as a PNG on white, at twice the size of the SVG.

    Raises:
        WriteError: the file cannot be written.
    """
    at = _layout(grid, limits)
    canvas = _Canvas(at.width + 40, at.height + 20 + (34 if title else 0), 20,
                     20 + (34 if title else 0))
    if title:
        canvas.text(0, -26, title, (20, 20, 20), size=0.62, anchor='start')
    for i, sensor in enumerate(grid.sensors):
        canvas.text(at.name_x(i), 14, sensor, (60, 60, 60))
    for i, column in enumerate(grid.columns):
        canvas.text(at.cell_x(i) + at.cell_wide / 2, 14, column, (60, 60, 60))
    for row in range(len(grid.rows)):
        _paint_row(canvas, grid, at, row)
    y = at.height - 32
    for i in range(_LEGEND_PX):
        canvas.box(at.left + i, y, 1, 10, color_of(i / (_LEGEND_PX - 1), 0.0, 1.0))
    for share, value in ((0.0, at.low), (0.5, (at.low + at.high) / 2), (1.0, at.high)):
        canvas.text(at.left + share * _LEGEND_PX, y + 20, f'{value:g}', (60, 60, 60))
    canvas.text(at.left - 12, y + 5, unit.split(' ')[0], (60, 60, 60), anchor='end')
    encoded = cv2.imencode('.png', canvas.image)[1]
    write_whole(path, encoded.tobytes())


def _paint_row(canvas: _Canvas, grid: Grid, at: _Layout, row: int) -> None:
    y = _row_y(grid, row)
    subset = grid.subset_of(row)
    middle = y + (_CELL_TALL_PX - _GAP_PX) / 2
    if subset is None:
        canvas.text(at.left - 12, middle, grid.rows[row], (20, 20, 20), anchor='end')
    for i, sensor in enumerate(grid.sensors if subset is not None else ()):
        canvas.dot(at.name_x(i), middle, is_filled=sensor in (subset or ()))
    for column in range(len(grid.columns)):
        value = float(grid.values[row, column])
        color = color_of(value, at.low, at.high)
        canvas.box(at.cell_x(column), y, at.cell_wide - _GAP_PX, _CELL_TALL_PX - _GAP_PX, color)
        canvas.text(at.cell_x(column) + (at.cell_wide - _GAP_PX) / 2, middle,
                    _shown(value, 1).replace('–', '-'), text_on(color))


class _Canvas:
    """A white picture, blue first, painted in units of half its pixels."""

    def __init__(self, width: int, height: int, left: int, top: int) -> None:
        self.image: npt.NDArray[np.uint8] = np.full((2 * height, 2 * width, 3), 255, np.uint8)
        self._left, self._top = left, top

    def _at(self, x: float, y: float) -> tuple[int, int]:
        return round(2 * (x + self._left)), round(2 * (y + self._top))

    def box(self, x: float, y: float, wide: float, tall: float, color: Color) -> None:
        x1, y1 = self._at(x, y)
        x2, y2 = self._at(x + wide, y + tall)
        self.image[y1:y2, x1:x2] = color[::-1]

    def dot(self, x: float, y: float, *, is_filled: bool) -> None:
        color = (50, 50, 50) if is_filled else (190, 190, 190)
        cv2.circle(self.image, self._at(x, y), round(2 * _DOT_PX), color,
                   -1 if is_filled else 2, cv2.LINE_AA)

    def text(self, x: float, y: float, text: str, color: Color, *, size: float = 0.46,
             anchor: str = 'middle') -> None:
        """Text whose middle line is at ``y``."""
        font, scale = cv2.FONT_HERSHEY_SIMPLEX, 2 * size
        (wide, tall), _ = cv2.getTextSize(text, font, scale, 2)
        x1, y1 = self._at(x, y)
        shift = {'start': 0, 'middle': wide // 2, 'end': wide}[anchor]
        cv2.putText(self.image, text, (x1 - shift, y1 + tall // 2), font, scale, color[::-1], 2,
                    cv2.LINE_AA)
