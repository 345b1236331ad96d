# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How far a run is, and the learning rate there."""

from __future__ import annotations

import math

from training.train_config import OptimConfig

WARMUP_START = 0.1


def rate_factor(progress: float, config: OptimConfig) -> float:
    """What the learning rate is multiplied by after a share ``progress`` of the run.

    Linear from 0.1 to 1 during the warm-up, then (1 - t)^power or a half cosine down to 0.
    """
    if progress < config.warmup:
        return WARMUP_START + (1 - WARMUP_START) * progress / config.warmup
    rest = min((progress - config.warmup) / (1 - config.warmup), 1.0)
    if config.schedule == 'cosine':
        return 0.5 * (1 + math.cos(math.pi * rest))
    return float((1 - rest) ** config.power)


def run_progress(
    samples: int, total_samples: int, elapsed_s: float = 0.0, max_minutes: float = 0.0
) -> float:
    """Share of the run that is done, by samples or by time, whichever is further."""
    by_samples = samples / total_samples
    by_time = elapsed_s / (60 * max_minutes) if max_minutes else 0.0
    return min(max(by_samples, by_time), 1.0)
