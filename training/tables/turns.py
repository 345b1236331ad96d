# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Latency of several networks by turns, so that other load on the machine meets all."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import numpy as np
import torch
from tqdm import tqdm

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.inference import Segmenter, build_segmenter
from training.devices import processor
from training.tables.latency import SENSORS, Latency

PREDICTIONS = 5


def measure_latency(
    bundles: Mapping[str, Path], size_px: int, rounds: int, *, threads: int, device: str = 'auto'
) -> Latency:
    """Milliseconds from encoded images to labels of the same size.

    Args:
        bundles: by row.
        size_px: side of the square images, whose content is noise.
        rounds: how often each row has its turn, which is the median of a few predictions.
        threads: of the CPU; 0 takes all cores.

    Raises:
        ConfigError: there is no bundle.
        BundleError: one is damaged.
    """
    if not bundles:
        raise ConfigError('no row is trained; there is no latency to measure')
    segmenters = {row: build_segmenter(path, device=device, num_threads=threads)
                  for row, path in bundles.items()}
    rows: dict[str, dict[str, list[float]]] = {row: {} for row in segmenters}
    for number in tqdm(range(rounds + 1), desc='latency', unit='round'):
        for row, segmenter in segmenters.items():
            for sensors in SENSORS:
                if sensors <= len(segmenter.bundle.modalities):
                    taken_ms = _turn_ms(segmenter, sensors, size_px)
                    if number:  # The first round warms up.
                        rows[row].setdefault(str(sensors), []).append(round(taken_ms, 2))
    first = next(iter(segmenters.values())).description
    return Latency(host=f'{processor()}, {torch.get_num_threads()} threads, torch '
                        f'{torch.__version__}',
                   precision=first.split(', ')[1], size_px=size_px, rows=rows)


def _turn_ms(segmenter: Segmenter, sensors: int, size_px: int) -> float:
    rng = np.random.default_rng(0)
    images = {name: rng.integers(0, 256, (size_px, size_px, 3), np.uint8)
              for name in segmenter.bundle.modalities[:sensors]}
    times = []
    for _ in range(PREDICTIONS):
        begun_ns = time.perf_counter_ns()
        segmenter.predict(images, (size_px, size_px))
        times.append(time.perf_counter_ns() - begun_ns)
    return median(times) / 1e6
