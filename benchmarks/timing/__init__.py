# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How long a piece of work takes; a folder, because every file beside it is a benchmark."""

import time
from collections.abc import Callable


def fastest_ms(work: Callable[[], object], repeats: int = 30) -> float:
    """The least of several runs: what it costs when nothing disturbs it."""
    times = []
    for _ in range(repeats):
        begun_ns = time.perf_counter_ns()
        work()
        times.append(time.perf_counter_ns() - begun_ns)
    return min(times) / 1e6
