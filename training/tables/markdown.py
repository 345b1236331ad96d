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
from training.tables.table import RowConfig, TableConfig

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
    for row, results in found.items():
        if results or not row.extra:
            cells = [_cell(name, row, results, sensors, latency) for name in table.columns]
            if table.against and row.name != table.against:
                whole = found[table.row(table.against)]
                cells = [cell + _gain(name, results, whole)
                         for name, cell in zip(table.columns, cells, strict=True)]
            rows.append([row.title, str(len(results)), *cells,
                         *([row.paper] if table.paper else [])])
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


def _cell(name: str, row: RowConfig, results: Sequence[Result], sensors: int,
          latency: Latency | None) -> str:
    if name == LATENCY:
        return (latency.cell(row.name) if latency is not None else None) or NOTHING
    chosen = column(name)
    values = [value for result in results if (value := chosen.figure(result)) is not None
              and (len(result.sensors) == sensors or not chosen.needs_all)]
    return _spread(values, chosen) if values else NOTHING


def _spread(values: Sequence[float], chosen: Column) -> str:
    mean = f'{fmean(values):.{chosen.digits}f}'
    if len(values) == 1 or chosen.is_exact:
        return mean
    return f'{mean} ± {stdev(values):.{chosen.digits}f}'


def _gain(name: str, results: Sequence[Result], whole: Sequence[Result]) -> str:
    """How much higher a score is than another row's, in brackets."""
    if name == LATENCY or (chosen := column(name)).is_exact:
        return ''
    others = {result.seed: chosen.figure(result) for result in whole}
    gains = [value - other for result in results
             if (value := chosen.figure(result)) is not None
             and (other := others.get(result.seed)) is not None]
    if not gains:
        return ''
    gain = round(fmean(gains), chosen.digits) + 0.0  # adding 0 makes -0 a 0
    return f' ({gain:+.{chosen.digits}f})'.replace('-', '−')


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
