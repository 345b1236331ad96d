# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A timer for a moment of the node's clock. Layer: ros."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.clock import Clock
from rclpy.node import Node

SOONEST_NS = 500_000
LATEST_NS = 1_000_000_000
LATEST_SIMULATED_NS = 10_000_000
"""Simulated time may run faster than the steady clock: look more often."""


class DeadlineTimer:
    """Calls back at a deadline, or before it: the callback sees whether it has come."""

    def __init__(self, node: Node, steady: Clock, callback: Callable[[], None]) -> None:
        self._node = node
        self._timer = node.create_timer(
            LATEST_NS / 1e9, callback, clock=steady, autostart=False)

    def arm(self, deadline_ns: int | None, now_ns: int) -> None:
        """For ``deadline_ns`` of the node's clock, now at ``now_ns``; None: for never."""
        if deadline_ns is None:
            self._timer.cancel()
            return
        is_simulated = bool(self._node.get_parameter('use_sim_time').value)
        latest_ns = LATEST_SIMULATED_NS if is_simulated else LATEST_NS
        self._timer.timer_period_ns = min(max(deadline_ns - now_ns, SOONEST_NS), latest_ns)
        self._timer.reset()
