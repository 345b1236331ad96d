# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The street that the play drives through, by day and then by night. Layer: demo."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from anymodal_seg_ros import __version__
from anymodal_seg_ros.existence import exists
from anymodal_seg_ros.sim.drive_bag import num_samples, write_bag
from anymodal_seg_ros.sim.simulator import SimConfig
from anymodal_seg_ros.sim.vehicle import ALL_SENSORS, SENSOR_NAMES

START_NS = 1_750_000_000_000_000_000
NIGHT_FALLS_S = 22.5
SEED = 900_001
"""Far from those of any data set, so that the street is new to the network."""


def stage_config(seed: int = SEED, size_px: int = 512,
                 sensors: Collection[str] = SENSOR_NAMES) -> SimConfig:
    """A sunny drive of 36 s with a bend, on which night falls at ``NIGHT_FALLS_S``.

    It is seen by the vehicle's usual sensors, and by those of ``sensors`` that can be simulated.
    """
    seen = tuple(name for name in ALL_SENSORS if name in SENSOR_NAMES or name in sensors)
    return SimConfig(seed=seed, sensors=seen, street='curve', condition='sun',
                     changes=((NIGHT_FALLS_S, 'night'),), width_px=size_px, height_px=size_px,
                     start_ns=START_NS, duration_s=36.0)


def build_stage(config: SimConfig, folder: Path) -> Path:
    """The recording of the drive, made with a progress bar unless an equal one is there."""
    key = json.dumps([__version__, asdict(config)], sort_keys=True)
    path = folder / f'street-{hashlib.sha256(key.encode()).hexdigest()[:12]}'
    if exists(path):
        return path
    with tqdm(total=num_samples(config), unit='sample', desc='driving the street') as bar:
        write_bag(path, config, in_parallel=True, progress=bar.update)
    return path
