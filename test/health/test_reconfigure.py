# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Other thresholds at run time: what is known of a sensor stays."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.health import DEFAULTS, HealthConfig, HealthMonitor
from anymodal_seg_ros.samples import HealthState

S = 1_000_000_000
START = 1_000 * S
FAULTS = ('stop', 'freeze', 'empty', 'delay', 'stamp_jump', 'garbage', 'rate_halved')
OK, LOST, WAITING, PROBATION, DISABLED, DEGRADED = (
    HealthState.OK, HealthState.LOST, HealthState.WAITING, HealthState.PROBATION,
    HealthState.DISABLED, HealthState.DEGRADED)
PATIENT = {'timeout_floor_s': 9.0, 'max_latency_s': 5.0, 'stale_s': 9.0, 'rate_slack_s': 1.0,
           'probation_s': 3.0, 'exit_count': 9, 'enter_count': 9, 'enter_total': 9,
           'enter_window': 20, 'black_mean': 1.0, 'baseline_count': 99, 'grace_s': 99.0}


def reconfigure(played, **changes):
    config = replace(played.config or DEFAULTS[played.modality], **changes)
    now_ns = max(played.trusted_at, default=START)
    played.monitor.reconfigure({played.modality: config}, now_ns)


def record(played):
    played.transitions += played.monitor.drain_transitions()
    return (played.steps, played.withheld, list(played.trusted_at.values()),
            repr(played.monitor.reports(0)))


@pytest.mark.slow
@settings(max_examples=24, deadline=None, derandomize=True, database=None,
          suppress_health_check=list(HealthCheck))
@given(modality=st.sampled_from(list(DEFAULTS)), fault=st.sampled_from(FAULTS),
       start_s=st.floats(0.0, 1.5), length_s=st.floats(0.1, 0.8), detour=st.booleans())
def test_settings_that_come_back_to_what_they_were_change_nothing_later(
        drive, modality, fault, start_s, length_s, detour):
    plain, changed = drive(modality), drive(modality)
    for played in (plain, changed):
        played.add_faulty(fault, start_s, start_s + length_s, 2.5)
    deliver = changed.deliver

    def deliver_and_reconfigure(message):
        deliver(message)
        if detour:
            reconfigure(changed, **PATIENT)
        reconfigure(changed)

    changed.deliver = deliver_and_reconfigure
    assert record(changed.run(2.5)) == record(plain.run(2.5))
    assert plain.report.num_received > 0


def blocked(scan):
    """Without what lies in a quarter of the circle."""
    azimuth = np.arctan2(scan[:, 1], scan[:, 0])
    return scan[~((azimuth > 0) & (azimuth < np.pi / 2))]


def test_a_blocked_sector_stays_known_and_counted(drive):
    played = drive('lidar')
    for index in range(60):
        played.add(index / 10)
        if index >= 25:
            played.messages[-1].data = blocked(played.messages[-1].data)
    played.messages[10].data = None
    played.run(3.0)
    assert (played.report.state, played.report.reason) == (DEGRADED, 'scan_sector_blocked')
    before = played.report
    reconfigure(played, max_latency_s=0.4, timeout_floor_s=0.5)
    assert played.report == before
    assert played.report.rejected == {'step': 1}
    steps = len(played.steps)
    played.messages = [m for m in played.messages if m.arrival_ns >= START + 3 * S]
    for now_ns in range(START + 3 * S, START + 6 * S, played.tick_ns):
        while played.messages and played.messages[0].arrival_ns <= now_ns:
            played.deliver(played.messages.pop(0))
        played.monitor.tick(now_ns, now_ns)
    assert (played.report.state, played.report.reason) == (DEGRADED, 'scan_sector_blocked')
    assert played.monitor.drain_transitions() == []
    assert len(played.steps) == steps


def test_a_new_timeout_judges_the_silence_that_runs(drive):
    played = drive('rgb')
    played.add_clean(0.0, 2.0)
    played.run(2.2)
    assert played.report.state is OK
    reconfigure(played, timeout_periods=1.7, timeout_floor_s=0.01)
    played.monitor.tick(START + round(2.22 * S))
    assert (played.report.state, played.report.reason) == (LOST, 'timeout')


def test_a_longer_timeout_is_heeded(drive):
    played = drive('rgb', replace(DEFAULTS['rgb'], timeout_floor_s=1.0))
    played.add_clean(0.0, 2.0)
    played.run(2.2)
    reconfigure(played, timeout_periods=20.0)
    for step in range(130, 190):
        played.monitor.tick(START + step * played.tick_ns)
    assert played.report.state is OK


def test_a_nominal_rate_takes_the_place_of_the_learnt_one_and_gives_it_back(drive):
    played = drive('rgb')
    played.add_clean(0.0, 2.0)
    played.run(2.0)
    assert played.report.expected_rate_hz == pytest.approx(10.0)
    reconfigure(played, expected_rate_hz=40.0)
    assert played.report.expected_rate_hz == pytest.approx(40.0)
    reconfigure(played)
    assert played.report.expected_rate_hz == pytest.approx(10.0)


def test_a_probation_that_runs_ends_by_the_new_time(drive):
    played = drive('rgb', replace(DEFAULTS['rgb'], probation_s=2.0))
    played.add_clean(0.0, 5.0)
    for index in (20, 21):
        played.messages[index].data = None
    played.run(3.0)
    assert played.report.state is PROBATION
    reconfigure(played, probation_s=0.5)
    played.deliver(played.messages[30])
    assert played.report.state is OK


def test_a_check_that_is_switched_off_lets_go_and_one_switched_on_knows_what_is_usual(drive):
    played = drive('lidar')
    for index in range(40):
        played.add(index / 10)
        if index >= 20:
            played.messages[-1].data = blocked(played.messages[-1].data)
    played.run(3.0)
    assert played.report.reason == 'scan_sector_blocked'
    reconfigure(played, skip_checks=frozenset({'scan_sector_blocked'}))
    played.monitor.tick(START + round(3.01 * S))
    assert (played.report.state, played.report.reason) == (OK, '')
    reconfigure(played)
    for message in played.messages[-10:-5]:
        played.deliver(message)
    assert (played.report.state, played.report.reason) == (DEGRADED, 'scan_sector_blocked')


def test_a_shorter_time_of_learning_ends_it(drive):
    played = drive('lidar')
    played.add_clean(0.0, 0.6)
    played.run(0.7)
    reconfigure(played, baseline_count=5)
    for index in range(6, 9):
        played.add(index / 10)
        played.messages[-1].data = blocked(played.messages[-1].data)
        played.deliver(played.messages[-1])
    assert played.report.reason == 'scan_sector_blocked'


def test_evidence_between_its_two_thresholds_goes_on(drive):
    played = drive('rgb')
    for index in range(24):
        played.add(index / 10)
        if index >= 20:
            share = 0.7 if index < 22 else 0.5  # begins above 0.60 and ends below 0.45
            image = played.messages[-1].data.copy()
            image[: round(share * len(image))] = 255
            played.messages[-1].data = image
    played.run(2.2)
    assert (played.report.state, played.report.reason) == (DEGRADED, 'image_overexposed')
    reconfigure(played, timeout_floor_s=1.0)
    for message in played.messages[22:]:
        played.deliver(message)
    assert played.report.rejected == {'image_overexposed': 4}


def test_evidence_ends_by_the_new_count(drive):
    played = drive('lidar')
    for index in range(40):
        played.add(index / 10)
        if 20 <= index < 25:
            played.messages[-1].data = blocked(played.messages[-1].data)
    played.run(2.5)
    assert played.report.reason == 'scan_sector_blocked'
    reconfigure(played, exit_count=6)
    for message in played.messages[25:31]:
        assert played.report.state is DEGRADED
        played.deliver(message)
    assert played.report.state is OK


def test_another_frame_is_asked_of_the_next_sample(drive):
    played = drive('rgb')
    played.add_clean(0.0, 2.0)
    played.run(1.0)
    reconfigure(played, frame_id='another')
    for message in played.messages[10:12]:
        played.deliver(message)
    assert (played.report.state, played.report.reason) == (DEGRADED, 'wrong_frame')


def test_another_size_is_asked_of_the_next_image_and_a_free_one_stays_as_learnt(drive):
    played = drive('rgb')
    played.add_clean(0.0, 2.0)
    played.run(1.0)
    sample = played.sample(played.messages[10])
    reconfigure(played, size_hw=(64, 64))
    assert played.monitor.mismatch(sample) == 'wrong_size'
    reconfigure(played, size_hw=(128, 128))
    reconfigure(played)
    assert played.monitor.mismatch(sample) == ''
    assert played.monitor.mismatch(replace(sample, data=sample.data[::2])) == 'wrong_size'


@pytest.mark.parametrize('changes', [{'enter_window': 3}, {'enter_window': 8, 'enter_total': 4}])
def test_bad_samples_are_counted_by_the_new_numbers(drive, changes):
    """Three bad ones among eight would change the state."""
    played = drive('rgb')
    played.add_clean(0.0, 2.0)
    for index in (11, 13, 15):
        played.messages[index].data = None
    played.run(1.45)
    reconfigure(played, **changes)
    for message in played.messages[14:17]:
        played.deliver(message)
    assert played.report.state is OK


def test_the_user_s_switch_goes_with_other_settings(drive):
    played = drive('rgb')
    reconfigure(played, enabled=False)
    assert played.report.state is DISABLED
    reconfigure(played, enabled=False, timeout_floor_s=1.0)
    assert played.report.state is DISABLED
    record(played)
    assert [t.new for t in played.transitions] == [DISABLED], 'once'
    reconfigure(played, enabled=True)
    assert played.report.state is WAITING


def test_settings_of_an_unknown_sensor_are_refused_and_change_nothing():
    monitor = HealthMonitor({'rgb': HealthConfig(grace_s=1.0)})
    with pytest.raises(ConfigError, match='radar'):
        monitor.reconfigure({'rgb': HealthConfig(grace_s=9.0), 'radar': HealthConfig()}, START)
    monitor.tick(START)
    for _ in range(2):
        monitor.tick(START + S)
    assert monitor.reports(START + S)['rgb'].reason == 'never_received'
