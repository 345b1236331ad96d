# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Score tables for papers."""

from __future__ import annotations

import math

import numpy as np

from anymodal_seg_ros.pages.grid import Grid

_SPECIAL = {'\\': r'\textbackslash{}', '&': r'\&', '%': r'\%', '$': r'\$', '#': r'\#',
            '_': r'\_', '{': r'\{', '}': r'\}', '~': r'\textasciitilde{}',
            '^': r'\textasciicircum{}', '<': r'\textless{}', '>': r'\textgreater{}'}
_PRESENT, _ABSENT, _NOT_MEASURED = r'$\bullet$', r'$\circ$', '--'


def latex_table(grid: Grid, *, caption: str = '', label: str = '', digits: int = 2,
                mark_best: bool = True) -> str:
    r"""A ``table`` environment with ``booktabs`` rules; the best of each column is bold.

    Args:
        grid: summary rows are set apart and take no part in the choice of the best.
        caption: plain text, escaped here.
        label: as in ``\ref{label}``; empty writes none.
        digits: after the point.
        mark_best: False leaves the best of a column as it is.
    """
    heads = [*(grid.sensors or ('',)), *grid.columns]
    first_summary = len(grid.rows) - grid.num_summary_rows
    lines = [r'\begin{table}', r'\centering']
    if caption:
        lines.append(rf'\caption{{{escape_latex(caption)}}}')
    if label:
        lines.append(rf'\label{{{label}}}')
    names = 'c' * len(grid.sensors) or 'l'
    lines += [rf'\begin{{tabular}}{{{names}{"r" * len(grid.columns)}}}', r'\toprule',
              _line([escape_latex(head) for head in heads]), r'\midrule']
    best = [_best(grid.values[:first_summary, column], digits) if mark_best else None
            for column in range(len(grid.columns))]
    for row in range(len(grid.rows)):
        if row == first_summary:
            lines.append(r'\midrule')
        cells = [_cell(float(value), best[column] if row < first_summary else None, digits)
                 for column, value in enumerate(grid.values[row])]
        lines.append(_line([*_names(grid, row), *cells]))
    return '\n'.join([*lines, r'\bottomrule', r'\end{tabular}', r'\end{table}', ''])


def escape_latex(text: str) -> str:
    """Text that LaTeX prints as it stands."""
    return ''.join(_SPECIAL.get(letter, letter) for letter in text)


def _line(cells: list[str]) -> str:
    return ' & '.join(cells) + r' \\'


def _names(grid: Grid, row: int) -> list[str]:
    subset = grid.subset_of(row)
    if subset is not None:
        return [_PRESENT if sensor in subset else _ABSENT for sensor in grid.sensors]
    name = escape_latex(grid.rows[row])
    return [rf'\multicolumn{{{len(grid.sensors)}}}{{l}}{{{name}}}'] if grid.sensors else [name]


def _best(values: np.typing.NDArray[np.float64], digits: int) -> float | None:
    finite = values[np.isfinite(values)]
    return round(float(finite.max()), digits) if finite.size else None


def _cell(value: float, best: float | None, digits: int) -> str:
    if not math.isfinite(value):
        return _NOT_MEASURED
    text = f'{value:.{digits}f}'
    return rf'\textbf{{{text}}}' if best is not None and round(value, digits) == best else text
