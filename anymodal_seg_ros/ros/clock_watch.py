# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node's clock does: it runs, is paused, has not begun, or is torn back and forth."""

from __future__ import annotations

from collections import deque

PAUSED_AFTER_NS = 500_000_000
WATCHED_NS = 5_000_000_000
RIVALS_SET_BACK = 4
ANYBODY_SETS_BACK = 20
"""Times within five seconds. A loop sets the clock back once in each round; two publishers of
``/clock`` do so whenever the one whose time is behind speaks."""


class ClockWatch:
    """To be told of each reading and each jump, in ns of the node's clock and of a steady one."""

    def __init__(self, steady_ns: int) -> None:
        self._seen_ns = 0
        self._moved_ns = steady_ns
        self._set_back: deque[int] = deque(maxlen=1000)

    def look(self, now_ns: int, steady_ns: int) -> None:
        if now_ns != self._seen_ns:
            self._seen_ns, self._moved_ns = now_ns, steady_ns

    def jump(self, delta_ns: int, steady_ns: int) -> None:
        """The clock has leapt by so much."""
        if delta_ns < 0:
            self._set_back.append(steady_ns)

    def num_set_back(self, steady_ns: int) -> int:
        """How often it was set back in the last five seconds."""
        while self._set_back and steady_ns - self._set_back[0] > WATCHED_NS:
            self._set_back.popleft()
        return len(self._set_back)

    def is_unsteady(self, steady_ns: int, num_publishers: int) -> bool:
        """Whether it is set back again and again, so that nothing can be formed in its time."""
        limit = RIVALS_SET_BACK if num_publishers > 1 else ANYBODY_SETS_BACK
        return self.num_set_back(steady_ns) >= limit

    def state(self, steady_ns: int, num_publishers: int) -> str:
        """``not started``, ``running``, ``paused`` or ``unsteady`` with what is known of it."""
        if self._seen_ns == 0:
            return 'not started'
        if self.is_unsteady(steady_ns, num_publishers):
            return (f'unsteady: set back {self.num_set_back(steady_ns)} times in 5 s, '
                    f'{num_publishers} publishers of /clock')
        return 'paused' if steady_ns - self._moved_ns > PAUSED_AFTER_NS else 'running'
