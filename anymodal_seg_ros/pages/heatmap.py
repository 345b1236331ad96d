# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Heat maps of scores, the value written in each cell: for pages and as PNG. Layer: pages."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from anymodal_seg_ros.pages.colors import color_of, scale_limits, text_on
from anymodal_seg_ros.pages.drawing import INK, Drawing, drawing
from anymodal_seg_ros.pages.grid import Grid
from anymodal_seg_ros.pages.libraries import load_library
from anymodal_seg_ros.unfinished import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_UNIT = 'mIoU in percent'
_CELL_TALL_PX, _SUMMARY_GAP_PX, _TITLE_PX, _LEGEND_PX, _MARGIN_PX = 30, 10, 34, 240, 20
_CHAR_PX, _WANTED_WIDTH_PX = 7.5, 1000


def heatmap_svg(grid: Grid, *, limits: tuple[float, float] | None = None,
                unit: str = _UNIT) -> str:
    """The heat map as an SVG element of a page.

    Args:
        grid: what to draw.
        limits: values of the two ends of the colour scale; None rounds the values' own.
        unit: written at the colour scale.
    """
    with _drawn(grid, '', limits, unit) as chart:
        return chart.svg(unit)


def heatmap_png(path: Path, grid: Grid, *, title: str = '',
                limits: tuple[float, float] | None = None, unit: str = _UNIT) -> None:
    """Write the heat map as a PNG on white, at twice the size of the SVG.

    Raises:
        WriteError: the file cannot be written.
    """
    with _drawn(grid, title, limits, unit) as chart:
        picture = chart.png(margin_px=_MARGIN_PX)
    write_whole(path, picture)


@contextmanager
def _drawn(grid: Grid, title: str, limits: tuple[float, float] | None,
           unit: str) -> Generator[Drawing, None, None]:
    low, high = limits or scale_limits(grid.values.ravel().tolist())
    names = grid.sensors or (max(grid.rows, key=len, default=''),)
    name_wide = [round(_CHAR_PX * max(len(name), 3)) + 12 for name in names]
    left, num_columns = sum(name_wide) + 12, max(len(grid.columns), 1)
    needed = round(_CHAR_PX * max(map(len, grid.columns), default=1)) + 14
    wide = max(needed, min(max((_WANTED_WIDTH_PX - left) // num_columns, 56), 124))
    first_summary = len(grid.rows) - grid.num_summary_rows
    row_y = [_CELL_TALL_PX * (i + 1) + (i >= first_summary) * _SUMMARY_GAP_PX
             for i in range(len(grid.rows))]
    legend_y = max(row_y, default=0) + _CELL_TALL_PX + 14
    top = _TITLE_PX if title else 0
    with drawing(left + max(wide * num_columns, _LEGEND_PX + 40), top + legend_y + 32) as chart:
        axes = chart.canvas(0, top)
        chart.text(axes, 0, 10 - top, title, align='left', size_px=15)
        sensor_x = [sum(name_wide[:i]) + name_wide[i] / 2 for i in range(len(grid.sensors))]
        for name, x in zip(grid.sensors, sensor_x, strict=True):
            chart.text(axes, x, 14, name)
        for i, name in enumerate(grid.columns):
            chart.text(axes, left + (i + 0.5) * wide, 14, name)
        for row, y in enumerate(row_y):
            subset = grid.subset_of(row)
            if subset is None:
                chart.text(axes, left - 12, y + 14, grid.rows[row], align='right', bold=True)
            for sensor, x in zip(grid.sensors if subset else (), sensor_x, strict=False):
                _dot(chart, axes, (x, y + 14), sensor, works=sensor in (subset or ()))
            for i, (name, value) in enumerate(zip(grid.columns, grid.values[row], strict=True)):
                tip = f'{grid.rows[row].replace("+", " + ")}, {name}: {_shown(value, 2)}'
                _cell(chart, axes, (left + i * wide, y, wide - 2, _CELL_TALL_PX - 2),
                      _shown(value, 1), color_of(value, low, high), tip)
        for i in range(60):
            axes.bar(left + i * 4, 10, 4.4, legend_y, align='edge', clip_on=False,
                     color=color_of(i / 59, 0.0, 1.0))
        for share in (0.0, 0.5, 1.0):
            chart.text(axes, left + share * _LEGEND_PX, legend_y + 20,
                       f'{low + share * (high - low):g}', size_px=12)
        chart.text(axes, left - 12, legend_y + 5, unit.split(' ')[0], align='right', size_px=12)
        yield chart


def _dot(chart: Drawing, axes: Axes, middle: tuple[float, float], sensor: str, *,
         works: bool) -> None:
    dot = load_library('matplotlib.patches').Circle(
        middle, 6.5, edgecolor=INK, linewidth=1.5, clip_on=False,
        facecolor=INK if works else 'none', alpha=1 if works else 0.35)
    chart.tip(axes.add_patch(dot), f'{sensor} {"works" if works else "is missing"}')


def _cell(chart: Drawing, axes: Axes, place: tuple[float, float, float, float], text: str,
          color: str, tip: str) -> None:
    """A box with rounded corners and a number in it."""
    (x, y, wide, tall), rim = place, 3
    box = load_library('matplotlib.patches').FancyBboxPatch(
        (x + rim, y + rim), wide - 2 * rim, tall - 2 * rim, facecolor=color, linewidth=0,
        boxstyle=f'round,pad={rim}', clip_on=False)
    chart.tip(axes.add_patch(box), tip)
    chart.tip(chart.text(axes, x + wide / 2, y + tall / 2, text, color=text_on(color)), tip)


def _shown(value: float, digits: int) -> str:
    return f'{value:.{digits}f}' if math.isfinite(value) else '–'
