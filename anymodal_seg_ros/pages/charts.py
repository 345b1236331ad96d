# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Curves, timelines and histograms as SVG elements. Layer: pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.pages.drawing import ACCENT, drawing, printable
from anymodal_seg_ros.pages.libraries import load_library

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Values = npt.NDArray[np.float64]

CURVE_PX, CHART_PX = (340, 178), (1000, 190)
"""Width and height: of one of many, and of one that has a page's width."""
MAX_POINTS = 160
_RIGHT_PX, _TOP_PX, _BOTTOM_PX = 12, 9, 28
_FAILING = '#cf4747'
_CHAR_PX = 7.5


def curve(x: Values, y: Values, title: str, *, size_px: tuple[int, int] = CURVE_PX,
          span: tuple[float, float] | None = None, limits: tuple[float, float] | None = None,
          units: tuple[str, str] = ('', ''), shaded: Sequence[tuple[float, float]] = ()) -> str:
    """A line; NaN are left out. A long one is drawn as the mean of neighbouring points, with a
    band from their least to their greatest behind.

    Args:
        x: positions that rise.
        y: a value for each.
        title: for those who cannot see it.
        size_px: width and height.
        span: of x; None shows all.
        limits: of y; None shows zero and all but rare peaks, so that the beginning of a run does
            not flatten the rest.
        units: written after the numbers of x and of y.
        shaded: stretches of x with a red ground.
    """
    x, low, mean, high = _binned(x, y)
    with drawing(*size_px) as chart:
        axes = chart.axes(_left_px(size_px[0]), _RIGHT_PX, _TOP_PX, _BOTTOM_PX)
        for begin, end in shaded:
            axes.axvspan(begin, end, color=_FAILING, alpha=0.12, linewidth=0)
        if x.size:
            axes.fill(np.concatenate([x, x[::-1]]), np.concatenate([high, low[::-1]]),
                      color=ACCENT, alpha=0.2, linewidth=0)
            # A single point has no length.
            axes.plot(x, mean, color=ACCENT, linewidth=1.8, marker='o' if x.size == 1 else '')
            axes.set_ylim(limits or (min(0.0, float(low.min())), _top(mean, high)))
        axes.margins(x=0)
        if span:
            axes.set_xlim(span)
        _round_ticks(axes, units)
        return chart.svg(title)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A stretch of time in one colour, with a text that shows when pointed at."""

    start_s: float
    end_s: float
    color: str
    tip: str
    text: str = ''
    """Written in the bar where there is room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a timeline: what was true above, what was reported below."""

    name: str
    truth: Sequence[Bar]
    reported: Sequence[Bar]


def timeline(rows: Sequence[Row], duration_s: float, title: str) -> str:
    """Rows of coloured bars over a common axis of seconds."""
    width_px, row_px = CHART_PX[0], 44
    with drawing(width_px, row_px * len(rows) + _BOTTOM_PX) as chart:
        axes = chart.axes(_left_px(width_px), _RIGHT_PX, 0, _BOTTOM_PX)
        px_per_s = (width_px - _left_px(width_px) - _RIGHT_PX) / duration_s
        for i, row in enumerate(rows):
            for bars, y, tall in ((row.truth, 8, 8), (row.reported, 27, 24)):
                for bar in bars:
                    [patch] = axes.barh(i + y / row_px, max(bar.end_s - bar.start_s, 1 / px_per_s),
                                        tall / row_px, left=bar.start_s, color=bar.color)
                    chart.tip(patch, bar.tip)
                    if len(bar.text) * _CHAR_PX < (bar.end_s - bar.start_s) * px_per_s:
                        text = chart.text(axes, (bar.start_s + bar.end_s) / 2, i + y / row_px,
                                          bar.text, color='#000000', size_px=11)
                        chart.tip(text, bar.tip)
        axes.set_yticks([i + 0.6 for i in range(len(rows))],
                        [printable(row.name) for row in rows], fontweight='bold')
        axes.set_xlim(0, duration_s)
        axes.set_ylim(len(rows), 0)
        axes.grid(visible=False)
        axes.xaxis.set_major_formatter('{x:g} s')
        return chart.svg(title)


def histogram(values: Sequence[float], unit: str, title: str, num_bins: int = 40) -> str:
    """How often values occur, from 0 to their greatest; NaN are left out."""
    finite = [value for value in values if not np.isnan(value)]
    counts, edges = np.histogram(finite, num_bins, (0.0, max(finite, default=1.0)))
    with drawing(*CHART_PX) as chart:
        axes = chart.axes(_left_px(CHART_PX[0]), _RIGHT_PX, _TOP_PX, _BOTTOM_PX)
        for count, low, high in zip(counts, edges, edges[1:], strict=False):
            [patch] = axes.bar(low, count, (high - low) * 0.94, align='edge', color=ACCENT)
            chart.tip(patch, f'{low:.0f} to {high:.0f} {unit}: {count}')
        axes.set_ylim(0, max(int(counts.max()), 1))
        axes.margins(x=0)
        _round_ticks(axes, (f' {unit}', ''))
        return chart.svg(title)


def short(value: float) -> str:
    """A number on an axis: 1500 is '1.5k'."""
    if value == 0:
        return '0'
    for limit, letter in ((1e9, 'G'), (1e6, 'M'), (1e3, 'k')):
        if abs(value) >= limit:
            return f'{value / limit:.4g}{letter}'
    return f'{value:.3g}' if abs(value) >= 1e-4 else f'{value:.1e}'.replace('e-0', 'e-')


def _left_px(width_px: int) -> float:
    """Alike in all charts of a page's width, so that their times stand above each other."""
    return max(52.0, 0.07 * width_px)


def _round_ticks(axes: Axes, units: tuple[str, str]) -> None:
    """Numbers with their units, and limits of y that are numbers."""
    ticker = load_library('matplotlib.ticker')
    locator = ticker.MaxNLocator(4, steps=[1, 2, 2.5, 5, 10])
    axes.set_yticks(locator.tick_values(*axes.get_ylim()))
    for axis, unit in zip((axes.xaxis, axes.yaxis), units, strict=True):
        axis.set_major_formatter(partial(_with_unit, unit))


def _with_unit(unit: str, value: float, _: int | None) -> str:
    return short(value) + unit


def _binned(x: Values, y: Values) -> tuple[Values, Values, Values, Values]:
    """Mean position, least, mean and greatest of each of at most ``MAX_POINTS`` neighbourhoods."""
    is_known = np.isfinite(x) & np.isfinite(y)
    x, y = x[is_known], y[is_known]
    bounds = np.unique(np.linspace(0, len(x), min(len(x), MAX_POINTS) + 1).astype(int))
    starts = bounds[:-1]
    if not starts.size:
        return x, y, y, y
    sizes = np.diff(bounds)
    return (np.add.reduceat(x, starts) / sizes, np.minimum.reduceat(y, starts),
            np.add.reduceat(y, starts) / sizes, np.maximum.reduceat(y, starts))


def _top(mean: Values, high: Values) -> float:
    greatest, usual = float(high.max()), float(np.quantile(mean, 0.97))
    # Without a height there is nothing to draw the axis to.
    return (greatest or 1.0) if greatest <= 2 * usual or usual <= 0 else 1.25 * usual
