# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clean streams raise no alarm, whatever their rate, jitter, light and play rate."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anymodal_seg_ros.health import HealthConfig
from anymodal_seg_ros.samples import HealthState

pytestmark = pytest.mark.slow

ONLY_START = [(HealthState.OK, 'recovered')]


def changes(played):
    return [(new, reason) for _, new, reason in played.steps]


@settings(max_examples=40, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rate_hz=st.floats(1, 30), jitter_s=st.floats(0, 0.02), phase_s=st.floats(0, 0.1),
       losses=st.sets(st.integers(1, 9), max_size=9))
def test_jitter_and_single_losses_raise_no_alarm(drive, rate_hz, jitter_s, phase_s, losses):
    num_messages = 100
    jitter_s = min(jitter_s, 0.45 / rate_hz)  # a stream keeps its order
    lost = {10 * loss for loss in losses}
    played = drive('depth')
    played.add_clean(phase_s, phase_s + num_messages / rate_hz, rate_hz, jitter_s, lost)
    played.tick_ns = max(20_000_000, round(0.1e9 / rate_hz))
    played.run(phase_s + (num_messages - 1) / rate_hz)
    assert changes(played) == ONLY_START
    assert played.withheld == []
    assert played.report.expected_rate_hz == pytest.approx(rate_hz, rel=1e-3)


@pytest.mark.parametrize('modality', ['rgb', 'depth', 'lidar', 'event'])
def test_a_minute_of_street_raises_no_alarm(drive, modality):
    played = drive(modality)
    played.add_clean(0, 30, jitter_s=0.02, lost={50, 120, 200})
    played.run(29.9)
    assert changes(played) == ONLY_START
    assert played.withheld == []


@pytest.mark.parametrize('play_rate', [0.25, 1.0, 4.0])
def test_a_bag_at_any_play_rate_raises_no_alarm(drive, play_rate):
    """20 ms of transport, 20 ms of jitter and now and then 80 ms more, all in real time; /clock
    comes 50 times a second."""
    played = drive('lidar')
    jitter = np.random.default_rng(1)
    arrivals = []
    for index in range(150):
        played.add(index / 10)
        wait_s = 0.02 + jitter.uniform(-0.02, 0.02)
        wait_s += 0.08 if index % 25 == 24 and index > 50 else 0.0
        arrival_s = index / 10 / play_rate + wait_s
        arrivals.append((max(arrival_s, *(a for a, _ in arrivals[-1:]), 0.0),
                         played.messages[-1]))
    transitions = []
    for step in range(round(14.9 / play_rate * 50)):
        steady_s = step / 50
        now_ns = 1_000_000_000_000 + round(steady_s * play_rate * 1e9)
        while arrivals and arrivals[0][0] <= steady_s:
            message = arrivals.pop(0)[1]
            assert played.monitor.observe(played.sample(message), now_ns) == ''
        played.monitor.tick(now_ns, round(steady_s * 1e9))
        transitions += played.monitor.drain_transitions()
    assert [t.new for t in transitions] == [HealthState.OK]


@pytest.mark.parametrize('brightness', [0.07, 0.12, 0.17])
def test_night_raises_no_alarm(drive, street, brightness):
    played = drive('rgb')
    for index in range(60):
        image = street['image'](played.rng, brightness if index >= 30 else 1.0)
        played.add(index / 10, image)
    assert 6 < played.messages[-1].data.mean() < 22
    played.run(5.9)
    assert changes(played) == ONLY_START
    assert played.withheld == []


def test_a_plain_wall_ahead_is_not_blur(drive, street):
    played = drive('rgb')
    for index in range(60):
        image = street['image'](played.rng)
        if index >= 30:
            image[:, 10:118] = np.clip(120 + played.rng.normal(0, 3, (128, 108, 3)), 0, 255)
        played.add(index / 10, image)
    played.run(5.9)
    assert changes(played) == ONLY_START


def test_a_standing_vehicle_sees_few_events_and_raises_no_alarm(drive, street):
    played = drive('event')
    for index in range(80):
        stamp_ns = 1_000_000_000_000 + index * 100_000_000
        few = 12 if 20 <= index < 60 else 3000
        played.add(index / 10, street['events'](played.rng, stamp_ns, few))
    played.run(7.9)
    assert changes(played) == ONLY_START


def test_one_empty_event_batch_is_usable(drive, street):
    played = drive('event')
    played.add_clean(0, 4)
    played.messages[20].data = played.messages[20].data[:0]
    played.run(3.9)
    assert changes(played) == ONLY_START
    assert played.withheld == []


def test_a_stalled_process_loses_no_sensor(drive):
    """Nobody calls for 0.6 s; the waiting messages are taken in after the first late tick."""
    played = drive('rgb')
    played.add_clean(0, 3.0)
    played.run(3.0)
    for index in range(30, 36):
        played.add(index / 10)
    late_ns = played.messages[-1].arrival_ns + 10_000_000
    played.monitor.tick(late_ns, late_ns)
    for message in played.messages[-6:]:
        played.monitor.observe(played.sample(message), late_ns + 1_000_000)
    for step in range(1, 5):
        played.monitor.tick(late_ns + step * 20_000_000, late_ns + step * 20_000_000)
    assert played.monitor.drain_transitions() == []


def test_a_single_bad_sample_is_withheld_and_changes_nothing(drive):
    played = drive('rgb')
    played.add_clean(0, 4)
    played.messages[15].data = np.zeros_like(played.messages[15].data)
    played.messages[25].data = np.full_like(played.messages[25].data, 255)
    played.messages[35].data = None
    played.run(3.9)
    assert changes(played) == ONLY_START
    assert [reason for _, reason in played.withheld] == ['image_black', 'image_overexposed']
    assert played.report.rejected == {'image_black': 1, 'image_overexposed': 1, 'step': 1}


def test_a_noiseless_camera_that_stands_still_may_repeat_its_picture(drive):
    config = HealthConfig(skip_checks=frozenset({'image_frozen', 'image_covered'}))
    for skipping, alarms in ((config, 0), (None, 1)):
        played = drive('rgb', skipping)
        picture = played.data(0)
        for index in range(30):
            played.add(index / 10, picture)
        played.run(2.9)
        assert sum(reason == 'image_frozen' for _, _, reason in played.steps) == alarms
