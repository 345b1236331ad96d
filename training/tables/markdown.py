# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A table as Markdown, from stored results alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from statistics import fmean, stdev

from anymodal_seg_ros.errors import ConfigError
from training.tables.columns import LATENCY, Column, column
from training.tables.latency import SENSORS, Latency, read_latency
from training.tables.result import Result, read_results
from training.tables.table import NOT_REPORTED, RowConfig, TableConfig

NOTHING = '–'


def markdown(table: TableConfig, folder: Path) -> str:
    """The table: mean and sample standard deviation over the seeds. Rows that wait for their runs
    say so by 0 seeds; extra rows are left out then.

    Raises:
        ConfigError: no result at all, or results of different frames.
    """
    latency = read_latency(folder)
    heads = ['', 'seeds', *(_heading(name) for name in table.columns)]
    rows = [[*heads, table.paper] if table.paper else heads]
    found = {row: read_results(folder, row.name) for row in table.rows if row.title}
    everyone = list(chain.from_iterable(found.values()))
    _check_comparable(everyone, folder)
    sensors = max(len(result.sensors) for result in everyone)
    whole = table.row(table.against) if table.against else None
    for row, results in found.items():
        if results or not row.extra:
            others = found[whole] if whole not in (None, row) else []
            cells = [_cell(name, row, results, others, sensors, latency)
                     for name in table.columns]
            rows.append([row.title, str(len(results)), *cells,
                         *([_paper(row, whole)] if table.paper else [])])
    head, *body = (f'| {" | ".join(cells)} |' for cells in rows)
    return '\n'.join([head, '|' + '---|' * len(rows[0]), *body])


def conditions(table: TableConfig, folder: Path) -> str:
    """What the figures are of, in a few lines."""
    found = [result for row in table.rows for result in read_results(folder, row.name)]
    lines = [f'mIoU in percent; {_several(result.frames for result in found)} frames of split '
             f'{_several(result.split for result in found)}, missing sensors left out',
             f'seeds {_several(result.seed for result in found)}; '
             f'{_several(result.steps for result in found)} steps',
             *sorted({f'{result.host}; {result.precision}; revision {result.revision or "unknown"}'
                      for result in found})]
    frames = sorted({result.robustness_frames for result in found} - {0})
    if frames:
        lines.append(f'RMM and NM: {_several(frames)} frames')
    latency = read_latency(folder)
    if latency is not None:
        lines.append(f'latency: medians (span over rounds by turns) at {latency.size_px} px; '
                     f'{latency.host}; {latency.precision}')
    return '\n'.join(lines)


def _heading(name: str) -> str:
    if name == LATENCY:
        return f'ms with {" / ".join(map(str, SENSORS))} sensors'
    return column(name).heading


def _cell(name: str, row: RowConfig, results: Sequence[Result], others: Sequence[Result],
          sensors: int, latency: Latency | None) -> str:
    if name == LATENCY:
        return (latency.cell(row.name) if latency is not None else None) or NOTHING
    chosen = column(name)
    values = _figures(results, chosen, sensors)
    if not values:
        return NOTHING
    spread = _spread([*values.values()], chosen)
    theirs = _figures(others, chosen, sensors)
    gains = [value - theirs[seed] for seed, value in values.items() if seed in theirs]
    if chosen.is_exact or not gains:
        return spread
    return f'{spread} ({_signed(fmean(gains), chosen.digits)})'


def _figures(results: Sequence[Result], chosen: Column, sensors: int) -> dict[int, float]:
    """By seed, of those that have one to compare."""
    return {result.seed: value for result in results
            if (value := chosen.figure(result)) is not None
            and (len(result.sensors) == sensors or not chosen.needs_all)}


def _paper(row: RowConfig, whole: RowConfig | None) -> str:
    """What the paper reports, each figure against the other row's in its place."""
    if whole in (None, row) or row.paper == NOT_REPORTED:
        return row.paper
    return ' / '.join(
        f'{mine} ({_signed(float(mine) - float(other), 2)})'
        if NOT_REPORTED not in (mine, other) else mine
        for mine, other in zip(row.paper_figures, whole.paper_figures, strict=True))


def _signed(value: float, digits: int) -> str:
    return f'{round(value, digits) + 0.0:+.{digits}f}'.replace('-', '−')  # + 0 makes -0 a 0


def _spread(values: Sequence[float], chosen: Column) -> str:
    mean = f'{fmean(values):.{chosen.digits}f}'
    if len(values) == 1 or chosen.is_exact:
        return mean
    return f'{mean} ± {stdev(values):.{chosen.digits}f}'


def _check_comparable(results: Sequence[Result], folder: Path) -> None:
    if not results:
        raise ConfigError(f'no result in {folder}; train the table without --print')
    for name in ('data_sha256', 'split', 'frames'):
        values = {getattr(result, name) for result in results}
        if len(values) > 1:
            raise ConfigError(f'the results in {folder} cannot stand in one table, they have '
                              f'different {name}: {", ".join(sorted(map(str, values)))}')


def _several(values: Iterable[object]) -> str:
    return ', '.join(map(str, sorted(set(values), key=lambda value: (len(str(value)),
                                                                     str(value)))))
