# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The figures of a robustness benchmark as text, as LaTeX and as a heat map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from anymodal_seg_ros.corruption import DELIVER_FAILURES
from anymodal_seg_ros.pages.grid import Grid, subset_grid
from anymodal_seg_ros.pages.heatmap import heatmap_png
from training.report import latex_table
from training.robustness.protocol import ABSENT_CLASSES, EMM, SCORE_COLUMNS, robustness_score
from training.robustness.result import RobustnessScores
from training.scoring import SubsetScores

Row = tuple[str, Mapping[str, float]]
TREATMENT = {'skip': 'absent classes left out', 'zero': 'absent classes count 0'}


def text_tables(scores: RobustnessScores) -> str:
    """Tables for a terminal; each figure's missing mode and treatment of classes beside it."""
    parts = [f'mIoU in percent; labels at {scores.config.label_size} size, {scores.precision}, '
             f'seed {scores.config.seed}']
    for absent in ABSENT_CLASSES:
        tables = [_emm_rows(scores, absent), _rmm_rows(scores, absent), _nm_rows(scores, absent),
                  _failure_rows(scores, absent), _score_rows(scores, absent)]
        clean = ', '.join(f'{scores.clean(missing, absent):.2f} ({missing})'
                          for missing in scores.emm)
        parts += [f'\n{TREATMENT[absent]}: clean {clean}']
        parts += [_aligned(title, rows) for title, rows in tables if rows]
    return '\n'.join(parts)


def latex_tables(scores: RobustnessScores, absent: str = 'zero') -> str:
    """Tables for a paper: every combination under EMM and RMM, and the robustness score.

    Args:
        absent: 'zero', as published tables have it, or 'skip'.
    """
    how = (f'labels at {scores.config.label_size} size, {TREATMENT[absent]}, '
           f'{scores.precision}')
    parts = [latex_table(
        combination_grid(scores, absent), label='tab:combinations',
        caption=f'mIoU in percent for every combination of sensors ({how}). EMM: the other '
                'sensors are missing. RMM: elements of the others are missing.')]
    others = {'noise': _nm_rows(scores, absent), 'failures': _failure_rows(scores, absent)}
    parts += [latex_table(grid, caption=f'mIoU in percent: {title} ({how}).',
                          label=f'tab:{name}', mark_best=False)
              for name, rows in others.items() for title, grid in _grids(*rows)]
    parts += [latex_table(grid, caption=f'Robustness score: mean of seven columns ({how}).',
                          label='tab:robustness', mark_best=False)
              for _, grid in _grids(*_score_rows(scores, absent))]
    return '\n'.join(parts)


def write_heatmap(path: Path, scores: RobustnessScores, absent: str = 'skip') -> None:
    """A PNG of ``combination_grid``; raises WriteError where it cannot be written."""
    heatmap_png(path, combination_grid(scores, absent),
                title=f'mIoU by the sensors that work ({TREATMENT[absent]})')


def combination_grid(scores: RobustnessScores, absent: str) -> Grid:
    """Combinations of sensors by ways in which the others fail."""
    tables: dict[str, SubsetScores] = {
        f'EMM {missing}': table for missing, table in scores.emm.items()}
    tables |= {f'RMM {rate:g}': table for rate, table in scores.rmm.items()}
    cells: dict[tuple[str, ...], dict[str, float]] = {}
    for column, table in tables.items():
        for subset in table.matrices:
            cells.setdefault(subset, {})[column] = table.miou(subset, absent=absent)
    return subset_grid(cells, list(tables), scores.sensors)


def _emm_rows(scores: RobustnessScores, absent: str) -> tuple[str, list[Row]]:
    rows: list[Row] = [
        (f'missing: {missing}', scores.combined(table, absent))
        for missing, table in scores.emm.items() if EMM in scores.config.benchmarks]
    return 'EMM: sensors missing', rows


def _rmm_rows(scores: RobustnessScores, absent: str) -> tuple[str, list[Row]]:
    rows: list[Row] = [
        (f'r={rate:g}', scores.combined(table, absent)) for rate, table in scores.rmm.items()]
    return 'RMM: elements missing', rows


def _nm_rows(scores: RobustnessScores, absent: str) -> tuple[str, list[Row]]:
    levels = {level: scores.degraded(table, absent) for level, table in scores.nm.items()}
    return 'NM: noise', [('all sensors', levels)] if levels else []


def _failure_rows(scores: RobustnessScores, absent: str) -> tuple[str, list[Row]]:
    """Severities, and beside them what remains when the failing sensor is left out instead."""
    rows: list[Row] = []
    for failure, by_severity in scores.failures.items():
        cells = {f'{severity:g}': scores.degraded(table, absent)
                 for severity, table in by_severity.items()}
        for missing in scores.emm:
            without = scores.without(DELIVER_FAILURES[failure][0], missing, absent)
            if without is not None:
                cells[f'sensor missing ({missing})'] = without
        rows.append((failure, cells))
    return 'failures by severity', rows


def _score_rows(scores: RobustnessScores, absent: str) -> tuple[str, list[Row]]:
    rows: list[Row] = []
    for missing in scores.emm:
        columns = scores.score_columns(missing, absent)
        if columns is not None:
            rows.append((f'EMM missing: {missing}',
                         {**{name: columns[name] for name in SCORE_COLUMNS},
                          'mean': robustness_score(columns)}))
    return 'robustness score', rows


def _grids(title: str, rows: Sequence[Row]) -> list[tuple[str, Grid]]:
    if not rows:
        return []
    columns = list(dict.fromkeys(name for _, cells in rows for name in cells))
    values = np.array([[cells.get(name, np.nan) for name in columns] for _, cells in rows])
    return [(title, Grid(rows=tuple(name for name, _ in rows), columns=tuple(columns),
                         values=values))]


def _aligned(title: str, rows: Sequence[Row]) -> str:
    columns = list(dict.fromkeys(name for _, cells in rows for name in cells))
    width = max(len(name) for name in (title, *(name for name, _ in rows)))
    lines = ['  '.join([f'{title:{width}}', *(f'{name:>6}' for name in columns)])]
    for name, cells in rows:
        lines.append('  '.join([f'{name:{width}}', *(
            f'{cells[column]:>{max(6, len(column))}.2f}' if column in cells
            else '-'.rjust(max(6, len(column))) for column in columns)]))
    return '\n'.join(lines)
