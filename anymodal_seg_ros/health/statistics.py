# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rolling numbers about a sensor's timing: intervals, rate, age and latency. Health layer."""

from __future__ import annotations

import math
import statistics
from collections import deque

from anymodal_seg_ros.health.health_config import HealthConfig
from anymodal_seg_ros.health.settling import Settling

NS_PER_S = 1_000_000_000
RATE_WINDOW_NS = 2 * NS_PER_S
RATE_WINDOW_PERIODS = 5
MAX_ARRIVALS = 512
LEARNT_INTERVALS = 31
MIN_INTERVALS = 3
LEARNT_LATENCIES = 51
MIN_LATENCIES = 3
RATE_COUNT = 2
RECOVERED_INTERVALS = 3
MAX_SLOWDOWN = 10


class RollingMedian:
    """The median of the last ``size`` values; None before ``min_count`` of them."""

    def __init__(self, size: int, min_count: int = 1) -> None:
        self._values: deque[int] = deque(maxlen=size)
        self._min_count = min_count
        self._median: int | None = None

    def add(self, value: int) -> None:
        self._values.append(value)
        if len(self._values) >= self._min_count:
            self._median = int(statistics.median(self._values))

    @property
    def median(self) -> int | None:
        return self._median


class Timing:
    """When one sensor's messages arrive and what their stamps say. All times in ns.

    Rates are judged from stamps, which a busy transport does not disturb; silence from arrivals.
    A slower rate than usual is low until the sensor has settled at it (``Settling``); then it is
    the usual one. One that the configuration names stays as it is.
    ``scale`` (1 or more) widens what transport jitter touches when the clock runs faster than
    real time.
    """

    def __init__(self, config: HealthConfig) -> None:
        self._config = config
        self.last_arrival_ns: int | None = None
        self.last_stamp_ns: int | None = None
        """The newest stamp of a sample that was not withheld for its timing."""
        self.latency_ns: int | None = None
        self.rate_low = False
        self.latency_high = False
        self.has_settled = False
        """Whether the usual rate is one that it settled at; for the caller to take down."""
        self._arrivals: deque[int] = deque(maxlen=MAX_ARRIVALS)
        self._gaps = RollingMedian(5)
        self._intervals = RollingMedian(LEARNT_INTERVALS, MIN_INTERVALS)
        self._settling = Settling()
        self._latencies = RollingMedian(LEARNT_LATENCIES, MIN_LATENCIES)
        self._raw_stamp_ns: int | None = None
        self._interval_from_ns: int | None = None
        self._num_long = 0
        self._recovering: deque[int] = deque(maxlen=RECOVERED_INTERVALS)
        self._slow_arrivals = 0
        self._slow_arrival_ns: int | None = None
        self._prompt_arrivals = 0

    def reconfigure(self, config: HealthConfig) -> None:
        """Judge by other thresholds what comes from now on."""
        self._config = config

    @property
    def period_ns(self) -> int | None:
        """Configured or learnt interval between stamps; None while unknown."""
        if self._config.expected_rate_hz > 0:
            return round(NS_PER_S / self._config.expected_rate_hz)
        return self._intervals.median

    def arrive(self, now_ns: int) -> None:
        """Anything came, usable or not."""
        if self.last_arrival_ns is not None:
            self._gaps.add(now_ns - self.last_arrival_ns)
        self.last_arrival_ns = now_ns
        self._arrivals.append(now_ns)

    def stamp_reason(self, stamp_ns: int, now_ns: int, scale: float = 1.0) -> tuple[str, bool]:
        """Why the stamp forbids using the sample ('' when it does not), and whether it is merely
        a straggler: no newer than a sample that was accepted."""
        config = self._config
        self.latency_ns = now_ns - stamp_ns
        repeated = stamp_ns == self._raw_stamp_ns and stamp_ns > 0
        self._raw_stamp_ns = stamp_ns
        old = self.last_stamp_ns is not None and stamp_ns <= self.last_stamp_ns
        reason = ''
        if repeated:
            reason = 'stamp_frozen'
        elif -self.latency_ns > config.future_s * scale * NS_PER_S:
            reason = 'stamp_future'
        elif self.latency_ns > config.stale_s * scale * NS_PER_S:
            reason = 'stamp_stale'
        elif old:
            reason = 'stamp_backwards'
        elif self._excess_ns() > config.max_latency_s * scale * NS_PER_S:
            reason = 'latency_high'
        if reason:
            self.break_interval()
        return reason, old

    def accept(self, stamp_ns: int, now_ns: int, scale: float, learn: bool) -> None:
        """Take in a sample whose stamp is sane; ``learn`` while the sensor runs cleanly."""
        if self.last_stamp_ns is not None:
            self._settle(stamp_ns - self.last_stamp_ns)
        self.last_stamp_ns = stamp_ns
        if self._interval_from_ns is not None:
            self._judge_interval(stamp_ns - self._interval_from_ns, learn)
        self._interval_from_ns = stamp_ns
        if self._latencies.median is not None:
            self._judge_latency(now_ns, scale)
        if learn and not self.latency_high:
            self._latencies.add(now_ns - stamp_ns)

    def break_interval(self) -> None:
        """The next interval would span an outage: do not judge it."""
        self._interval_from_ns = None
        self._num_long = 0

    def distrust_intervals(self) -> None:
        """What comes now says nothing about the sensor's own rate."""
        self.break_interval()
        self._settling = Settling()

    def judge_wait(self, now_ns: int, scale: float = 1.0) -> None:
        """Call the rate low while the second long interval is still running."""
        period_ns = self.period_ns
        if self._num_long == 0 or period_ns is None or self._interval_from_ns is None:
            return
        expected_ns = self._interval_from_ns + (self._latencies.median or 0)
        slack_ns = round(self._config.rate_slack_s * scale * NS_PER_S)
        limit_ns = max(round(self._config.rate_wait * period_ns), period_ns + slack_ns)
        if now_ns - expected_ns > limit_ns:
            self.rate_low = True

    def timeout_ns(self, scale: float = 1.0) -> int:
        """The age at which the sensor counts as lost."""
        config = self._config
        floor_ns = round(config.timeout_floor_s * scale * NS_PER_S)
        period_ns = self.period_ns
        if period_ns is None:
            return max(round(config.initial_timeout_s * NS_PER_S), floor_ns)
        # A sensor that has become slow, but speaks, is slow and not lost.
        slowest_ns = MAX_SLOWDOWN * period_ns
        usual_ns = max(period_ns, min(self._gaps.median or 0, slowest_ns))
        return max(round(config.timeout_periods * usual_ns), floor_ns)

    def rate_hz(self, now_ns: int) -> float:
        """Arrivals per second over the last 2 s (5 periods where that is longer)."""
        if len(self._arrivals) < 2:
            return math.nan
        window_ns = max(RATE_WINDOW_NS, RATE_WINDOW_PERIODS * (self.period_ns or 0))
        recent = [arrival for arrival in self._arrivals if arrival >= now_ns - window_ns]
        if len(recent) < 2 or recent[-1] == recent[0]:
            return 0.0
        return (len(recent) - 1) * NS_PER_S / (recent[-1] - recent[0])

    def num_arrived_since(self, from_ns: int) -> int:
        return sum(arrival >= from_ns for arrival in self._arrivals)

    def is_prompt_arrival(self, now_ns: int) -> bool:
        """Whether this late sample came at its own time and not in the burst after a stall."""
        previous_ns, self._slow_arrival_ns = self._slow_arrival_ns, now_ns
        if previous_ns is None:
            return True
        return now_ns - previous_ns >= (self.period_ns or 0) // 2

    def _excess_ns(self) -> int:
        return (self.latency_ns or 0) - max(self._latencies.median or 0, 0)

    def _judge_interval(self, interval_ns: int, learn: bool) -> None:
        period_ns = self.period_ns
        is_long = period_ns is not None and interval_ns > self._config.rate_enter * period_ns
        self._num_long = self._num_long + 1 if is_long else 0
        self._recovering.append(interval_ns)
        if self._num_long >= RATE_COUNT:
            self.rate_low = True
        elif self.rate_low and self._has_recovered(period_ns):
            self.rate_low = False
        if learn and not is_long and not self.rate_low:
            self._intervals.add(interval_ns)

    def _settle(self, interval_ns: int) -> None:
        """Take a slower rate for the usual one once the sensor has kept to it."""
        settled_ns, period_ns = self._settling.add(interval_ns), self.period_ns
        if settled_ns is None or period_ns is None or self._config.expected_rate_hz > 0:
            return
        # The usual rate is kept to for long as well, and two strays do not end that.
        longest = self._config.rate_exit if self.rate_low else self._config.rate_enter
        if settled_ns > longest * period_ns:
            self._intervals = RollingMedian(LEARNT_INTERVALS)
            self._intervals.add(settled_ns)
            self.break_interval()
            self.rate_low, self.has_settled = False, True

    def _has_recovered(self, period_ns: int | None) -> bool:
        if period_ns is None:
            return True
        recent = sorted(self._recovering)
        return (len(recent) == RECOVERED_INTERVALS
                and recent[-1] <= self._config.rate_enter * period_ns
                and recent[RECOVERED_INTERVALS // 2] <= self._config.rate_exit * period_ns)

    def _judge_latency(self, now_ns: int, scale: float) -> None:
        excess_s = self._excess_ns() / NS_PER_S / scale
        if excess_s > self._config.latency_enter_s:
            self._prompt_arrivals = 0
            if self.is_prompt_arrival(now_ns):
                self._slow_arrivals += 1
            if self._slow_arrivals >= self._config.enter_count:
                self.latency_high = True
        elif excess_s < self._config.latency_exit_s:
            self._prompt_arrivals += 1
            self._slow_arrivals = 0
            self._slow_arrival_ns = None
            if self._prompt_arrivals >= self._config.exit_count:
                self.latency_high = False
