# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The field's robustness benchmark: sensors missing, elements missing, noise, sensor failures.

``protocol`` says what is measured, ``degradation`` makes the images, ``benchmark`` runs a network
on them, ``result`` holds what came out and ``tables`` shows it.
"""

from training.robustness.benchmark import run_benchmark
from training.robustness.protocol import BENCHMARKS, BenchmarkConfig, robustness_score
from training.robustness.result import RobustnessScores

__all__ = ['BENCHMARKS', 'BenchmarkConfig', 'RobustnessScores', 'robustness_score',
           'run_benchmark']
