# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a robustness benchmark found, and the figures that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from anymodal_seg_ros.labels import LabelSpace
from anymodal_seg_ros.metrics import MISSING_P, expected_over_subsets, mean_over_subsets
from anymodal_seg_ros.models.network import Subset
from training.robustness.protocol import (
    ABSENT_CLASSES,
    EMM,
    FAILURES,
    NM,
    RMM,
    SCORE,
    SCORE_COLUMNS,
    SCORE_P,
    SCORE_RATE,
    BenchmarkConfig,
    robustness_score,
)
from training.scoring import SubsetScores

AVERAGE = 'average'
Rows = dict[str, dict[str, float]]
"""Figures by the name of their row and of their column."""


@dataclass(frozen=True, kw_only=True)
class RobustnessScores:
    """Confusion matrices of every run of a benchmark; figures are in percent.

    An ``absent`` is a row of ``ABSENT_CLASSES``.
    """

    label_space: LabelSpace
    sensors: Subset
    config: BenchmarkConfig
    precision: str
    """Of the network: 'fp32', 'bf16' or 'fp16'."""
    emm: Mapping[str, SubsetScores]
    """By missing mode. Without the benchmark EMM only the run with all sensors."""
    rmm: Mapping[float, SubsetScores] = field(default_factory=dict)
    """By rate; a combination names the sensors that were left whole."""
    nm: Mapping[str, SubsetScores] = field(default_factory=dict)
    """By level; all sensors."""
    failures: Mapping[str, Mapping[float, SubsetScores]] = field(default_factory=dict)
    """By DELIVER's name and severity; all sensors."""

    def clean(self, missing: str, absent: str) -> float:
        """mIoU with all sensors, none degraded."""
        return self.emm[missing].miou(self.sensors, absent=absent)

    def combined(self, scores: SubsetScores, absent: str) -> dict[str, float]:
        """Average and expectations over all combinations, of EMM or RMM."""
        mious = {subset: scores.miou(subset, absent=absent) for subset in scores.matrices}
        return {AVERAGE: mean_over_subsets(mious.values()),
                **{f'p={p:g}': expected_over_subsets(mious, p) for p in MISSING_P}}

    def degraded(self, scores: SubsetScores, absent: str) -> float:
        """mIoU of a run with all sensors, of NM or a failure."""
        return scores.miou(self.sensors, absent=absent)

    def without(self, sensor: str, missing: str, absent: str) -> float | None:
        """mIoU with all sensors but one; None where that was not measured."""
        others = tuple(name for name in self.sensors if name != sensor)
        scores = self.emm[missing]
        return scores.miou(others, absent=absent) if others in scores.matrices else None

    def score_columns(self, missing: str, absent: str) -> dict[str, float] | None:
        """The seven columns of the robustness score; None unless EMM, RMM and NM were run."""
        if not {EMM, RMM, NM} <= set(self.config.benchmarks):
            return None
        emm = self.combined(self.emm[missing], absent)
        rmm = self.combined(self.rmm[SCORE_RATE], absent)
        p = f'p={SCORE_P:g}'
        values = (self.clean(missing, absent), emm[AVERAGE], emm[p], rmm[AVERAGE], rmm[p],
                  self.degraded(self.nm['low'], absent), self.degraded(self.nm['mid'], absent))
        return dict(zip(SCORE_COLUMNS, values, strict=True))

    def rows(self, absent: str) -> dict[str, Rows]:
        """The figures of each benchmark that was run, and those of the robustness score."""
        rows: dict[str, Rows] = {
            SCORE: {missing: {**columns, 'score': robustness_score(columns)}
                    for missing in self.emm
                    if (columns := self.score_columns(missing, absent)) is not None},
            EMM: {missing: self.combined(scores, absent) for missing, scores in self.emm.items()
                  if EMM in self.config.benchmarks},
            RMM: {f'r={rate:g}': self.combined(scores, absent)
                  for rate, scores in self.rmm.items()},
            NM: {'all sensors': {level: self.degraded(scores, absent)
                                 for level, scores in self.nm.items()}} if self.nm else {},
            FAILURES: {failure: {f'{severity:g}': self.degraded(scores, absent)
                                 for severity, scores in by_severity.items()}
                       for failure, by_severity in self.failures.items()}}
        return {name: table for name, table in rows.items() if table}

    def to_dict(self) -> dict[str, Any]:
        """Plain data in percent. What ``SubsetScores.to_dict`` gives for the first missing mode
        comes first; then a table for each benchmark, each way of missing and each treatment of
        absent classes."""
        first = next(iter(self.emm.values()))
        data: dict[str, Any] = {
            **first.to_dict(), 'settings': self._settings(),
            'clean': {f'missing {missing}': _rounded(
                {f'absent {absent}': self.clean(missing, absent) for absent in ABSENT_CLASSES})
                for missing in self.emm}}
        for treatment in ABSENT_CLASSES:
            absent = f'absent {treatment}'
            for benchmark, rows in self.rows(treatment).items():
                table = data.setdefault(benchmark, {})
                for name, row in rows.items():
                    if benchmark == SCORE:
                        table[f'missing {name}, {absent}'] = _rounded(row)
                    elif benchmark == NM:
                        table[absent] = _rounded(row)
                    elif benchmark == FAILURES:
                        table.setdefault(absent, {})[name] = _rounded(row)
                    else:
                        table.setdefault(name, {})[absent] = _rounded(row)
        # The combinations themselves stand above for the first missing mode.
        for benchmark, name, scores in (
                *((EMM, missing, scores) for missing, scores in self.emm.items()),
                *((RMM, f'r={rate:g}', scores) for rate, scores in self.rmm.items())):
            if scores is not first and benchmark in data:
                data[benchmark][name]['subsets'] = scores.to_dict()['subsets']
        return data

    def _settings(self) -> dict[str, Any]:
        """What a figure depends on; batches and threads change none."""
        config = self.config
        return {'benchmarks': list(config.benchmarks), 'sensors': list(self.sensors),
                'missing_modes': list(config.missing_modes), 'label_size': config.label_size,
                'severities': list(config.severities), 'seed': config.seed,
                'precision': self.precision}


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in values.items()}
