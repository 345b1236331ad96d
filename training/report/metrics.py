# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The logged figures of a run (``metrics.csv``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.documents import read_csv
from anymodal_seg_ros.errors import ConfigError

STEP = 'step'
Column = npt.NDArray[np.float64]


def read_metrics(path: Path) -> Mapping[str, Column]:
    """Columns by name, in the order of their steps; NaN where a field is empty.

    A step that occurs again (a run continued from an earlier checkpoint) counts as it was logged
    last. A last line without its end, as a killed run leaves it, is dropped.

    Raises:
        ConfigError: no such file, no column ``step``, or a line that does not fit.
    """
    lines = read_csv(path)
    if not lines or STEP not in lines[0]:
        raise ConfigError(f'{path.name} has no column {STEP!r} in its first line')
    names = lines[0]
    by_step: dict[float, list[float]] = {}
    for number, line in enumerate(lines[1:], 2):
        try:
            values = [float(field) if field.strip() else np.nan for field in line]
        except ValueError as error:
            raise ConfigError(f'{path.name}, line {number}: {error}') from None
        if len(values) != len(names):
            raise ConfigError(f'{path.name}, line {number} has {len(values)} fields; '
                              f'the first line names {len(names)}')
        by_step[values[names.index(STEP)]] = values
    rows = np.array([by_step[step] for step in sorted(by_step)]).reshape(-1, len(names))
    return {name: rows[:, i] for i, name in enumerate(names)}
