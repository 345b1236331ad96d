# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the field's robustness benchmark measures, as constants and settings.

Source: arXiv 2503.18445 (EMM, RMM, NM) and its published code; the seven columns are those of
table 1 of EQUISeg.

- EMM: whole sensors missing, every combination but the empty one.
- RMM: in the sensors of a combination, each element of the normalised image is 0 with
  probability r; the combination without such a sensor is the clean run.
- NM: salt and pepper on every sensor, Gaussian noise on every sensor but the event camera.

The published figures come from another rule in two places. Salt and pepper are the extremes of
a batch there and of one sample's image here, and nothing is seeded there; here every random
number depends on the sample, so that batches and threads change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from anymodal_seg_ros import limits
from anymodal_seg_ros.corruption.fault import check_severity
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models import DROP, MISSING_MODES
from training.frame_batches import LABEL_SIZES, MAX_BATCH, MAX_WORKERS

EMM, RMM, NM, FAILURES = 'emm', 'rmm', 'nm', 'failures'
BENCHMARKS = (EMM, RMM, NM, FAILURES)
SCORE = 'robustness_score'
ABSENT_CLASSES = ('skip', 'zero')
"""Classes that do not occur: left out of the mean, or 0 in it, as published tables have it."""
RMM_RATES = (0.25, 0.5, 0.75)
SCORE_P, SCORE_RATE = 0.1, 0.5
GPU_BATCH = 8
"""Frames that a GPU takes at once without being asked; a CPU takes one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseLevel:
    """A level of NM, for normalised images."""

    density: float
    """Half of it salt, half pepper: places are drawn with replacement, pepper after salt."""
    sigma: float


NM_LEVELS: Mapping[str, NoiseLevel] = {
    'low': NoiseLevel(density=0.05, sigma=0.1),
    'mid': NoiseLevel(density=0.10, sigma=0.2),
    'high': NoiseLevel(density=0.20, sigma=0.5),
}
NO_GAUSSIAN = ('event',)
SCORE_COLUMNS = ('clean', 'EMM average', 'EMM p=0.1', 'RMM r=0.5 average', 'RMM r=0.5 p=0.1',
                 'NM low', 'NM mid')


@dataclass(frozen=True, kw_only=True)
class BenchmarkConfig:
    """What to run and how. Raises ConfigError for a value that is not allowed."""

    benchmarks: tuple[str, ...] = (EMM,)
    missing_modes: tuple[str, ...] = (DROP,)
    """Of EMM: 'drop' leaves a missing sensor out, 'zero' encodes a normalised input of zeros."""
    label_size: str = 'native'
    seed: int = 0
    severities: tuple[float, ...] = (0.25, 0.5, 1.0)
    """Of the five failures, on the scale of the table of faults."""
    batch_size: int = 1
    workers: int = 2

    def __post_init__(self) -> None:
        _some_of('benchmark', self.benchmarks, BENCHMARKS)
        _some_of('missing mode', self.missing_modes, MISSING_MODES)
        limits.one_of('label size', self.label_size, LABEL_SIZES)
        limits.whole('seed', self.seed, 0, 2**63)
        if not self.severities:
            raise ConfigError('no severity; at least one is needed')
        for severity in self.severities:
            check_severity(severity)
        limits.whole('batch size', self.batch_size, 1, MAX_BATCH)
        limits.whole('workers', self.workers, 0, MAX_WORKERS)


def robustness_score(columns: Mapping[str, float]) -> float:
    """Mean of the seven columns ``SCORE_COLUMNS``, in their unit; raises KeyError without one."""
    return fmean(columns[name] for name in SCORE_COLUMNS)


def _some_of(name: str, values: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    for value in values:
        limits.one_of(name, value, allowed)
    if not values or len(set(values)) != len(values):
        raise ConfigError(f'{name}s {list(values)}; allowed: one or more of '
                          f'{", ".join(allowed)}, each once')
