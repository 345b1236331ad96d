# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How fast the simulation is. Simulation."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.sim.parallel import parallel_outputs
from anymodal_seg_ros.sim.simulator import SimConfig, Simulator

SET_RATE_HZ = 10.0
NUM_WARM_UP = 4
"""Sets that are not timed: processes start and caches fill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkResult:
    """Times of single measurements in one process, and the rate of all sensors from two."""

    median_ms: Mapping[str, float]
    p95_ms: Mapping[str, float]
    rate_hz: float
    """Sets of all sensors in a second."""


def benchmark(config: SimConfig, num_frames: int = 40) -> BenchmarkResult:
    """Measure ``num_frames`` of each sensor alone, then as many of all at once.

    Raises:
        ConfigError: ``num_frames`` is not within the drive.
    """
    longest = int(config.duration_s * SET_RATE_HZ) - NUM_WARM_UP - 1
    if not 1 <= num_frames <= longest:
        raise ConfigError.of('frames', num_frames,
                             f'1 to {longest} in a drive of {config.duration_s:g} s')
    simulator = Simulator(config)
    times: dict[str, list[float]] = {name: [] for name in config.sensors}
    for index in range(num_frames + 1):
        for name in config.sensors:
            begin = time.perf_counter()
            simulator.measure(name, index)
            # The first of each fills caches that live as long as the simulator.
            if index:
                times[name].append(1e3 * (time.perf_counter() - begin))
    num_sensors = len(config.sensors)
    arrivals = []
    outputs = parallel_outputs(config)
    for count, _ in enumerate(outputs):
        arrivals.append(time.perf_counter())
        if count >= num_sensors * (num_frames + NUM_WARM_UP):
            break
    outputs.close()
    warm = arrivals[NUM_WARM_UP * num_sensors:]
    rate_hz = (len(warm) - 1) / num_sensors / (warm[-1] - warm[0])
    return BenchmarkResult(
        median_ms={name: float(np.median(values)) for name, values in times.items()},
        p95_ms={name: float(np.percentile(values, 95)) for name, values in times.items()},
        rate_hz=rate_hz)
