# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One sensor's debounced state machine. Health layer."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from anymodal_seg_ros.health.content import ContentJudge
from anymodal_seg_ros.health.encodings import Encodings
from anymodal_seg_ros.health.health_config import HealthConfig
from anymodal_seg_ros.health.losses import HELD_BACK_NS, WINDOW_NS, Losses
from anymodal_seg_ros.health.statistics import NS_PER_S, Timing
from anymodal_seg_ros.modalities.encoding import ENCODER_FAILED
from anymodal_seg_ros.samples import HealthReport, HealthState, Sample

LATE_REASONS = frozenset({'latency_high', 'stamp_stale'})


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of a sensor's state or of the reason for it."""

    modality: str
    stamp_ns: int
    old: HealthState
    new: HealthState
    reason: str


class SensorHealth:
    """The state of one sensor, moved by its samples and by time; see the package for the rules.

    All times are in ns of the node's clock. Not thread-safe.
    """

    def __init__(
        self, modality: str, config: HealthConfig, record: Callable[[Transition], None]
    ) -> None:
        self._modality = modality
        self._config = config
        self._record = record
        self._num_received = 0
        self._rejected: Counter[str] = Counter()
        self._state = HealthState.WAITING if config.enabled else HealthState.DISABLED
        self._reason = '' if config.enabled else 'disabled'
        self._forget(0)

    def _forget(self, now_ns: int) -> None:
        self._timing = Timing(self._config)
        self._content = ContentJudge(self._modality, self._config)
        self._losses = Losses()
        self._encodings = Encodings(self._config)
        self._since_ns = now_ns
        self._usable = False
        self._has_spoken_well = False
        self._streak = 0
        self._streak_from_ns = 0
        self._bad_row = 0
        self._same_row = 0
        self._row_reason = ''
        self._num_stray = 0
        self._recent: deque[bool] = deque(maxlen=self._config.enter_window)
        self._relapses = 0
        self._regained_ns: int | None = None

    @property
    def state(self) -> HealthState:
        return self._state

    @property
    def is_trusted(self) -> bool:
        """Whether its samples may enter a set now."""
        if self._state is HealthState.WAITING:
            return self._has_spoken_well
        return self._state is HealthState.OK or (
            self._state is HealthState.DEGRADED and self._usable)

    def begin(self, now_ns: int) -> None:
        """The node's clock is known: the grace time starts."""
        self._since_ns = now_ns

    def reset(self, now_ns: int, reason: str) -> None:
        """Forget all but the counters; WAITING again unless disabled."""
        if self._state is not HealthState.DISABLED and self._state is not HealthState.WAITING:
            self._go(HealthState.WAITING, reason, now_ns)
        if self._state is HealthState.WAITING:
            self._reason = ''
        self._forget(now_ns)

    def reconfigure(self, config: HealthConfig, now_ns: int) -> None:
        """Judge by other thresholds what comes from now on; all that is known stays."""
        self._config = config
        self._timing.reconfigure(config)
        self._content.reconfigure(config)
        self._encodings.reconfigure(config)
        self._recent = deque(self._recent, maxlen=config.enter_window)
        if config.enabled != (self._state is not HealthState.DISABLED):
            self._switch(config.enabled, now_ns)

    def _switch(self, enabled: bool, now_ns: int) -> None:
        if enabled:
            self._go(HealthState.WAITING, 'enabled', now_ns)
            self._reason = ''
        else:
            self._go(HealthState.DISABLED, 'disabled', now_ns)
        self._forget(now_ns)

    def observe(self, sample: Sample, now_ns: int, scale: float) -> str:
        """Judge a sample; '' when it may be used, else why not."""
        if self._state is HealthState.DISABLED:
            return 'disabled'
        withheld = self._judge(sample, now_ns, scale)
        # Last: a message that could not be judged is rejected, and counted there.
        self._num_received += 1
        return withheld

    def _judge(self, sample: Sample, now_ns: int, scale: float) -> str:
        self._timing.arrive(now_ns)
        reason, is_stray = self._timing.stamp_reason(sample.stamp_ns, now_ns, scale)
        if reason:
            self._rejected[reason] += 1
            self._on_bad_stamp(reason, is_stray, now_ns)
            return reason
        finding = self._content.judge(sample)
        learn = not finding.reason and self._state in (HealthState.WAITING, HealthState.OK)
        self._timing.accept(sample.stamp_ns, now_ns, scale, learn)
        self._num_stray = 0
        if finding.reason:
            self._rejected[finding.reason] += 1
            self._on_bad(finding.reason, now_ns, finding.immediate)
            return finding.reason
        self._on_good(now_ns)
        return '' if self.is_trusted else 'probation'

    def mismatch(self, sample: Sample) -> str:
        """``wrong_frame`` or ``wrong_size`` when ``observe`` would not let it through for that."""
        return self._content.mismatch(sample)

    def reject(self, reason: str, now_ns: int, state_reason: str = 'malformed') -> None:
        """A message that could not be decoded, or placed, came in."""
        if self._state is HealthState.DISABLED:
            return
        self._num_received += 1
        self._rejected[reason] += 1
        self._timing.arrive(now_ns)
        self._timing.break_interval()
        self._on_bad(state_reason, now_ns)

    def note_encoded(self, failure: str, now_ns: int) -> None:
        """One of its good samples was encoded, or could not be: then the text of the error."""
        if self._state is HealthState.DISABLED:
            return
        if failure:
            self._rejected[ENCODER_FAILED] += 1
        self._encodings.add(failure)
        if self.is_trusted and self._state is not HealthState.WAITING:
            self._settle(now_ns)

    def note_lost(self, number: int, now_ns: int) -> None:
        """So many of its messages were lost on their way, or came only when sent again."""
        if self._state is HealthState.DISABLED:
            return
        self._losses.add(number, now_ns)
        self._timing.distrust_intervals()

    def tick(self, now_ns: int, scale: float) -> None:
        """Let time pass: silence, losses, and an interval that grows too long."""
        if self._state is HealthState.DISABLED:
            return
        last_ns = self._timing.last_arrival_ns
        timeout_ns = self._timing.timeout_ns(scale)
        silent_ns = now_ns - (self._since_ns if last_ns is None else last_ns)
        quiet_ns = min(silent_ns, self._losses.age_ns(now_ns))
        self._losses.judge(self._timing.num_arrived_since(now_ns - WINDOW_NS), now_ns,
                           is_overdue=quiet_ns < silent_ns > timeout_ns)
        if self._losses.active:
            timeout_ns = max(timeout_ns, HELD_BACK_NS)
        if last_ns is None:
            self._wait(now_ns)
        elif quiet_ns > timeout_ns:
            self._lose(now_ns, 'timeout')
        elif silent_ns > max(timeout_ns, WINDOW_NS):
            self._lose(now_ns, 'transport_loss')
        elif self.is_trusted:
            self._timing.judge_wait(now_ns, scale)
            if self._state is not HealthState.WAITING:
                self._settle(now_ns)

    def _wait(self, now_ns: int) -> None:
        """Nothing has come yet: say why when the grace time is over."""
        reason = 'transport_loss' if self._losses.active else 'never_received'
        waited_ns = now_ns - self._since_ns
        if self._reason != reason and waited_ns >= self._config.grace_s * NS_PER_S:
            since_ns = self._since_ns
            self._go(HealthState.WAITING, reason, now_ns)
            self._since_ns = since_ns

    def report(self, now_ns: int) -> HealthReport:
        timing = self._timing
        age_ms = math.nan
        if timing.last_arrival_ns is not None:
            age_ms = (now_ns - timing.last_arrival_ns) / 1e6
        period_ns = timing.period_ns
        return HealthReport(
            modality=self._modality, state=self._state, reason=self._reason,
            trusted=self.is_trusted, since_ns=self._since_ns, rate_hz=timing.rate_hz(now_ns),
            expected_rate_hz=NS_PER_S / period_ns if period_ns else math.nan, age_ms=age_ms,
            latency_ms=math.nan if timing.latency_ns is None else timing.latency_ns / 1e6,
            num_received=self._num_received, num_rejected=sum(self._rejected.values()),
            rejected=dict(self._rejected), encoder_failure=self._encodings.failure)

    def _on_good(self, now_ns: int) -> None:
        self._has_spoken_well = True
        self._bad_row = self._same_row = 0
        self._recent.append(False)
        self._streak += 1
        if self._streak == 1:
            self._streak_from_ns = now_ns
        if self._state is HealthState.WAITING:
            if self._streak >= self._config.start_count:
                self._settle(now_ns)
        elif self.is_trusted:
            self._settle(now_ns)
        else:
            self._regain(now_ns)

    def _regain(self, now_ns: int) -> None:
        if self._state is HealthState.LOST and self._losses.heavy:
            return
        good_ns = now_ns - self._streak_from_ns
        needed_ns = self._probation_ns()
        # After a relapse the way into PROBATION lengthens too, or a flickering cable would go
        # in and out of it for ever.
        if self._state is not HealthState.PROBATION and (
                self._relapses == 0 or 2 * good_ns >= needed_ns):
            self._go(HealthState.PROBATION, 'recovering', now_ns)
        if (self._state is HealthState.PROBATION and good_ns >= needed_ns
                and self._streak >= self._config.probation_count):
            self._regained_ns = now_ns
            self._recent.clear()
            self._settle(now_ns)

    def _settle(self, now_ns: int) -> None:
        """OK, or DEGRADED by evidence that leaves the samples usable."""
        reasons = [ENCODER_FAILED] if self._encodings.failure else []
        reasons += self._content.reported()
        if self._losses.active:
            # Late and missing samples are its consequences.
            reasons += ['transport_loss']
        else:
            reasons += ['latency_high'] if self._timing.latency_high else []
            reasons += ['rate_low'] if self._timing.rate_low else []
        if not reasons:
            if self._state is not HealthState.OK:
                self._go(HealthState.OK, 'new_rate' if self._timing.has_settled else 'recovered',
                         now_ns)
                self._reason = ''
                self._timing.has_settled = False
        elif self._state is not HealthState.DEGRADED or self._reason not in reasons:
            self._go(HealthState.DEGRADED, reasons[0], now_ns)
        self._usable = True

    def _on_bad_stamp(self, reason: str, is_stray: bool, now_ns: int) -> None:
        if is_stray:
            # Stragglers are left over when a delay ends: they come between good samples.
            self._num_stray += 1
            if self._num_stray >= self._config.stray_count:
                self._on_bad(reason, now_ns, immediate=True)
            return
        self._num_stray = 0
        if reason in LATE_REASONS and not self._timing.is_prompt_arrival(now_ns):
            self._streak = 0
            return
        self._on_bad(reason, now_ns)

    def _on_bad(self, reason: str, now_ns: int, immediate: bool = False) -> None:
        self._streak = 0
        self._bad_row += 1
        self._same_row = self._same_row + 1 if reason == self._row_reason else 1
        self._row_reason = reason
        self._recent.append(True)
        in_a_row = immediate or self._bad_row >= self._config.enter_count
        if self._state is HealthState.DEGRADED and not self._usable:
            if reason != self._reason and self._same_row >= self._config.enter_count:
                self._go(HealthState.DEGRADED, reason, now_ns)
            return
        may_count = self.is_trusted or self._state is HealthState.WAITING
        if in_a_row or (may_count and sum(self._recent) >= self._config.enter_total):
            self._distrust(HealthState.DEGRADED, reason, now_ns)

    def _lose(self, now_ns: int, reason: str) -> None:
        self._streak = self._bad_row = self._same_row = self._num_stray = 0
        self._recent.clear()
        self._timing.break_interval()
        self._timing.rate_low = self._timing.latency_high = False
        if self._state is not HealthState.LOST:
            self._distrust(HealthState.LOST, reason, now_ns)
        elif self._reason != reason:
            self._go(HealthState.LOST, reason, now_ns)

    def _distrust(self, state: HealthState, reason: str, now_ns: int) -> None:
        window_ns = self._config.flap_window_s * NS_PER_S
        if self._state is HealthState.PROBATION:
            self._relapses += 1
        elif self.is_trusted:
            is_relapse = (self._regained_ns is not None
                          and now_ns - self._regained_ns < window_ns)
            self._relapses = self._relapses + 1 if is_relapse else 0
        self._usable = False
        self._go(state, reason, now_ns)

    def _probation_ns(self) -> int:
        seconds = self._config.probation_s * 2.0 ** min(self._relapses, 30)
        return round(min(seconds, self._config.probation_max_s) * NS_PER_S)

    def _go(self, state: HealthState, reason: str, now_ns: int) -> None:
        old, self._state, self._reason = self._state, state, reason
        if old is not state:
            self._since_ns = now_ns
        self._record(Transition(self._modality, now_ns, old, state, reason))
