# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Latency of all rows, measured in one run by turns: a small JSON file beside the results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any

from anymodal_seg_ros import limits
from anymodal_seg_ros.documents import read_json
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.existence import is_file
from anymodal_seg_ros.ranges import Range
from anymodal_seg_ros.unfinished import write_whole
from training.settings import check_settings, read_section

LATENCY_FILE = 'latency.json'
MAX_BYTES = 1 << 20
SENSORS = (4, 2, 1)


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Milliseconds of a prediction; each round measured every row once."""

    host: str
    precision: str
    size_px: Annotated[int, Range(32, 4096)]
    """Side of the square input."""
    rows: Mapping[str, Any]
    """Row to number of sensors, as text, to the milliseconds of each round."""

    def __post_init__(self) -> None:
        check_settings('', self)
        for row, by_sensors in self.rows.items():
            limits.table(f'rows[{row!r}]', by_sensors)
            for count, values in by_sensors.items():
                if not isinstance(values, list) or not values:
                    raise ConfigError.of(f'rows[{row!r}][{count!r}]', values, 'a list of numbers')
                for value in values:
                    limits.number(f'rows[{row!r}][{count!r}]', value, 0, 1e9)

    def cell(self, row: str) -> str | None:
        """Medians for each of ``SENSORS``, with the span over the rounds; None for a row that was
        not measured."""
        if row not in self.rows:
            return None
        return ' / '.join(_shown(self.rows[row].get(str(count))) for count in SENSORS)


def _shown(times_ms: Sequence[float] | None) -> str:
    """A network may have fewer sensors."""
    if times_ms is None:
        return '–'
    return f'{median(times_ms):.0f} ({min(times_ms):.0f}–{max(times_ms):.0f})'


def write_latency(folder: Path, latency: Latency) -> None:
    """Raises WriteError where it cannot be written."""
    write_whole(folder / LATENCY_FILE, json.dumps(asdict(latency), indent=1) + '\n')


def read_latency(folder: Path) -> Latency | None:
    """None where nothing was measured; raises ConfigError for a file that is none."""
    path = folder / LATENCY_FILE
    if not is_file(path):
        return None
    data = read_json(path, MAX_BYTES)
    try:
        return read_section(Latency, '', data)
    except ConfigError as error:
        raise ConfigError(f'{path} is no latency: {error}') from None
