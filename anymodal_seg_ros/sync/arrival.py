# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""When a sensor's next sample should come, learnt from those that came. Layer: sync."""

from __future__ import annotations

from collections import deque

from anymodal_seg_ros.sync.sync_config import SyncConfig, to_ns

WINDOW = 15
"""Samples that the medians look back on: a new rate is learnt after half as many."""
UNKNOWN_PERIOD_NS = 1 << 62
NEVER_NS = -(1 << 62)


def median_and_deviation(values: deque[int]) -> tuple[int, int]:
    """Upper median of the values and upper median of their absolute distances from it."""
    middle = len(values) // 2
    median = sorted(values)[middle]
    return median, sorted([abs(value - median) for value in values])[middle]


class ArrivalModel:
    """Learns one sensor's period (from stamps) and latency (arrival minus stamp), in ns.

    Medians and median absolute deviations over the last ``WINDOW`` samples, so that lost,
    reordered and late samples do not move them.
    """

    def __init__(self, config: SyncConfig) -> None:
        self.reset()
        self.reconfigure(config)

    def reconfigure(self, config: SyncConfig) -> None:
        """Expect by other settings what was learnt."""
        self._spread = config.arrival_spread
        self._margin_ns = to_ns(config.arrival_margin_s)
        self._max_wait_ns = to_ns(config.max_wait_s)
        self._max_silence_ns = to_ns(config.max_silence_s)
        self._max_misses = config.max_misses
        if self.has_spoken:
            self._expect()

    def reset(self) -> None:
        """Forget everything, as if the sensor had never spoken."""
        self._latencies: deque[int] = deque(maxlen=WINDOW)
        self._periods: deque[int] = deque(maxlen=WINDOW)
        self.last_stamp_ns = NEVER_NS
        """Newest stamp seen."""
        self._last_arrival_ns = NEVER_NS
        self.period_ns = UNKNOWN_PERIOD_NS
        self.period_slack_ns = 0
        """How far from the period's multiples a stamp may be expected."""
        self.latency_ns = 0
        """Median of arrival minus stamp."""
        self.latest_ns = 0
        """A sample that has not come this long after its stamp is overdue."""
        self.overdue_ns = NEVER_NS
        """When the next sample becomes overdue."""
        self.silent_ns = NEVER_NS
        """When so many samples are overdue that none is expected."""

    @property
    def has_spoken(self) -> bool:
        return self.last_stamp_ns != NEVER_NS

    def observe(self, stamp_ns: int, now_ns: int) -> None:
        """Learn from one arrival. Stamps need not increase."""
        self._latencies.append(now_ns - stamp_ns)
        self._last_arrival_ns = now_ns
        if stamp_ns > self.last_stamp_ns:
            if self.has_spoken:
                self._periods.append(stamp_ns - self.last_stamp_ns)
            self.last_stamp_ns = stamp_ns
        self._expect()

    def expected_stamp_ns(self, stamp_ns: int) -> int:
        """The stamp nearest to ``stamp_ns`` among those still to come; the period is known."""
        steps = (2 * (stamp_ns - self.last_stamp_ns) + self.period_ns) // (2 * self.period_ns)
        return self.last_stamp_ns + max(1, steps) * self.period_ns

    def _expect(self) -> None:
        """When the next sample should come, from all that was learnt and nothing else."""
        self.latency_ns, deviation_ns = median_and_deviation(self._latencies)
        slack_ns = min(round(self._spread * deviation_ns), self._max_wait_ns)
        self.latest_ns = self.latency_ns + slack_ns + self._margin_ns
        if not self._periods:
            self.overdue_ns = self.silent_ns = self._last_arrival_ns + self._max_silence_ns
            return
        self.period_ns, deviation_ns = median_and_deviation(self._periods)
        self.period_slack_ns = min(round(self._spread * deviation_ns), self.period_ns // 2)
        latest_ns = self.last_stamp_ns + self.latest_ns
        self.overdue_ns = latest_ns + min(self.period_ns, self._max_silence_ns)
        self.silent_ns = latest_ns + self._max_misses * self.period_ns
