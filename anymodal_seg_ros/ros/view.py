# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A publisher that a subscriber which takes nothing in cannot make the whole node wait for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.publisher import Publisher

SLOW_S = 0.02
REST = 4
"""So many times as long as a slow message took nothing is published."""


class View:
    """Publishes what is wanted, and rests after a message that took longer than 20 ms to send.

    While a large message is sent to a subscriber that hangs, the node's other threads hardly run
    (docs/node.md). Resting leaves most of the time to the sensors' messages.
    """

    def __init__(
        self, publisher: Publisher[Any], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._publisher = publisher
        self._clock = clock
        self._rests_until_s = 0.0
        self.num_skipped = 0
        """Messages that were wanted while it rested."""

    def get_subscription_count(self) -> int:
        return int(self._publisher.get_subscription_count())

    def is_wanted(self) -> bool:
        """Whether to make a message now: somebody subscribes to it, and it does not rest."""
        if not self.get_subscription_count():
            return False
        is_ready = self._clock() >= self._rests_until_s
        self.num_skipped += not is_ready
        return is_ready

    def publish(self, message: object) -> None:
        started_s = self._clock()
        self._publisher.publish(message)
        now_s = self._clock()
        if now_s - started_s > SLOW_S:
            self._rests_until_s = now_s + REST * (now_s - started_s)
