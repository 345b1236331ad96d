# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tables of a robustness benchmark's figures (``robustness.json``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from anymodal_seg_ros.pages import Table
from training.report.wording import percent

TITLES = {'emm': 'EMM: whole sensors missing', 'rmm': 'RMM: random values missing',
          'nm': 'NM: noise', 'failures': 'Sensor failures'}
_NO_FIGURES = ('data', 'settings', 'subsets', 'classes', 'conditions')


def robustness_tables(data: Mapping[str, Any]) -> list[tuple[str, Table]]:
    """A title and a table for every table of rows of numbers in ``data``, whatever its depth."""
    found = []
    for path, rows in _tables(data, ()):
        title = ', '.join(TITLES.get(name, name.replace('_', ' ')) for name in path)
        columns = list(dict.fromkeys(name for row in rows.values() for name in row))
        found.append((title, Table(
            ('', *(name.replace('_', ' ') for name in columns)),
            [(name.replace('_', ' '), *(percent(row.get(column)) for column in columns))
             for name, row in rows.items()])))
    return found


def _tables(data: Mapping[str, Any], path: tuple[str, ...]
            ) -> Iterator[tuple[tuple[str, ...], dict[str, dict[str, float]]]]:
    rows = {}
    if not path and (numbers := _numbers(data)):
        rows[''] = numbers
    for name, value in data.items():
        if isinstance(value, dict) and name not in _NO_FIGURES and (numbers := _numbers(value)):
            rows[name] = numbers
    if rows:
        yield path, rows
    for name, value in data.items():
        if isinstance(value, dict) and name not in _NO_FIGURES:
            yield from _tables(value, (*path, name))


def _numbers(data: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in data.items()
            if isinstance(value, (int, float)) and not isinstance(value, bool)}
