# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A sensor that speaks to a health monitor under a fake clock, and what it shows."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from anymodal_seg_ros.health import DEFAULTS, HealthMonitor
from anymodal_seg_ros.samples import EVENT_DTYPE, HealthState, Sample

S = 1_000_000_000
MS = 1_000_000
START_NS = 1_000 * S
TICK_NS = 20 * MS
FAULTS = ('stop', 'freeze', 'empty', 'delay', 'stamp_jump', 'garbage', 'rate_halved')


def street_image(rng, brightness=1.0, size=128):
    """Texture at several scales with sensor noise; about 110 grey levels on average."""
    rows, columns = np.mgrid[:size, :size]
    base = 110 + 50 * np.sin(rows / 17) + 30 * ((columns // 8 + rows // 8) % 2)
    noisy = base[..., None] * brightness + rng.normal(0, 3, (size, size, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def street_depth(rng):
    depth_m = np.linspace(60, 3, 96)[:, None] * np.ones((1, 128))
    depth_m = (depth_m + rng.normal(0, 0.02, depth_m.shape)).astype(np.float32)
    depth_m[:20] = np.nan
    return depth_m


def street_scan(rng, num_points=4000):
    """Half ground 1.8 m below the sensor, half walls 12 m away, with 1 cm of noise."""
    azimuth = rng.uniform(-np.pi, np.pi, num_points)
    is_ground = np.arange(num_points) % 2 == 0
    flat_m = np.where(is_ground, rng.uniform(4, 20, num_points), 12.0)
    height_m = np.where(is_ground, -1.8, rng.uniform(-1.0, 6.0, num_points))
    xyz = np.stack([flat_m * np.cos(azimuth), flat_m * np.sin(azimuth), height_m], axis=1)
    xyz += rng.normal(0, 0.01, xyz.shape)
    return np.column_stack([xyz, rng.random(num_points)]).astype(np.float32)


def street_events(rng, stamp_ns, num_events=3000):
    """Events of the last 100 ms along a few edges."""
    events = np.zeros(num_events, EVENT_DTYPE)
    events['x'] = rng.choice([30, 31, 90, 150, 151, 220], num_events)
    events['y'] = rng.integers(60, 200, num_events)
    events['t_ns'] = np.sort(stamp_ns - rng.integers(0, 100 * MS, num_events))
    events['polarity'] = rng.random(num_events) < 0.5
    return events


def street_data(modality, rng, stamp_ns):
    if modality == 'event':
        return street_events(rng, stamp_ns)
    if modality == 'thermal':
        return street_image(rng)[..., 1]
    return {'rgb': street_image, 'depth': street_depth, 'lidar': street_scan}[modality](rng)


def empty_data(modality, rng, stamp_ns):
    full = street_data(modality, rng, stamp_ns)
    if modality in ('rgb', 'thermal'):
        return np.zeros_like(full)
    return np.full_like(full, np.nan) if modality == 'depth' else full[:0]


@dataclass(eq=False)
class Message:
    """What arrives: a sample, or bytes that cannot be decoded when ``data`` is None."""

    arrival_ns: int
    stamp_ns: int
    data: object


@dataclass
class Drive:
    """Plays one sensor's messages and a steady 20 ms tick to a monitor."""

    modality: str = 'rgb'
    config: object = None
    tick_ns: int = TICK_NS
    messages: list = field(default_factory=list)

    def __post_init__(self):
        config = self.config or DEFAULTS[self.modality]
        self.monitor = HealthMonitor({self.modality: config})
        self.transitions = []
        self.withheld = []
        self.trusted_at = {}
        self.rng = np.random.default_rng(7)

    def data(self, stamp_ns):
        return street_data(self.modality, self.rng, stamp_ns)

    def sample(self, message):
        return Sample(modality=self.modality, stamp_ns=message.stamp_ns,
                      received_ns=message.arrival_ns, frame_id='sensor', data=message.data)

    def add(self, second, data=None, latency_s=0.02, stamp_shift_s=0.0):
        """A message measured at ``second`` after the start."""
        stamp_ns = START_NS + round(second * S)
        data = self.data(stamp_ns) if data is None else data
        self.messages.append(Message(stamp_ns + round(latency_s * S),
                                     stamp_ns + round(stamp_shift_s * S), data))

    def add_clean(self, start_s, end_s, rate_hz=10.0, jitter_s=0.0, lost=()):
        for index in range(round((end_s - start_s) * rate_hz)):
            if index not in lost:
                self.add(start_s + index / rate_hz,
                         latency_s=0.02 + jitter_s + self.rng.uniform(-1, 1) * jitter_s)

    def run(self, until_s):
        """Deliver the messages in order of arrival, ticking in between; keeps the record."""
        todo = sorted(self.messages, key=lambda message: message.arrival_ns)
        index = 0
        for now_ns in range(START_NS, START_NS + round(until_s * S), self.tick_ns):
            while index < len(todo) and todo[index].arrival_ns <= now_ns:
                self.deliver(todo[index])
                index += 1
            self.monitor.tick(now_ns, now_ns)
            self.transitions += self.monitor.drain_transitions()
            self.trusted_at[now_ns] = bool(self.monitor.trusted())
        return self

    def deliver(self, message):
        if message.data is None:
            self.monitor.reject(self.modality, 'step', message.arrival_ns)
            return
        reason = self.monitor.observe(self.sample(message), message.arrival_ns)
        if reason:
            self.withheld.append(((message.arrival_ns - START_NS) / S, reason))

    @property
    def report(self):
        return self.monitor.reports(0)[self.modality]

    @property
    def steps(self):
        """(seconds since the start, new state, reason) of each transition."""
        return [((t.stamp_ns - START_NS) / S, t.new, t.reason) for t in self.transitions]

    def add_faulty(self, fault, start_s, end_s, until_s, rate_hz=10.0):
        """Clean messages with one fault between ``start_s`` and ``end_s``."""
        frozen = None
        num_in_fault = 0
        for index in range(round(until_s * rate_hz)):
            second = index / rate_hz
            if not start_s <= second < end_s:
                self.add(second)
                frozen = self.messages[-1].data
                continue
            num_in_fault += 1
            self._add_fault(fault, second, frozen, num_in_fault)

    def _add_fault(self, fault, second, frozen, count):
        if fault == 'freeze':
            self.add(second, frozen)
        elif fault == 'empty':
            self.add(second, empty_data(self.modality, self.rng, START_NS + round(second * S)))
        elif fault == 'delay':
            self.add(second, latency_s=0.32)
        elif fault == 'stamp_jump':
            self.add(second, stamp_shift_s=5.0)
        elif fault == 'stamp_past':
            self.add(second, stamp_shift_s=-5.0)
        elif fault == 'garbage':
            self.add(second)
            self.messages[-1].data = None
        elif fault == 'rate_halved' and count % 2 == 1:
            self.add(second)

    def fault_times(self, start_s, end_s):
        """(detected after, recovered after) in seconds; NaN where it never happened."""
        left = [t for t, new, _ in self.steps if t >= start_s and new is not HealthState.OK]
        back = [t for t, new, _ in self.steps if t >= end_s and new is HealthState.OK]
        return (left[0] - start_s if left else np.nan, back[0] - end_s if back else np.nan)


@pytest.fixture
def drive():
    """Makes a Drive."""
    return Drive


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture
def street():
    """Data makers by name."""
    return {'image': street_image, 'depth': street_depth, 'scan': street_scan,
            'events': street_events}
