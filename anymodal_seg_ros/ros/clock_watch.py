# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node's clock does: it runs, is paused, has not begun, or is torn back and forth."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum

PAUSED_AFTER_NS = 500_000_000
WATCHED_NS = 5_000_000_000
RIVALS_SET_BACK = 4
ANYBODY_SETS_BACK = 20
"""Times within five seconds. A loop sets the clock back once in each round; two publishers of
``/clock`` do so whenever the one whose time is behind speaks."""


class ClockPhase(Enum):
    """What the clock does now; the value is its word in diagnostics."""

    NOT_STARTED = 'not started'
    RUNNING = 'running'
    PAUSED = 'paused'
    UNSTEADY = 'unsteady'


@dataclass(frozen=True, slots=True)
class ClockState:
    """The clock at one moment."""

    phase: ClockPhase
    num_set_back: int = 0
    """How often it was set back in the last five seconds."""
    num_publishers: int = 0
    """Of ``/clock``."""

    @property
    def text(self) -> str:
        """For diagnostics: the phase, and of an unsteady clock what is known of it."""
        word: str = self.phase.value
        if self.phase is not ClockPhase.UNSTEADY:
            return word
        return (f'{word}: set back {self.num_set_back} times in 5 s, '
                f'{self.num_publishers} publishers of /clock')


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

    def state(self, steady_ns: int, num_publishers: int) -> ClockState:
        """What it does now. Unsteady is a clock that is set back again and again, so that nothing
        can be formed in its time."""
        num_set_back = self._num_set_back(steady_ns)
        return ClockState(
            self._phase(steady_ns, num_set_back, num_publishers), num_set_back, num_publishers)

    def _phase(self, steady_ns: int, num_set_back: int, num_publishers: int) -> ClockPhase:
        if self._seen_ns == 0:
            return ClockPhase.NOT_STARTED
        if num_set_back >= (RIVALS_SET_BACK if num_publishers > 1 else ANYBODY_SETS_BACK):
            return ClockPhase.UNSTEADY
        is_paused = steady_ns - self._moved_ns > PAUSED_AFTER_NS
        return ClockPhase.PAUSED if is_paused else ClockPhase.RUNNING

    def _num_set_back(self, steady_ns: int) -> int:
        while self._set_back and steady_ns - self._set_back[0] > WATCHED_NS:
            self._set_back.popleft()
        return len(self._set_back)
