# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores in rows and columns: what heat maps and LaTeX tables are made of. Layer: pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Subset = tuple[str, ...]
ALL = 'all'
AVERAGE = 'average'


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """A table of percentages."""

    rows: tuple[str, ...]
    """Names; 'rgb+depth' where ``sensors`` are given."""
    columns: tuple[str, ...]
    values: npt.NDArray[np.float64]
    """[rows, columns], NaN where nothing was measured."""
    sensors: tuple[str, ...] = ()
    """When given, rows that name a combination of them are drawn as one dot for each sensor."""
    num_summary_rows: int = 0
    """So many last rows are set apart."""

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.rows), len(self.columns)):
            raise ValueError(f'values are {self.values.shape}, but there are {len(self.rows)} '
                             f'rows and {len(self.columns)} columns')

    def subset_of(self, row: int) -> Subset | None:
        """The sensors that a row names; None for any other row."""
        names = tuple(self.rows[row].split('+'))
        return names if self.sensors and set(names) <= set(self.sensors) else None


def by_size(subsets: Sequence[Subset], sensors: Sequence[str]) -> list[Subset]:
    """Combinations with the most sensors first; in each size, what lacks the first sensor first
    where one is missing, and the first sensor first elsewhere."""
    order = {name: i for i, name in enumerate(sensors)}

    def key(subset: Subset) -> tuple[int, tuple[int, ...]]:
        places = tuple(sorted(order[name] for name in subset))
        if len(subset) == len(sensors) - 1 and len(subset) > 1:
            places = tuple(sorted(set(order.values()) - set(places)))
        return -len(subset), places

    return sorted(subsets, key=key)


def subset_grid(
    scores: Mapping[Subset, Mapping[str, float]], columns: Sequence[str],
    sensors: Sequence[str],
) -> Grid:
    """Combinations of sensors by columns, and their average below where none is missing.

    Args:
        scores: combination to column to percent; what is left out is NaN.
        columns: in this order.
        sensors: in this order.
    """
    subsets = by_size(list(scores), sensors)
    values = np.array([[scores[subset].get(column, np.nan) for column in columns]
                       for subset in subsets]).reshape(len(subsets), len(columns))
    rows = ['+'.join(subset) for subset in subsets]
    is_complete = 0 < len(subsets) == (1 << len(sensors)) - 1
    if is_complete:
        values = np.vstack([values, values.mean(0)])
        rows.append(AVERAGE)
    return Grid(rows=tuple(rows), columns=tuple(columns), values=values, sensors=tuple(sensors),
                num_summary_rows=int(is_complete))
