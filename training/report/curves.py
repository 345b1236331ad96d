# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Curves of what a run logged, as SVG text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

WIDTH_PX, HEIGHT_PX = 340, 178
_LEFT_PX, _RIGHT_PX, _TOP_PX, _BOTTOM_PX = 46, 8, 8, 24
_PLOT_WIDE_PX = WIDTH_PX - _LEFT_PX - _RIGHT_PX
_PLOT_TALL_PX = HEIGHT_PX - _TOP_PX - _BOTTOM_PX
MAX_POINTS = 160


def curve_svg(x: Values, y: Values, title: str) -> str:
    """Values over steps; NaN are left out. A long line is drawn as the mean of neighbouring
    points, with a band from their least to their greatest behind.

    The top leaves out rare peaks, so that the beginning of a run does not flatten the rest.
    """
    x, low, mean, high = _binned(x, y)
    if not x.size:
        return '<p class="mute">nothing was logged</p>'
    ticks = nice_ticks(min(0.0, float(low.min())), _top(mean, high), 4)
    axes = _Axes(first=float(x[0]), last=max(float(x[-1]), float(x[0]) + 1e-9), low=ticks[0],
                 high=ticks[-1])
    # A nested drawing cuts off what lies outside of it.
    plot = (f'<svg x="{_LEFT_PX}" y="{_TOP_PX}" width="{_PLOT_WIDE_PX}" '
            f'height="{_PLOT_TALL_PX}">{_drawn(axes, x, low, mean, high)}</svg>')
    return (f'<svg class="curve" viewBox="0 0 {WIDTH_PX} {HEIGHT_PX}" role="img" '
            'xmlns="http://www.w3.org/2000/svg" font-size="11" fill="currentColor">'
            f'<title>{escape(title)}</title>{"".join(_grid(axes, ticks))}{plot}</svg>')


def nice_ticks(low: float, high: float, wanted: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten that enclose ``low`` to ``high``."""
    span = max(high - low, 1e-12 * max(abs(low), abs(high), 1.0))
    raw = span / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    begin, end = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * i for i in range(begin, max(end, begin + 1) + 1)]


def short(value: float) -> str:
    """A tick's number: 1500 is '1.5k'."""
    if value == 0:
        return '0'
    for limit, letter in ((1e9, 'G'), (1e6, 'M'), (1e3, 'k')):
        if abs(value) >= limit:
            return f'{value / limit:.4g}{letter}'
    return f'{value:.3g}' if abs(value) >= 1e-4 else f'{value:.1e}'.replace('e-0', 'e-')


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axes:
    first: float
    last: float
    low: float
    high: float

    def x(self, step: float) -> float:
        return _PLOT_WIDE_PX * (step - self.first) / (self.last - self.first)

    def y(self, value: float) -> float:
        return _PLOT_TALL_PX * (1 - (value - self.low) / (self.high - self.low))


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
    return greatest if greatest <= 2 * usual or usual <= 0 else 1.25 * usual


def _grid(axes: _Axes, ticks: Sequence[float]) -> list[str]:
    parts = []
    for tick in ticks:
        y = _TOP_PX + axes.y(tick)
        parts.append(f'<line x1="{_LEFT_PX}" x2="{WIDTH_PX - _RIGHT_PX}" y1="{y:.1f}" '
                     f'y2="{y:.1f}" stroke="currentColor" opacity="0.13"/>')
        parts.append(f'<text x="{_LEFT_PX - 6}" y="{y + 3.5:.1f}" text-anchor="end" '
                     f'opacity="0.75">{short(tick)}</text>')
    for tick in nice_ticks(axes.first, axes.last, 4):
        if axes.first <= tick <= axes.last:
            x = _LEFT_PX + axes.x(tick)
            anchor = 'end' if x > WIDTH_PX - 24 else 'middle'
            parts.append(f'<text x="{x:.1f}" y="{HEIGHT_PX - 8}" text-anchor="{anchor}" '
                         f'opacity="0.75">{short(tick)}</text>')
    return parts


def _drawn(axes: _Axes, x: Values, low: Values, mean: Values, high: Values) -> str:
    def path(values: Values) -> list[str]:
        return [f'{axes.x(a):.1f},{axes.y(b):.1f}' for a, b in zip(x, values, strict=True)]

    return (f'<polygon class="band" points="{" ".join(path(high) + path(low)[::-1])}"/>'
            f'<polyline class="line" points="{" ".join(path(mean))}"/>')
