# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The figures of a robustness benchmark as text, as LaTeX and as a heat map."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from anymodal_seg_ros.corruption import DELIVER_FAILURES
from anymodal_seg_ros.pages.grid import Grid, subset_grid
from anymodal_seg_ros.pages.heatmap import heatmap_png
from training.report import latex_table
from training.robustness.protocol import ABSENT_CLASSES, EMM, FAILURES, NM, RMM, SCORE
from training.robustness.result import RobustnessScores, Rows
from training.scoring import SubsetScores, aligned

TREATMENT = {'skip': 'absent classes left out', 'zero': 'absent classes count 0'}
TITLES: Mapping[str, tuple[str, str]] = {
    EMM: ('EMM: sensors missing', 'missing: {}'), RMM: ('RMM: elements missing', '{}'),
    NM: ('NM: noise', '{}'), FAILURES: ('failures by severity', '{}'),
    SCORE: ('robustness score', 'EMM missing: {}')}
"""Of a table and of its rows."""


def text_tables(scores: RobustnessScores) -> str:
    """Tables for a terminal; each figure's missing mode and treatment of classes beside it."""
    parts = [f'mIoU in percent; labels at {scores.config.label_size} size, {scores.precision}, '
             f'seed {scores.config.seed}']
    for absent in ABSENT_CLASSES:
        clean = ', '.join(f'{scores.clean(missing, absent):.2f} ({missing})'
                          for missing in scores.emm)
        parts += [f'\n{TREATMENT[absent]}: clean {clean}']
        parts += [aligned(TITLES[name][0], rows) for name, rows in _tables(scores, absent).items()]
    return '\n'.join(parts)


def latex_tables(scores: RobustnessScores, absent: str = 'zero') -> str:
    """Tables for a paper: every combination under EMM and RMM, and the robustness score.

    Args:
        absent: 'zero', as published tables have it, or 'skip'.
    """
    how = (f'labels at {scores.config.label_size} size, {TREATMENT[absent]}, '
           f'{scores.precision}')
    captions = {NM: ('noise', f'mIoU in percent: NM: noise ({how}).'),
                FAILURES: ('failures', f'mIoU in percent: failures by severity ({how}).'),
                SCORE: ('robustness', f'Robustness score: mean of seven columns ({how}).')}
    parts = [latex_table(
        combination_grid(scores, absent), label='tab:combinations',
        caption=f'mIoU in percent for every combination of sensors ({how}). EMM: the other '
                'sensors are missing. RMM: elements of the others are missing.')]
    tables = _tables(scores, absent)
    parts += [latex_table(_grid(tables[name]), caption=caption, label=f'tab:{label}',
                          mark_best=False)
              for name, (label, caption) in captions.items() if name in tables]
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


def _tables(scores: RobustnessScores, absent: str) -> dict[str, Rows]:
    """In the order of ``TITLES``. Beside the severities of a failure stands what remains when the
    failing sensor is left out instead."""
    found = scores.rows(absent)
    for failure, row in found.get(FAILURES, {}).items():
        for missing in scores.emm:
            without = scores.without(DELIVER_FAILURES[failure][0], missing, absent)
            if without is not None:
                row[f'sensor missing ({missing})'] = without
    return {benchmark: {title.format(name): row for name, row in found[benchmark].items()}
            for benchmark, (_, title) in TITLES.items() if benchmark in found}


def _grid(rows: Rows) -> Grid:
    columns = tuple(dict.fromkeys(name for row in rows.values() for name in row))
    values = np.array([[row.get(name, np.nan) for name in columns] for row in rows.values()])
    return Grid(rows=tuple(rows), columns=columns, values=values)
