# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A table as ``config/training/tables/NAME.yaml`` has it: rows of recipes, and columns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from anymodal_seg_ros import limits
from anymodal_seg_ros.documents import read_yaml
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.ranges import Range
from anymodal_seg_ros.resources import resource_path
from training.settings import check_settings, read_section
from training.tables.columns import check_column

NOT_REPORTED = '–'


@dataclass(frozen=True, kw_only=True)
class RowConfig:
    """A recipe to be trained once for each seed."""

    name: str
    """Of its run folders and stored results: letters, digits and _."""
    recipe: str
    """Below ``config/training``, such as ladder/hpd.yaml."""
    title: str = ''
    """In the table; a row without one is trained for the others and not shown."""
    paper: str = NOT_REPORTED
    """What the paper reports."""
    init: str = ''
    """The row whose network it starts from."""
    encoder: str = ''
    """The row whose encoder it starts from, with everything else new."""
    teacher: str = ''
    """The row whose network teaches it."""
    overrides: tuple[str, ...] = ()
    """Of its recipe, after the table's, such as method.options.sgm=1."""
    once: bool = False
    """One run, with the recipe's seed, serves the rows of all seeds."""
    extra: bool = False
    """Trained where it is named, and shown where it has results."""

    def __post_init__(self) -> None:
        check_settings('a row', self)
        if not re.fullmatch(r'\w+', self.name):
            raise ConfigError.of("a row's name", self.name, 'letters, digits and _')
        if self.init and self.encoder:
            raise ConfigError(f'row {self.name!r} starts from {self.init!r} and from the encoder '
                              f'of {self.encoder!r}; allowed: one of them')

    @property
    def paper_figures(self) -> list[str]:
        """One by one."""
        return self.paper.split(' / ')

    @property
    def needs(self) -> tuple[str, ...]:
        """The rows that are trained before."""
        return tuple(name for name in (self.init, self.encoder, self.teacher) if name)


@dataclass(frozen=True, kw_only=True)
class TableConfig:
    """Rows that are compared, and how."""

    rows: tuple[RowConfig, ...]
    """In the order of the table; what a row needs stands before it."""
    columns: tuple[str, ...]
    """Of COLUMNS in training/tables/columns.py, or a combination of sensors, such as
    lidar+event."""
    paper: str = ''
    """Heading of the papers' figures; empty for no such column."""
    against: str = ''
    """A row; the scores of the others are followed by how much higher they are, over the seeds
    that both have, and so are the papers' figures. Empty for none."""
    overrides: tuple[str, ...] = ()
    """Of every recipe, so that all rows have the same data, steps and size."""
    benchmark_frames: Annotated[int, Range(0, 10**9)] = 0
    """So many frames are scored with lost elements and noise as well (RMM, NM); 0 leaves that
    out."""
    speed_px: Annotated[int, Range(32, 4096)] = 256
    """Side of the square input whose operations and latency are given, a multiple of 32."""

    def __post_init__(self) -> None:
        check_settings('the table', self)
        for name in self.columns:
            check_column(name)
        if self.speed_px % 32:
            raise ConfigError(f'speed_px {self.speed_px} is no multiple of 32')
        above: dict[str, RowConfig] = {}
        for row in self.rows:
            if row.name in above:
                raise ConfigError(f'two rows are called {row.name!r}')
            for need in row.needs:
                limits.one_of(f'what row {row.name!r} needs', need, above)
                if row.once and not above[need].once:
                    raise ConfigError(f'row {row.name!r} is trained once, but needs {need!r}, '
                                      'which is trained for each seed')
            above[row.name] = row
        if self.against:
            limits.one_of('against', self.against, [row.name for row in self.rows if row.title])
            self._check_paper(len(self.row(self.against).paper_figures))

    def _check_paper(self, count: int) -> None:
        """What the papers report can be given against a row's figures."""
        for row in self.rows:
            if row.paper != NOT_REPORTED and (
                    len(row.paper_figures) != count
                    or not all(re.fullmatch(rf'\d+(\.\d+)?|{NOT_REPORTED}', figure)
                               for figure in row.paper_figures)):
                raise ConfigError.of(f'paper of row {row.name!r}', row.paper,
                                     f'figures or {NOT_REPORTED}, as many as of row '
                                     f'{self.against!r} ({count}), with / between')

    def row(self, name: str) -> RowConfig:
        """The row of that name; raises ConfigError where there is none."""
        limits.one_of('row', name, [row.name for row in self.rows])
        return next(row for row in self.rows if row.name == name)

    def usual_rows(self) -> tuple[str, ...]:
        """Names of those that are trained without being named."""
        return tuple(row.name for row in self.rows if row.title and not row.extra)


def tables_folder() -> Path:
    """Where the tables lie."""
    return resource_path('config') / 'training' / 'tables'


def table_names() -> list[str]:
    """Of all tables."""
    return sorted(path.stem for path in tables_folder().glob('*.yaml'))


def load_table(name: str) -> TableConfig:
    """Raises ConfigError where there is no such table, or for what is wrong with its file."""
    limits.one_of('table', name, table_names())
    path = tables_folder() / f'{name}.yaml'
    try:
        return read_section(TableConfig, '', read_yaml(path))
    except ConfigError as error:
        raise ConfigError(f'{path}: {error}') from None
