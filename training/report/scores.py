# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stored scores (``scores.json``) by combination of sensors, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.metrics import expected_over_subsets, mean_over_subsets
from anymodal_seg_ros.pages.grid import ALL, Grid, Subset, by_size, subset_grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One combination's scores in percent."""

    miou: float
    conditions: Mapping[str, float]
    classes: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What was measured, and the figures that follow from it."""

    subsets: Mapping[Subset, Scored]
    """Those with the most sensors first; empty where there are ``sets`` whose labels are of
    different classes."""
    missing_mode: str
    data: Mapping[str, Any]
    network: str = ''
    """Backend, device and precision in words; '' where nobody noted them."""
    sets: Mapping[str, Scores] = field(default_factory=dict)
    """Of each data set, where several were scored; ``subsets`` are of their frames together."""

    @property
    def sensors(self) -> tuple[str, ...]:
        """In the order of the largest combination."""
        return _sensors(list(self.subsets))

    @property
    def full(self) -> float | None:
        """mIoU with every sensor, for data sets in different classes the mean over them of what
        each has; None where it was not measured."""
        if not self.subsets:
            of_sets = [each.full for each in self.sets.values()]
            known = [miou for miou in of_sets if miou is not None]
            return fmean(known) if len(known) == len(of_sets) else None
        scored = self.subsets.get(self.sensors)
        return scored.miou if scored else None

    def with_missing(self, num_missing: int) -> dict[Subset, float]:
        """mIoU of the combinations that lack so many sensors."""
        size = len(self.sensors) - num_missing
        return {subset: scored.miou for subset, scored in self.subsets.items()
                if len(subset) == size}

    def is_complete(self) -> bool:
        """Whether every combination was measured, on the same frames."""
        return 0 < len(self.subsets) == (1 << len(self.sensors)) - 1 and all(
            set(each.subsets) == set(self.subsets) for each in self.sets.values())

    def average(self) -> float | None:
        """EMM average: the mean over all combinations; None where one is missing."""
        return mean_over_subsets(self._mious().values()) if self.is_complete() else None

    def expectation(self, missing_p: float) -> float | None:
        """EMM at a probability of failure of each sensor; None where a combination is missing."""
        return expected_over_subsets(self._mious(), missing_p) if self.is_complete() else None

    def grid(self) -> Grid:
        """Combinations by conditions."""
        conditions = sorted({name for scored in self.subsets.values()
                             for name in scored.conditions})
        return subset_grid(
            {subset: {ALL: scored.miou, **scored.conditions}
             for subset, scored in self.subsets.items()}, (ALL, *conditions), self.sensors)

    def _mious(self) -> dict[Subset, float]:
        return {subset: scored.miou for subset, scored in self.subsets.items()}


def read_scores(data: object) -> Scores:
    """Scores from the content of ``scores.json``.

    Raises:
        ConfigError: it is not what ``SubsetScores.to_dict`` writes.
    """
    try:
        if not isinstance(data, dict):
            raise TypeError('no table')
        table = {tuple(name.split('+')): _scored(entry)
                 for name, entry in data['subsets'].items()}
        mode, source = str(data.get('missing_mode', 'drop')), data.get('data')
        sets = {str(name): read_scores(each) for name, each in data.get('sets', {}).items()}
        if not table and not sets:
            raise ValueError('no combination of sensors was scored')
    except KeyError as error:
        raise ConfigError(f'not a table of scores: no entry {error}') from None
    except (TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f'not a table of scores: {error}') from None
    order = by_size(list(table), _sensors(list(table)))
    return Scores(subsets={subset: table[subset] for subset in order}, missing_mode=mode,
                  data=source if isinstance(source, dict) else {},
                  network=str(data.get('network', '')), sets=sets)


def _sensors(subsets: list[Subset]) -> Subset:
    largest = max(subsets, key=len, default=())
    others = (name for subset in subsets for name in subset)
    return tuple(dict.fromkeys((*largest, *others)))


def _scored(entry: Mapping[str, Any]) -> Scored:
    return Scored(miou=_number(entry['miou']), conditions=_numbers(entry.get('conditions', {})),
                  classes=_numbers(entry.get('classes', {})))


def _numbers(table: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): _number(value) for name, value in table.items()}


def _number(value: Any) -> float:  # noqa: ANN401  # whatever JSON holds
    return math.nan if value is None else float(value)
