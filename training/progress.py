# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The bar of a run: share done, time left, learning rate and the current losses."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

from tqdm import tqdm

SMOOTHING = 0.95


class ProgressBar(ExitStack):
    """Shows samples; time left goes by the share of the schedule, which a time limit may rule."""

    def __init__(self, total_samples: int, done_samples: int, *, shown: bool) -> None:
        super().__init__()
        self._bar = self.enter_context(tqdm(
            total=total_samples, initial=done_samples, unit='img', smoothing=0.05,
            disable=not shown, bar_format='{desc}|{bar:20}| {rate_fmt}{postfix}'))
        self._smooth: dict[str, float] = {}

    def update(self, samples: int, values: Mapping[str, float], rate: float, progress: float,
               elapsed_s: float) -> None:
        """Show the state after a step."""
        for name, value in values.items():
            before = self._smooth.get(name, value)
            self._smooth[name] = SMOOTHING * before + (1 - SMOOTHING) * value
        left_s = elapsed_s * (1 - progress) / max(progress, 1e-6)
        self._bar.set_description_str(
            f'{100 * progress:3.0f}% {tqdm.format_interval(left_s)} left', refresh=False)
        self._bar.set_postfix({name: f'{value:.3g}' for name, value in self._smooth.items()}
                              | {'lr': f'{rate:.1e}'}, refresh=False)
        self._bar.update(samples - self._bar.n)
