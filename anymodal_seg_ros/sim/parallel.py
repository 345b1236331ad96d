# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A drive measured by two processes at once, in order. Simulation."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace

from anymodal_seg_ros.sim.simulator import SimConfig, SimOutput, Simulator

_GROUPS = (('rgb', 'depth'), ('lidar', 'event'))
"""Sensors that share a process: two cameras with one view, and about equal work."""
_AHEAD = 12
"""Messages in the making."""

_simulator: Simulator | None = None


def parallel_outputs(config: SimConfig) -> Generator[SimOutput, None, None]:
    """What ``Simulator(config).outputs()`` gives, made by two processes a little ahead.

    They end when the iterator is used up or closed.
    """
    config = replace(config, num_threads=1)
    context = multiprocessing.get_context('spawn')
    pools = [ProcessPoolExecutor(1, context, _start, (config,)) for _ in _GROUPS]
    pool_of = {name: pool for group, pool in zip(_GROUPS, pools, strict=True) for name in group}
    pending: deque[Future[SimOutput]] = deque()
    try:
        for name, index in Simulator(config).schedule():
            pending.append(pool_of[name].submit(_measure, name, index))
            if len(pending) >= _AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for pool in pools:
            pool.shutdown(wait=True, cancel_futures=True)


def _start(config: SimConfig) -> None:
    global _simulator
    _simulator = Simulator(config)


def _measure(name: str, index: int) -> SimOutput:
    assert _simulator is not None
    return _simulator.measure(name, index)
