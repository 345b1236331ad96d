# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages that a sensor sent and that its transport lost or held back. Health layer."""

from __future__ import annotations

from collections import deque

from anymodal_seg_ros.health.statistics import NS_PER_S

WINDOW_NS = 5 * NS_PER_S
ENTER_COUNT = 3
ENTER_SHARE = 0.10
EXIT_SHARE = 0.02
"""Of the messages sent within the window. A loss now and then is not worth a word; what has
been is over when the window holds next to none."""
HEAVY_SHARE = 0.5
HELD_BACK_NS = NS_PER_S
"""Silence that is put down to messages that are being sent again."""


class Losses:
    """How much of what one sensor sends is lost on its way. All times in ns."""

    def __init__(self) -> None:
        self.active = False
        """Whether losses explain what is missing of this sensor."""
        self._last_ns: int | None = None
        self._counts: deque[tuple[int, int]] = deque()
        self._share = 0.0

    def add(self, number: int, now_ns: int) -> None:
        """So many messages did not come, or came only when they had been sent again."""
        self._last_ns = now_ns
        self._counts.append((now_ns, number))

    def age_ns(self, now_ns: int) -> int:
        """Since the last loss, which was a sign of life of the sensor."""
        return now_ns if self._last_ns is None else now_ns - self._last_ns

    @property
    def heavy(self) -> bool:
        """Whether more is lost than comes through."""
        return self.active and self._share > HEAVY_SHARE

    def judge(self, num_arrived: int, now_ns: int, is_overdue: bool) -> None:
        """Compare with what arrived within the window.

        ``is_overdue`` tells that a message is, so that a single loss is what it fell to.
        """
        while self._counts and self._counts[0][0] < now_ns - WINDOW_NS:
            self._counts.popleft()
        num_lost = sum(number for _, number in self._counts)
        self._share = num_lost / max(num_lost + num_arrived, 1)
        if self.active:
            self.active = self._share > EXIT_SHARE
        else:
            self.active = (num_lost > 0 and is_overdue) or (
                num_lost >= ENTER_COUNT and self._share > ENTER_SHARE)
