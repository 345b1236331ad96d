# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Columns of a table: a heading, and what of a run's stored result stands there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.modalities import MODALITIES
from training.tables.result import Result

LATENCY = 'latency'
"""Is measured for all rows in one run, so it is no figure of a result."""
SCORE = 'score'


@dataclass(frozen=True, slots=True)
class Column:
    """A figure of each result."""

    heading: str
    figure: Callable[[Result], float | None]
    """None where it was not measured."""
    digits: int = 1
    is_exact: bool = False
    """Whether it is the same for all seeds."""
    needs_all: bool = False
    """Whether a row without some of the table's sensors has no figure to compare."""


def _robustness(name: str) -> Callable[[Result], float | None]:
    return lambda result: result.robustness.get(name)


COLUMNS: Mapping[str, Column] = {
    'emm': Column('EMM average', lambda result: result.emm, needs_all=True),
    'all': Column('all sensors', lambda result: result.all_sensors, needs_all=True),
    'rmm': Column('RMM', _robustness('RMM r=0.5 average'), needs_all=True),
    'nm_low': Column('NM low', _robustness('NM low')),
    'nm_mid': Column('NM mid', _robustness('NM mid')),
    'score': Column('robustness score', _robustness(SCORE), needs_all=True),
    'parameters': Column('million parameters', lambda result: result.parameters / 1e6, 2, True),
    'gmac': Column('GMAC', lambda result: result.macs / 1e9, 2, True),
}


def check_column(name: str) -> None:
    """Raises ConfigError for what is neither a column nor a combination of sensors."""
    if name not in (*COLUMNS, LATENCY) and not _is_combination(name):
        raise ConfigError.of('column', name, f'{", ".join((*COLUMNS, LATENCY))}, or sensors such '
                                             'as lidar+event')


def column(name: str) -> Column:
    """The column of that name, or of a combination of sensors."""
    if name in COLUMNS:
        return COLUMNS[name]
    return Column(name.replace('+', ' + '), lambda result: result.subsets.get(name))


def _is_combination(name: str) -> bool:
    sensors = name.split('+')
    return len(set(sensors)) == len(sensors) and set(sensors) <= set(MODALITIES)
