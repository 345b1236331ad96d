# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Heat maps of scores, the value written in each cell: for pages and as PNG. Layer: pages."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from anymodal_seg_ros.pages.colors import color_of, scale_limits, text_on
from anymodal_seg_ros.pages.drawing import INK, Drawing, drawing, printable
from anymodal_seg_ros.pages.grid import Grid
from anymodal_seg_ros.pages.libraries import load_library
from anymodal_seg_ros.unfinished import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

UNIT = 'mIoU in percent'
_CELL_TALL_PX, _SUMMARY_GAP_PX, _HEAD_PX, _FOOT_PX, _LEGEND_PX = 30, 10, 30, 46, 240
_CHAR_PX, _WANTED_WIDTH_PX = 7.5, 1000
_MARGIN_PX, _TITLE_PX = 20, 34


def heatmap_svg(grid: Grid, *, limits: tuple[float, float] | None = None, unit: str = UNIT) -> str:
    """The heat map as an SVG element of a page.

    Args:
        grid: what to draw.
        limits: values of the two ends of the colour scale; None rounds the values' own.
        unit: written at the colour scale.
    """
    at = _Layout(grid)
    with drawing(at.width, at.height) as chart:
        _draw(chart, 0, 0, grid, at, limits, unit)
        return chart.svg(unit)


def heatmap_png(path: Path, grid: Grid, *, title: str = '',
                limits: tuple[float, float] | None = None, unit: str = UNIT) -> None:
    """Write the heat map as a PNG on white, at twice the size of the SVG.

    Raises:
        WriteError: the file cannot be written.
    """
    at = _Layout(grid)
    top = _MARGIN_PX + (_TITLE_PX if title else 0)
    with drawing(at.width + 2 * _MARGIN_PX, at.height + top) as chart:
        chart.figure.text(_MARGIN_PX / (at.width + 2 * _MARGIN_PX), 1 - 26 / (at.height + top),
                          printable(title), fontsize=15, va='center')
        _draw(chart, _MARGIN_PX, top, grid, at, limits, unit)
        picture = chart.png()
    write_whole(path, picture)


class _Layout:
    """Where things are, in pixels."""

    def __init__(self, grid: Grid) -> None:
        names = grid.sensors or (max(grid.rows, key=len, default=''),)
        widths = [round(_CHAR_PX * max(len(name), 3)) + 12 for name in names]
        self.left = sum(widths) + 12
        self.sensor_x = [sum(widths[:i]) + wide / 2 for i, wide in enumerate(widths)]
        num_columns = max(len(grid.columns), 1)
        needed = round(_CHAR_PX * max(map(len, grid.columns), default=1)) + 14
        stretched = (_WANTED_WIDTH_PX - self.left) // num_columns
        self.cell_wide = max(needed, min(max(stretched, 56), 124))
        self.cell_x = [self.left + i * self.cell_wide for i in range(len(grid.columns))]
        first_summary = len(grid.rows) - grid.num_summary_rows
        self.row_y = [_HEAD_PX + i * _CELL_TALL_PX + (i >= first_summary) * _SUMMARY_GAP_PX
                      for i in range(len(grid.rows))]
        self.width = self.left + max(self.cell_wide * num_columns, _LEGEND_PX + 40)
        self.legend_y = max(self.row_y, default=0) + _CELL_TALL_PX + 14
        self.height = self.legend_y + 32


def _draw(chart: Drawing, left: int, top: int, grid: Grid, at: _Layout,
          limits: tuple[float, float] | None, unit: str) -> None:
    low, high = limits or scale_limits(grid.values.ravel().tolist())
    axes = chart.axes(left, left, top, 0)
    axes.set(xlim=(0, at.width), ylim=(at.height, 0))
    axes.set_axis_off()
    for name, x in zip(grid.sensors, at.sensor_x, strict=False):
        chart.text(axes, x, 14, name)
    for name, x in zip(grid.columns, at.cell_x, strict=True):
        chart.text(axes, x + at.cell_wide / 2, 14, name)
    for row in range(len(grid.rows)):
        _draw_name(chart, axes, grid, at, row)
        for column, x in zip(range(len(grid.columns)), at.cell_x, strict=True):
            _draw_cell(chart, axes, grid, (row, column), (x, at.row_y[row]), at.cell_wide,
                       (low, high))
    for step in (i / 59 for i in range(60)):
        axes.bar(at.left + step * 236, 10, 4.4, at.legend_y, align='edge', clip_on=False,
                 color=color_of(step, 0.0, 1.0))
    for share in (0.0, 0.5, 1.0):
        chart.text(axes, at.left + share * _LEGEND_PX, at.legend_y + 20,
                   f'{low + share * (high - low):g}', size_px=12)
    chart.text(axes, at.left - 12, at.legend_y + 5, unit.split(' ')[0], align='right', size_px=12)


def _draw_name(chart: Drawing, axes: Axes, grid: Grid, at: _Layout, row: int) -> None:
    """The row's name, or a dot for each sensor."""
    y = at.row_y[row] + 14
    subset = grid.subset_of(row)
    if subset is None:
        chart.text(axes, at.left - 12, y, grid.rows[row], align='right', bold=True)
        return
    circle = load_library('matplotlib.patches').Circle
    for sensor, x in zip(grid.sensors, at.sensor_x, strict=True):
        works = sensor in subset
        dot = axes.add_patch(circle(
            (x, y), 6.5, edgecolor=INK, linewidth=1.5, clip_on=False,
            facecolor=INK if works else 'none', alpha=1 if works else 0.35))
        chart.tip(dot, f'{sensor} {"works" if works else "is missing"}')


def _draw_cell(chart: Drawing, axes: Axes, grid: Grid, place: tuple[int, int],
               corner: tuple[float, float], wide: int, limits: tuple[float, float]) -> None:
    row, column = place
    value = float(grid.values[row, column])
    color = color_of(value, *limits)
    (x, y), pad = corner, 3
    # Two pixels are left between cells; the box grows by its rounded rim.
    box = load_library('matplotlib.patches').FancyBboxPatch(
        (x + pad, y + pad), wide - 2 - 2 * pad, _CELL_TALL_PX - 2 - 2 * pad, facecolor=color,
        linewidth=0, boxstyle=f'round,pad={pad}', clip_on=False)
    number = chart.text(axes, x + wide / 2 - 1, y + 14, _shown(value, 1), color=text_on(color))
    tip = f'{grid.rows[row].replace("+", " + ")}, {grid.columns[column]}: {_shown(value, 2)}'
    chart.tip(axes.add_patch(box), tip)
    chart.tip(number, tip)


def _shown(value: float, digits: int) -> str:
    return f'{value:.{digits}f}' if math.isfinite(value) else '–'
