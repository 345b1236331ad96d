# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The health of all sensors, and of the clock they are judged by. Health layer."""

from __future__ import annotations

from collections.abc import Mapping

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.health.checks import check_skipped
from anymodal_seg_ros.health.health_config import DEFAULTS, HealthConfig
from anymodal_seg_ros.health.sensor import SensorHealth, Transition
from anymodal_seg_ros.health.statistics import NS_PER_S
from anymodal_seg_ros.samples import HealthReport, Sample

BACKWARD_JUMP_NS = NS_PER_S // 2
FORWARD_JUMP_NS = 2 * NS_PER_S
MAX_CLOCK_RATE = 10.0
PAUSE_NS = NS_PER_S // 2
STALL_NS = NS_PER_S // 5
MAX_TRANSITIONS = 1000


class Clock:
    """Watches the node's clock against a steady one: its rate, and whether it is paused."""

    def __init__(self) -> None:
        self.scale = 1.0
        """How many times faster than real time the clock runs; never below 1."""
        self.paused = False
        self._last: tuple[int, int] | None = None
        self._moved_ns = 0
        self._window: tuple[int, int] | None = None

    def watch(self, now_ns: int, steady_ns: int) -> bool:
        """Take in one reading of both; True when the node's clock has jumped ahead."""
        if self._last is None:
            self._last = self._window = (now_ns, steady_ns)
            self._moved_ns = steady_ns
            return False
        last_now_ns, last_steady_ns = self._last
        self._last = (now_ns, steady_ns)
        if now_ns != last_now_ns:
            self._moved_ns = steady_ns
        self.paused = steady_ns - self._moved_ns >= PAUSE_NS
        most_ns = FORWARD_JUMP_NS + 2 * MAX_CLOCK_RATE * (steady_ns - last_steady_ns)
        if now_ns - last_now_ns > most_ns:
            self._window = (now_ns, steady_ns)
            return True
        self._measure_rate(now_ns, steady_ns)
        return False

    def _measure_rate(self, now_ns: int, steady_ns: int) -> None:
        if self._window is None:
            return
        from_now_ns, from_steady_ns = self._window
        if steady_ns - from_steady_ns < NS_PER_S:
            return
        rate = (now_ns - from_now_ns) / (steady_ns - from_steady_ns)
        self._window = (now_ns, steady_ns)
        # A pause says nothing about how fast the clock goes on.
        if rate > 0.2:
            self.scale = min(rate, MAX_CLOCK_RATE) if rate > 1.2 else 1.0


class HealthMonitor:
    """Judges every sensor from its samples and from time.

    Call ``observe`` for each decoded sample, ``reject`` for each message that could not be
    decoded, and ``tick`` 20 times a second or more. Not thread-safe: call it from one thread.
    All times are ns of the node's clock; ``steady_ns`` is any clock that never stops or jumps.
    """

    def __init__(self, configs: Mapping[str, HealthConfig] = DEFAULTS) -> None:
        if not configs:
            raise ConfigError('health needs at least one sensor; none is configured')
        for modality, config in configs.items():
            check_skipped(modality, config)
        self._transitions: list[Transition] = []
        self._sensors = {
            modality: SensorHealth(modality, config, self._record)
            for modality, config in configs.items()}
        self._now_ns: int | None = None
        self._clock = Clock()
        self._has_passed_over = False

    @property
    def clock_paused(self) -> bool:
        """True while the node's clock stands still and the steady clock runs on."""
        return self._clock.paused

    def observe(self, sample: Sample, now_ns: int) -> str:
        """Judge a sample on its arrival.

        Returns:
            '' when it may be used; else the reason code for withholding it, ``'probation'``
            while the sample is good and its sensor has yet to earn back its trust, or
            ``'disabled'``.

        Raises:
            ConfigError: a modality that is not configured.
        """
        now_ns = self._advance(now_ns)
        return self._sensor(sample.modality).observe(sample, now_ns, self._clock.scale)

    def mismatch(self, sample: Sample) -> str:
        """``wrong_frame`` or ``wrong_size`` for a sample that ``observe`` would withhold for it,
        so that nothing is learnt from one; else ''. Changes nothing."""
        return self._sensor(sample.modality).mismatch(sample)

    def reject(
        self, modality: str, reason: str, now_ns: int, state_reason: str = 'malformed'
    ) -> None:
        """Count an unusable message under ``reason``; the state's reason is ``state_reason``."""
        self._sensor(modality).reject(reason, self._advance(now_ns), state_reason)

    def note_encoded(self, modality: str, failure: str, now_ns: int) -> None:
        """One of its samples was encoded, or could not be: then the text of the error. Lets no
        time pass."""
        self._sensor(modality).note_encoded(failure, max(now_ns, self._now_ns or 0))

    def note_lost(self, modality: str, number: int, now_ns: int) -> None:
        """So many messages were lost on their way here, or came only when they were sent again:
        what is missing of this sensor is not its own fault."""
        self._sensor(modality).note_lost(number, self._advance(now_ns))

    def tick(self, now_ns: int, steady_ns: int | None = None) -> None:
        """Let time pass. Without ``steady_ns`` a pause and a jump ahead are not told apart from
        silence."""
        stalled = (self._now_ns is not None
                   and now_ns - self._now_ns > STALL_NS * self._clock.scale)
        now_ns = self._advance(now_ns)
        if steady_ns is not None and self._clock.watch(now_ns, steady_ns):
            self._reset(now_ns, 'clock_jump')
        # When nobody called for a while, messages may be waiting for their callbacks: silence
        # is judged one tick later, after they have been taken in.
        self._has_passed_over = stalled and not self._has_passed_over
        if self._has_passed_over:
            return
        for sensor in self._sensors.values():
            sensor.tick(now_ns, self._clock.scale)

    def reports(self, now_ns: int) -> dict[str, HealthReport]:
        """The health of every sensor by modality. Does not let time pass: ``tick`` does."""
        now_ns = max(now_ns, self._now_ns or 0)
        return {modality: sensor.report(now_ns) for modality, sensor in self._sensors.items()}

    def trusted(self) -> frozenset[str]:
        """The modalities whose samples may enter a set: OK, DEGRADED by evidence that leaves
        them usable, or WAITING after a first good sample."""
        return frozenset(m for m, sensor in self._sensors.items() if sensor.is_trusted)

    def drain_transitions(self) -> list[Transition]:
        """Every change since the last call, once, oldest first; the newest 1000 are kept."""
        drained, self._transitions = self._transitions, []
        return drained

    def reconfigure(self, configs: Mapping[str, HealthConfig], now_ns: int) -> None:
        """Judge these sensors by other thresholds from now on; lets no time pass.

        States, counts and all that was learnt stay, but of a sensor that ``enabled`` switches off
        (DISABLED) or on again (WAITING).

        Raises:
            ConfigError: a modality that is not configured, or a check that it has not; then
                nothing has changed.
        """
        now_ns = max(now_ns, self._now_ns or 0)
        sensors = [(self._sensor(modality), config) for modality, config in configs.items()]
        for modality, config in configs.items():
            check_skipped(modality, config)
        for sensor, config in sensors:
            sensor.reconfigure(config, now_ns)

    def reset(self, now_ns: int) -> None:
        """Start anew after a jump of the clock: all is forgotten but counters and DISABLED."""
        self._now_ns = now_ns
        self._clock = Clock()
        self._reset(now_ns, 'reset')

    def _reset(self, now_ns: int, reason: str) -> None:
        for sensor in self._sensors.values():
            sensor.reset(now_ns, reason)

    def _advance(self, now_ns: int) -> int:
        """The time to judge by: never backwards, but after a real jump all starts anew."""
        if self._now_ns is None:
            for sensor in self._sensors.values():
                sensor.begin(now_ns)
        elif now_ns < self._now_ns - BACKWARD_JUMP_NS:
            self._clock = Clock()
            self._reset(now_ns, 'clock_jump')
        else:
            now_ns = max(now_ns, self._now_ns)
        self._now_ns = now_ns
        return now_ns

    def _sensor(self, modality: str) -> SensorHealth:
        try:
            return self._sensors[modality]
        except KeyError:
            raise ConfigError(f'health knows no sensor {modality!r}; '
                              f'allowed: {", ".join(self._sensors)}') from None

    def _record(self, transition: Transition) -> None:
        self._transitions.append(transition)
        del self._transitions[:-MAX_TRANSITIONS]
