# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The report's charts as SVG text. Layer: demo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

STATE_COLORS: Mapping[str, str] = {
    'waiting': '#c9ced6',
    'ok': '#3fa66b',
    'degraded': '#e8a33d',
    'lost': '#cf4747',
    'probation': '#5b8fd6',
    'disabled': '#8a8f98',
}
WIDTH_PX = 1000
_LEFT_PX, _RIGHT_PX = 70, 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A stretch of time in one colour, with a text that shows when pointed at."""

    start_s: float
    end_s: float
    color: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a timeline: what was true above, what was reported below."""

    name: str
    truth: Sequence[Bar]
    reported: Sequence[Bar]


def timeline(rows: Sequence[Row], duration_s: float) -> str:
    """Rows of coloured bars over a common axis of seconds."""
    row_px = 44
    height = row_px * len(rows) + 30
    parts = []
    for i, row in enumerate(rows):
        top = i * row_px + 6
        parts.append(_text(8, top + 22, row.name, 'font-weight="600"'))
        for bars, y, tall in ((row.truth, top, 8), (row.reported, top + 10, 22)):
            parts += [_bar(bar, duration_s, y, tall) for bar in bars]
    return _svg(height, parts + _axis(duration_s, row_px * len(rows) + 6))


def line(points: Sequence[tuple[float, float]], duration_s: float, top: float, unit: str,
         shaded: Sequence[tuple[float, float]] = ()) -> str:
    """Values over seconds, with shaded spans behind."""
    plot_px = 150
    parts = [f'<rect x="{_x(a, duration_s):.1f}" y="5" width="{_w(b - a, duration_s):.1f}" '
             f'height="{plot_px}" fill="#cf4747" opacity="0.10"/>' for a, b in shaded]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = 5 + plot_px * (1 - share)
        parts.append(f'<line x1="{_LEFT_PX}" x2="{WIDTH_PX - _RIGHT_PX}" y1="{y}" y2="{y}" '
                     'stroke="currentColor" opacity="0.15"/>')
        parts.append(_text(_LEFT_PX - 6, y + 4, f'{top * share:g}{unit}', 'text-anchor="end"'))
    path = ' '.join(f'{_x(t, duration_s):.1f},{5 + plot_px * (1 - v / top):.1f}'
                    for t, v in points if not np.isnan(v))
    parts.append(f'<polyline points="{path}" fill="none" stroke="#2f6fd0" stroke-width="2"/>')
    return _svg(plot_px + 35, parts + _axis(duration_s, plot_px + 8))


def histogram(values: Sequence[float], unit: str, num_bins: int = 40) -> str:
    """How often values occur, from 0 to their greatest."""
    plot_px = 130
    finite = [value for value in values if not np.isnan(value)]
    counts, edges = np.histogram(finite, num_bins, (0.0, max(finite, default=1.0)))
    wide = (WIDTH_PX - _LEFT_PX - _RIGHT_PX) / num_bins
    parts = []
    for i, count in enumerate(counts):
        tall = plot_px * count / max(int(counts.max()), 1)
        title = escape(f'{edges[i]:.0f} to {edges[i + 1]:.0f} {unit}: {count}')
        parts.append(f'<rect x="{_LEFT_PX + i * wide:.1f}" y="{5 + plot_px - tall:.1f}" '
                     f'width="{wide - 1:.1f}" height="{tall:.1f}" fill="#2f6fd0">'
                     f'<title>{title}</title></rect>')
    for i in range(0, num_bins + 1, 8):
        anchor = 'end' if i == num_bins else 'middle'
        parts.append(_text(_LEFT_PX + i * wide, plot_px + 22, f'{edges[i]:.0f} {unit}',
                           f'text-anchor="{anchor}"'))
    return _svg(plot_px + 30, parts)


def _bar(bar: Bar, duration_s: float, y_px: float, tall_px: float) -> str:
    return (f'<rect x="{_x(bar.start_s, duration_s):.1f}" y="{y_px}" '
            f'width="{max(_w(bar.end_s - bar.start_s, duration_s), 1):.1f}" height="{tall_px}" '
            f'fill="{bar.color}"><title>{escape(bar.title)}</title></rect>')


def _axis(duration_s: float, y_px: float) -> list[str]:
    step = 1 if duration_s <= 15 else 5
    return [_text(_x(t, duration_s), y_px + 14, f'{t} s', 'text-anchor="middle"')
            for t in range(0, int(duration_s) + 1, step)]


def _x(time_s: float, duration_s: float) -> float:
    return _LEFT_PX + _w(time_s, duration_s)


def _w(span_s: float, duration_s: float) -> float:
    return span_s / duration_s * (WIDTH_PX - _LEFT_PX - _RIGHT_PX)


def _text(x_px: float, y_px: float, text: str, more: str = '') -> str:
    return f'<text x="{x_px:.1f}" y="{y_px:.1f}" {more}>{escape(text)}</text>'


def _svg(height_px: float, parts: Sequence[str]) -> str:
    return (f'<svg viewBox="0 0 {WIDTH_PX} {height_px:.0f}" xmlns="http://www.w3.org/2000/svg" '
            f'font-size="12" fill="currentColor">{"".join(parts)}</svg>')
