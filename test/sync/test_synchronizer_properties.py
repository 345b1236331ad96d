# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What must hold of the synchronizer for every stream: sensors that lose, jitter, reorder, die."""

import os
import random
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anymodal_seg_ros.samples import Sample
from anymodal_seg_ros.sync import SyncConfig, Synchronizer, SyncInputConfig

pytestmark = pytest.mark.slow

MS = 1_000_000
SECOND = 1_000_000_000
MODALITIES = ('rgb', 'depth', 'lidar', 'event')
NUM_EXAMPLES = int(os.environ.get('SYNC_NUM_EXAMPLES', '200'))
COMMON = settings(
    max_examples=NUM_EXAMPLES,
    deadline=None,
    derandomize='SYNC_NUM_EXAMPLES' not in os.environ,
    suppress_health_check=list(HealthCheck),
    database=None,
)


class Watched(Synchronizer):
    """Tells of each sample that it drops."""

    def __init__(self, inputs, config, on_drop):
        super().__init__(inputs, config)
        self._on_drop = on_drop

    def _drop(self, samples, reason):
        samples = list(samples)
        super()._drop(samples, reason)
        for sample in samples:
            self._on_drop(sample, reason)


@dataclass(frozen=True)
class Sensor:
    """How one simulated sensor behaves. Times in ms."""

    period: float = 100
    phase: float = 0
    latency: float = 10
    stamp_jitter: float = 0
    latency_jitter: float = 0
    loss: float = 0
    duplicates: float = 0
    reordered: float = 0
    bad_stamps: float = 0
    dead_from: float = 1e9
    dead_until: float = 1e9
    rate_change_at: float = 1e9
    second_period: float = 100
    stamp_step_at: float = 1e9
    stamp_step: float = 0


def make_sample(modality, stamp_ns, received_ns=0):
    return Sample(
        modality=modality,
        stamp_ns=stamp_ns,
        received_ns=received_ns,
        frame_id=modality,
        data=np.empty(0),
    )


def simulate(modality, sensor, duration_ms, rng):
    """(arrival in ms, stamp in ms) of everything that the sensor sends."""
    events = []
    time = sensor.phase
    while time < duration_ms:
        stamp = time + rng.gauss(0, 1) * sensor.stamp_jitter
        arrival = time + sensor.latency + rng.expovariate(1) * sensor.latency_jitter
        if time >= sensor.stamp_step_at:
            stamp += sensor.stamp_step
        if rng.random() < sensor.reordered:
            arrival += rng.uniform(0, 3) * sensor.period
        if rng.random() < sensor.bad_stamps:
            stamp += rng.choice([50, 90, 300, 5e3, 1e12, -300, -700, -3e3, -1e12])
        is_dead = sensor.dead_from <= time < sensor.dead_until
        if not is_dead and rng.random() >= sensor.loss:
            events.append((arrival, stamp))
            if rng.random() < sensor.duplicates:
                events.append((arrival + rng.uniform(0, 60), stamp))
        time += sensor.period if time < sensor.rate_change_at else sensor.second_period
    return [(arrival, modality, stamp) for arrival, stamp in events]


@dataclass
class Loop:
    """Drives a synchronizer as an event loop does and checks every answer."""

    inputs: dict
    config: SyncConfig
    arrivals: dict = field(default_factory=dict)
    times_used: Counter = field(default_factory=Counter)
    drops: dict = field(default_factory=dict)
    waiting: dict = field(default_factory=dict)
    set_times: list = field(default_factory=list)
    samples: list = field(default_factory=list)
    last_stamp: int | None = None
    resets: int = 0
    num_checks: int = 0

    def __post_init__(self):
        self.max_wait_s = self.config.max_wait_s
        self.sync = Watched(self.inputs, self.config, self.on_drop)
        self.waiting = {name: [] for name in self.inputs}
        self.trusted = frozenset(self.inputs)

    def on_drop(self, sample, reason):
        assert id(sample) not in self.drops, 'dropped twice'
        assert not self.times_used[id(sample)], 'used and dropped'
        self.drops[id(sample)] = reason

    def wait_until(self, now_ns):
        due_ns = self.sync.next_deadline()
        while due_ns is not None and due_ns <= now_ns:
            self.check(self.sync.expire(due_ns), due_ns)
            next_ns = self.sync.next_deadline()
            assert next_ns is None or next_ns > due_ns, 'a deadline that passed comes again'
            due_ns = next_ns

    def add(self, sample, now_ns):
        self.samples.append(sample)
        self.arrivals[id(sample)] = now_ns
        self.waiting[sample.modality].append(sample)
        self.check(self.sync.add(sample, now_ns), now_ns)

    def set_trusted(self, trusted, now_ns):
        self.trusted = trusted
        self.check(self.sync.set_trusted(trusted, now_ns), now_ns)

    def reconfigure(self, inputs, config, now_ns):
        """A sample waits at most as long as any settings of its time allow."""
        self.inputs = {name: inputs[name] for name in self.inputs}
        self.config = config
        self.max_wait_s = max(self.max_wait_s, config.max_wait_s)
        self.check(self.sync.reconfigure(self.inputs, config, now_ns), now_ns, is_on_time=False)

    def check(self, sets, now_ns, is_on_time=True):
        self.num_checks += 1
        if not sets and self.num_checks % 8:
            return
        stats = self.sync.stats()
        if stats.resets > self.resets:
            self.resets = stats.resets
            self.last_stamp = None
        for index, sample_set in enumerate(sets):
            self.check_members(sample_set)
            self.check_nearest(sample_set, None if index == 0 else sets[index - 1].stamp_ns)
            assert self.last_stamp is None or sample_set.stamp_ns > self.last_stamp
            self.last_stamp = sample_set.stamp_ns
            if is_on_time:
                delay_ns = now_ns - self.arrivals[id(sample_set.samples[sample_set.reference])]
                assert delay_ns <= self.max_wait_s * SECOND
            self.set_times.append(now_ns)
            for sample in sample_set.samples.values():
                self.times_used[id(sample)] += 1
        for modality, config in self.inputs.items():
            queue = self.waiting[modality]
            self.waiting[modality] = [
                s for s in queue if id(s) not in self.drops and not self.times_used[id(s)]
            ]
            assert len(self.waiting[modality]) == stats.inputs[modality].queued <= config.max_queue

    def check_members(self, sample_set):
        members, absent = sample_set.samples, sample_set.absent
        assert members[sample_set.reference].stamp_ns == sample_set.stamp_ns
        assert set(members) | set(absent) == set(self.inputs)
        assert not set(members) & set(absent)
        assert set(members) <= self.trusted
        assert {name for name, reason in absent.items() if reason == 'untrusted'} == (
            set(self.inputs) - self.trusted
        )
        assert sample_set.complete == (set(absent.values()) <= {'untrusted', 'never_received'})
        for modality, sample in members.items():
            assert sample.modality == modality
            assert id(sample) not in self.drops
            config = self.inputs[modality]
            offset_ns = sample_set.offset_ns(modality)
            reach_s = max(config.tolerance_s, config.max_age_s)
            assert -reach_s * SECOND <= offset_ns <= config.tolerance_s * SECOND
            assert config.max_age_s > 0 or not self.times_used[id(sample)]

    def check_nearest(self, sample_set, previous_ns):
        period_ms = self.sync.stats().inputs[sample_set.reference].period_ms
        ahead_ns = 1 << 62 if np.isnan(period_ms) else period_ms * MS / 2
        for modality, member in sample_set.samples.items():
            if modality == sample_set.reference or self.times_used[id(member)]:
                continue
            for other in self.waiting[modality]:
                if id(other) in self.drops or self.times_used[id(other)]:
                    continue
                if previous_ns is not None and other.stamp_ns <= previous_ns:
                    continue
                offset_ns = other.stamp_ns - sample_set.stamp_ns
                if offset_ns > min(self.inputs[modality].tolerance_s * SECOND, ahead_ns):
                    continue
                assert abs(offset_ns) >= abs(sample_set.offset_ns(modality)), 'a nearer one waited'

    def finish(self, now_ns):
        self.wait_until(now_ns)
        self.check(self.sync.flush(now_ns), now_ns, is_on_time=False)
        stats = self.sync.stats()
        for sample in self.samples:
            was_used, was_dropped = self.times_used[id(sample)] > 0, id(sample) in self.drops
            assert was_used != was_dropped, 'neither used nor reported'
        for modality, counts in stats.inputs.items():
            mine = [sample for sample in self.samples if sample.modality == modality]
            assert counts.received == len(mine) == counts.used + sum(counts.dropped.values())
            assert counts.queued == 0
            uses = [self.times_used[id(sample)] for sample in mine]
            assert counts.used == sum(count > 0 for count in uses)
            assert counts.reused == sum(uses) - counts.used
        assert stats.sets == len(self.set_times)


def ms(low, high):
    return st.floats(low, high, allow_nan=False, width=32)


SENSORS = st.builds(
    Sensor,
    period=st.sampled_from([10.0, 33.3, 50.0, 100.0, 100.0, 100.0, 250.0]),
    phase=ms(0, 250),
    latency=ms(0, 150),
    stamp_jitter=st.sampled_from([0.0, 0.0, 1.0, 10.0]),
    latency_jitter=st.sampled_from([0.0, 0.0, 2.0, 30.0]),
    loss=st.sampled_from([0.0, 0.0, 0.1, 0.5]),
    duplicates=st.sampled_from([0.0, 0.0, 0.1]),
    reordered=st.sampled_from([0.0, 0.0, 0.1]),
    bad_stamps=st.sampled_from([0.0, 0.0, 0.0, 0.05, 0.5]),
    dead_from=ms(0, 8000),
    dead_until=ms(0, 12000),
    rate_change_at=ms(0, 8000),
    second_period=st.sampled_from([20.0, 50.0, 100.0, 200.0]),
    stamp_step_at=ms(0, 12000),
    stamp_step=st.sampled_from([0.0, 0.0, -2000.0, -200.0, 40.0, 1000.0]),
)
EACH_INPUT = {
    name: st.builds(
        SyncInputConfig,
        tolerance_s=st.sampled_from([0.0, 0.01, 0.03, 0.05, 0.15]),
        max_age_s=st.sampled_from([0.0, 0.0, 0.15, 0.5]),
        is_camera_plane=st.just(name != 'lidar'),
        max_queue=st.sampled_from([2, 5, 32]),
    )
    for name in MODALITIES
}
INPUTS = st.fixed_dictionaries({}, optional=EACH_INPUT).filter(bool)
CONFIGS = st.builds(
    SyncConfig,
    max_wait_s=st.sampled_from([0.02, 0.1, 0.3]),
    max_misses=st.sampled_from([1, 2]),
)
JUMPS_MS = st.sampled_from([0, 0, -200, -3000, 700, 60_000])


def play(loop, sensors, duration_ms, seed, jump_ms=0, trust_changes=(), reconfigurations=()):
    """Send all sensors' samples; half-way the clock and all later stamps jump."""
    rng = random.Random(seed)
    events = [
        event
        for modality in loop.inputs
        for event in simulate(modality, sensors[modality], duration_ms, rng)
    ]
    events += [(time, None, trusted) for time, trusted in trust_changes]
    events += [(time, None, settings) for time, *settings in reconfigurations]
    shift_ms, start_ns = 0, 100 * SECOND
    for arrival, modality, value in sorted(events, key=lambda event: event[0]):
        if jump_ms and not shift_ms and arrival >= duration_ms / 2:
            shift_ms = jump_ms
            loop.wait_until(start_ns + round(arrival * MS))
            now_ns = start_ns + round((arrival + shift_ms) * MS)
            loop.check(loop.sync.expire(now_ns), now_ns, is_on_time=False)
        now_ns = start_ns + round((arrival + shift_ms) * MS)
        loop.wait_until(now_ns)
        if modality is None and isinstance(value, list):
            loop.reconfigure(*value, now_ns)
        elif modality is None:
            loop.set_trusted(value & loop.inputs.keys(), now_ns)
        else:
            stamp_ns = start_ns + round((value + shift_ms) * MS)
            loop.add(make_sample(modality, stamp_ns, now_ns), now_ns)
    loop.finish(start_ns + round((duration_ms + 2000 + shift_ms) * MS))


@COMMON
@given(
    inputs=INPUTS,
    config=CONFIGS,
    sensors=st.fixed_dictionaries(dict.fromkeys(MODALITIES, SENSORS)),
    jump_ms=JUMPS_MS,
    trust_changes=st.lists(
        st.tuples(ms(0, 4000), st.frozensets(st.sampled_from(MODALITIES))), max_size=4
    ),
    seed=st.integers(0, 1 << 30),
)
def test_every_set_and_every_sample_keeps_the_rules(
    inputs, config, sensors, jump_ms, trust_changes, seed
):
    play(Loop(inputs, config), sensors, 4000, seed, jump_ms, trust_changes)


@COMMON
@given(
    inputs=INPUTS,
    config=CONFIGS,
    sensors=st.fixed_dictionaries(dict.fromkeys(MODALITIES, SENSORS)),
    steady=st.sampled_from(MODALITIES),
    period=st.sampled_from([20.0, 50.0, 100.0]),
    latency=ms(0, 150),
    max_age_s=st.sampled_from([0.0, 0.3]),
    seed=st.integers(0, 1 << 30),
)
def test_sets_keep_coming_while_one_sensor_speaks(
    inputs, config, sensors, steady, period, latency, max_age_s, seed
):
    inputs = inputs | {
        steady: SyncInputConfig(max_age_s=max_age_s, is_camera_plane=steady != 'lidar')
    }
    sensors = sensors | {steady: Sensor(period=period, latency=latency)}
    loop = Loop(inputs, config)
    play(loop, sensors, 4000, seed)
    first_ns, last_ns = 100 * SECOND + 150 * MS, 104 * SECOND
    times = [first_ns, *(t for t in loop.set_times if first_ns < t < last_ns), last_ns]
    assert max(np.diff(times)) <= 1 * SECOND


@settings(COMMON, max_examples=NUM_EXAMPLES // 4)
@given(
    period=st.sampled_from([20.0, 33.3, 100.0]),
    latencies=st.tuples(ms(0, 60), ms(0, 60), ms(0, 60), ms(0, 60)),
    seed=st.integers(0, 1 << 30),
)
def test_jittery_sensors_of_one_rate_give_one_complete_set_for_every_stamp(
    period, latencies, seed
):
    inputs = {name: SyncInputConfig(tolerance_s=period / 2500) for name in MODALITIES}
    loop = Loop(inputs, SyncConfig())
    sensors = {
        name: Sensor(period=period, phase=20, latency=latency, stamp_jitter=0.3, latency_jitter=2)
        for name, latency in zip(MODALITIES, latencies, strict=True)
    }
    play(loop, sensors, 4000, seed)
    stats = loop.sync.stats()
    num_stamps = stats.inputs['rgb'].received
    assert abs(stats.sets - num_stamps) <= 2 + num_stamps // 50
    assert stats.complete_sets >= 0.9 * num_stamps


@settings(COMMON, max_examples=NUM_EXAMPLES // 2)
@given(
    inputs=INPUTS,
    config=CONFIGS,
    sensors=st.fixed_dictionaries(dict.fromkeys(MODALITIES, SENSORS)),
    reconfigurations=st.lists(
        st.tuples(ms(0, 3000), st.fixed_dictionaries(EACH_INPUT), CONFIGS), max_size=6
    ),
    seed=st.integers(0, 1 << 30),
)
def test_the_rules_hold_whatever_is_reconfigured(inputs, config, sensors, reconfigurations, seed):
    play(Loop(inputs, config), sensors, 3000, seed, reconfigurations=reconfigurations)


class Reconfigured:
    """A synchronizer beside its twin: after every call the one takes a detour in its settings.

    Patience alone sends no set out, so that the way back leads to where it started.
    """

    def __init__(self, inputs, config, on_drop, patience):
        self.drops, self.plain_drops = [], []
        self.inputs, self.config = inputs, config
        self.detour = [(
            {name: replace(one, max_queue=one.max_queue + round(patience)) for name, one
             in inputs.items()},
            replace(
                config, max_wait_s=config.max_wait_s + patience, max_silence_s=0.3 + patience,
                arrival_margin_s=0.01 + patience, arrival_spread=4.0 + patience,
                max_misses=config.max_misses + round(patience), max_past_s=10.0 + patience,
                max_future_s=0.2 + patience, reset_jump_s=0.5 + patience,
            ),
        ), (inputs, config)]
        self.plain = Watched(inputs, config, self.on_plain_drop)
        self.sync = Watched(inputs, config, self.on_own_drop)
        self.on_drop = on_drop

    def on_plain_drop(self, sample, reason):
        self.plain_drops.append((sample, reason))
        self.on_drop(sample, reason)

    def on_own_drop(self, sample, reason):
        self.drops.append((sample, reason))

    def __getattr__(self, name):
        def call(*args):
            expected = getattr(self.plain, name)(*args)
            found = getattr(self.sync, name)(*args)
            for inputs, config in self.detour:
                assert self.sync.reconfigure(inputs, config, args[-1]) == []
            assert [s.samples for s in found] == [s.samples for s in expected]
            assert [(s.stamp_ns, s.complete, s.absent) for s in found] == [
                (s.stamp_ns, s.complete, s.absent) for s in expected]
            assert self.drops == self.plain_drops
            assert self.sync.next_deadline() == self.plain.next_deadline()
            assert repr(self.sync.stats()) == repr(self.plain.stats())
            return expected

        return call

    def next_deadline(self):
        return self.plain.next_deadline()

    def stats(self):
        return self.plain.stats()


@settings(COMMON, max_examples=NUM_EXAMPLES // 4)
@given(
    inputs=INPUTS,
    config=CONFIGS,
    sensors=st.fixed_dictionaries(dict.fromkeys(MODALITIES, SENSORS)),
    patience=st.sampled_from([0, 0, 3]),
    jump_ms=JUMPS_MS,
    trust_changes=st.lists(
        st.tuples(ms(0, 2000), st.frozensets(st.sampled_from(MODALITIES))), max_size=4
    ),
    seed=st.integers(0, 1 << 30),
)
def test_settings_that_come_back_to_what_they_were_change_nothing_later(
    inputs, config, sensors, patience, jump_ms, trust_changes, seed
):
    loop = Loop(inputs, config)
    loop.sync = Reconfigured(inputs, config, loop.on_drop, patience)
    play(loop, sensors, 2000, seed, jump_ms, trust_changes)
