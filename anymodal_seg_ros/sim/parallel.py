# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A drive measured by two processes at once, in order. Simulation."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from anymodal_seg_ros.sim.simulator import SimConfig, SimOutput, Simulator
from anymodal_seg_ros.stopping import shielded_children

_GROUPS = (('rgb', 'depth'), ('lidar', 'event', 'thermal'))
"""Sensors that share a process: two cameras with one view, and about equal work."""
_AHEAD = 12
"""Messages in the making."""

_simulator: Simulator | None = None


def parallel_outputs(config: SimConfig) -> Generator[SimOutput, None, None]:
    """What ``Simulator(config).outputs()`` gives, made by two processes a little ahead.

    They end when the iterator is used up or closed.
    """
    config = replace(config, num_threads=1)
    with ExitStack() as stack:
        pools = [stack.enter_context(worker_processes(1, _start, config)) for _ in _GROUPS]
        pool_of = {name: pool for group, pool in zip(_GROUPS, pools, strict=True)
                   for name in group}
        pending: deque[Future[SimOutput]] = deque()
        for name, index in Simulator(config).schedule():
            pending.append(pool_of[name].submit(_measure, name, index))
            if len(pending) >= _AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


@contextmanager
def worker_processes(
    count: int, start: Callable[..., object] | None = None, *arguments: Any  # noqa: ANN401
) -> Generator[ProcessPoolExecutor, None, None]:
    """``count`` processes that each called ``start(*arguments)``.

    They hear no signal, and are ended in the midst of their work when the block is left early or
    this process is killed.
    """
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(count, multiprocessing.get_context('spawn'), _begin,
                               (start, *arguments))
    # A pool starts a process for each job until it has enough.
    with shielded_children():
        for _ in range(count):
            pool.submit(_nothing)
    try:
        yield pool
    except BaseException:
        for process in set(multiprocessing.active_children()) - others:
            process.kill()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(start: Callable[..., object] | None, *arguments: Any) -> None:  # noqa: ANN401
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if start is not None:
        start(*arguments)


def _end_with_parent() -> None:
    """What waits in the queue would go on being written, into the next try's folder."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _nothing() -> None:
    pass


def _start(config: SimConfig) -> None:
    global _simulator
    _simulator = Simulator(config)


def _measure(name: str, index: int) -> SimOutput:
    assert _simulator is not None
    return _simulator.measure(name, index)
