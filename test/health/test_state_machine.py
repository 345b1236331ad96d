# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""States, trust, clocks, switches and reports of the health monitor."""

import math

import numpy as np
import pytest

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.health import DEFAULTS, HealthConfig, HealthMonitor
from anymodal_seg_ros.samples import HealthState

S = 1_000_000_000
START = 1_000 * S
OK, LOST, WAITING, PROBATION, DISABLED, DEGRADED = (
    HealthState.OK, HealthState.LOST, HealthState.WAITING, HealthState.PROBATION,
    HealthState.DISABLED, HealthState.DEGRADED)


def test_a_silent_sensor_waits_and_is_named_once_after_its_grace(drive):
    played = drive('rgb').run(2.9)
    assert played.transitions == []
    assert played.report.state is WAITING
    assert played.report.reason == ''
    assert not played.report.trusted
    assert math.isnan(played.report.age_ms)
    assert math.isnan(played.report.rate_hz)
    played = drive('rgb').run(10.0)
    assert played.steps == [(3.0, WAITING, 'never_received')]
    assert played.report.reason == 'never_received'
    assert played.report.since_ns == START


def test_a_sensor_is_trusted_from_its_first_good_sample_and_ok_after_three(drive):
    played = drive('depth')
    played.add_clean(0.1, 0.5)
    played.run(0.2)
    assert played.report.state is WAITING
    assert played.monitor.trusted() == {'depth'}
    played = drive('depth')
    played.add_clean(0.1, 0.5)
    played.run(0.5)
    assert played.steps == [(pytest.approx(0.32), OK, 'recovered')]


def test_a_sensor_that_says_one_thing_and_stops_is_lost(drive):
    played = drive('rgb')
    played.add(0.1)
    played.run(4.0)
    assert played.steps == [(pytest.approx(0.12 + 2.5, abs=0.03), LOST, 'timeout')]
    assert played.monitor.trusted() == frozenset()


@pytest.mark.parametrize(('rate_hz', 'timeout_s'), [(1, 3.2), (5, 0.64), (10, 0.32), (30, 0.3)])
def test_the_timeout_follows_the_learnt_rate(drive, rate_hz, timeout_s):
    played = drive('depth', HealthConfig())
    played.add_clean(0, 8, rate_hz)
    last_s = 8 - 1 / rate_hz + 0.02
    played.run(12.0)
    lost_s, state, reason = played.steps[-1]
    assert (state, reason) == (LOST, 'timeout')
    assert timeout_s < lost_s - last_s <= timeout_s + 0.02 + 1e-9


def test_a_configured_rate_is_not_learnt(drive):
    played = drive('depth', HealthConfig(expected_rate_hz=20.0))
    played.add_clean(0, 2, rate_hz=10.0)
    played.run(2.0)
    assert played.report.expected_rate_hz == 20
    assert played.report.reason == 'rate_low'


@pytest.mark.slow
def test_a_flickering_cable_causes_few_transitions(drive):
    for on_s, off_s in ((0.3, 0.3), (0.5, 0.4), (0.9, 0.5), (0.2, 0.7)):
        played = drive('rgb')
        played.add_clean(0, 2)
        for index in range(20, 220):
            if (index / 10 - 2) % (on_s + off_s) < off_s - 1e-6:
                continue
            played.add(index / 10)
        played.run(22.0)
        assert 3 <= len(played.steps) <= 12, (on_s, off_s, played.steps)
        assert not played.report.trusted


def test_each_relapse_doubles_the_probation_and_steadiness_forgives(drive):
    """Outages of 0.5 s, 2 s apart, then 8 s of peace and another outage."""
    outages = [(3 + 2.5 * k, 3.5 + 2.5 * k) for k in range(3)] + [(18.0, 18.5)]
    played = drive('rgb')
    for index in range(220):
        if not any(a <= index / 10 < b for a, b in outages):
            played.add(index / 10)
    played.run(22.0)
    back_s = [t for t, new, _ in played.steps[1:] if new is OK]
    waits_s = [back - end for back, (_, end) in zip(back_s, outages, strict=True)]
    assert waits_s == [pytest.approx(w, abs=0.05) for w in (0.32, 0.52, 1.02, 0.32)]


def test_probation_is_not_trusted_and_its_samples_are_withheld_but_not_rejected(drive):
    played = drive('rgb')
    played.add_faulty('stop', 2.0, 3.0, until_s=3.3)
    played.run(3.25)
    assert played.report.state is PROBATION
    assert played.report.reason == 'recovering'
    assert not played.report.trusted
    assert [reason for _, reason in played.withheld] == ['probation'] * 3
    assert played.report.num_rejected == 0


def test_a_bad_sample_in_probation_starts_it_again(drive):
    played = drive('rgb')
    played.add_faulty('stop', 2.0, 3.0, until_s=5.0)
    bad = next(m for m in played.messages if m.stamp_ns == START + 3_200_000_000)
    bad.data = bad.data * 0
    played.run(5.0)
    assert [(new, reason) for _, new, reason in played.steps[1:]] == [
        (LOST, 'timeout'), (PROBATION, 'recovering'), (OK, 'recovered')]
    assert played.steps[-1][0] == pytest.approx(3.62)


def test_a_paused_clock_loses_nobody_and_is_told_from_silence(drive):
    played = drive('rgb')
    played.add_clean(0, 2)
    played.run(2.0)
    paused_ns = START + 2 * S
    for step in range(1, 500):
        played.monitor.tick(paused_ns, paused_ns + step * 20_000_000)
        assert played.monitor.clock_paused is (step >= 26)
    assert played.monitor.drain_transitions() == []
    assert played.monitor.trusted() == {'rgb'}
    for step in range(1, 30):
        now_ns = paused_ns + step * 20_000_000
        played.monitor.tick(now_ns, now_ns + 10 * S)
        assert not played.monitor.clock_paused
    assert [t.new for t in played.monitor.drain_transitions()] == [LOST]


def test_a_jump_back_of_the_clock_starts_anew(drive):
    played = drive('lidar')
    played.add_clean(0, 3)
    played.run(3.0)
    played.monitor.tick(START, START + 3 * S)
    reset = played.monitor.drain_transitions()
    assert [(t.old, t.new, t.reason, t.stamp_ns) for t in reset] == [
        (OK, WAITING, 'clock_jump', START)]
    assert math.isnan(played.report.rate_hz)
    for message in played.messages[:5]:
        assert played.monitor.observe(played.sample(message), message.arrival_ns) == ''
    assert [t.new for t in played.monitor.drain_transitions()] == [OK]
    assert played.report.num_received == 35


def test_a_small_step_back_of_the_clock_changes_nothing(drive):
    played = drive('rgb')
    played.add_clean(0, 2)
    played.run(2.0)
    played.monitor.tick(START + round(1.7 * S), START + 2 * S)
    assert played.monitor.drain_transitions() == []


def test_a_jump_ahead_of_the_clock_starts_anew_instead_of_losing_everybody(drive):
    played = drive('rgb')
    played.add_clean(0, 2)
    played.run(2.0)
    played.monitor.tick(START + 100 * S, START + 2 * S)
    assert [t.reason for t in played.monitor.drain_transitions()] == ['clock_jump']
    assert played.report.state is WAITING


def test_reset_forgets_all_but_counts_and_disabled(drive):
    played = drive('rgb')
    played.add_faulty('empty', 2.0, 3.0, until_s=3.0)
    played.run(3.0)
    played.monitor.reset(START + 50 * S)
    (transition,) = played.monitor.drain_transitions()
    assert (transition.old, transition.new, transition.reason) == (DEGRADED, WAITING, 'reset')
    report = played.report
    assert (report.state, report.reason, report.since_ns) == (WAITING, '', START + 50 * S)
    assert math.isnan(report.expected_rate_hz)
    assert report.num_received == 30
    assert report.rejected == {'image_black': 10}
    played.monitor.reconfigure({'rgb': HealthConfig(enabled=False)}, START + 51 * S)
    played.monitor.reset(START + 60 * S)
    assert played.report.state is DISABLED


def test_a_disabled_sensor_is_neither_judged_nor_counted(drive):
    played = drive('rgb')
    played.add_clean(0, 3)
    early, late = played.messages[:10], played.messages[20:]
    for message in early:
        played.deliver(message)
    played.monitor.drain_transitions()
    played.monitor.reconfigure({'rgb': HealthConfig(enabled=False)}, START + S)
    played.monitor.reconfigure({'rgb': HealthConfig(enabled=False)}, START + S)
    message = played.messages[10]
    assert played.monitor.observe(played.sample(message), message.arrival_ns) == 'disabled'
    played.monitor.reject('rgb', 'step', message.arrival_ns)
    played.monitor.tick(START + 2 * S)
    played.monitor.tick(START + 2 * S + 1)
    assert played.report.state is DISABLED
    assert played.report.reason == 'disabled'
    assert played.report.num_received == 10
    assert played.monitor.trusted() == frozenset()
    played.monitor.reconfigure({'rgb': HealthConfig(enabled=True)}, START + 2 * S)
    assert played.report.reason == ''
    for message in late:
        assert played.monitor.observe(played.sample(message), message.arrival_ns) == ''
    states = [(t.old, t.new) for t in played.monitor.drain_transitions()]
    assert states == [(OK, DISABLED), (DISABLED, WAITING), (WAITING, OK)]


def test_a_sensor_can_start_disabled():
    monitor = HealthMonitor({'rgb': HealthConfig(enabled=False)})
    monitor.tick(START)
    monitor.tick(START + 10 * S)
    assert monitor.reports(START)['rgb'].state is DISABLED
    assert monitor.drain_transitions() == []


def test_transitions_are_handed_out_once(drive):
    played = drive('rgb')
    played.add_faulty('stop', 2.0, 3.0, until_s=4.0)
    played.run(4.0)
    assert [t.old for t in played.transitions] == [WAITING, OK, LOST, PROBATION]
    assert [t.modality for t in played.transitions] == ['rgb'] * 4
    assert played.monitor.drain_transitions() == []


def test_sensors_are_judged_apart(drive):
    rgb, lidar = drive('rgb'), drive('lidar')
    monitor = HealthMonitor({'rgb': DEFAULTS['rgb'], 'lidar': DEFAULTS['lidar']})
    rgb.add_clean(0, 1.0)
    lidar.add_clean(0, 2.0)
    for played in (rgb, lidar):
        played.monitor = monitor
    for message in sorted(rgb.messages + lidar.messages, key=lambda m: m.arrival_ns):
        (rgb if message in rgb.messages else lidar).deliver(message)
        monitor.tick(message.arrival_ns)
    assert monitor.trusted() == {'lidar'}
    assert {m: r.state for m, r in monitor.reports(0).items()} == {'rgb': LOST, 'lidar': OK}


def test_a_report_has_rate_age_and_latency(drive):
    played = drive('depth')
    played.add_clean(0, 3, rate_hz=10)
    played.run(3.0)
    report = played.monitor.reports(START + 3 * S)['depth']
    assert report.rate_hz == pytest.approx(10)
    assert report.expected_rate_hz == pytest.approx(10)
    assert report.age_ms == pytest.approx(80)
    assert report.latency_ms == pytest.approx(20)
    assert report.since_ns == START + 220_000_000
    assert (report.num_received, report.num_rejected, report.rejected) == (30, 0, {})
    assert played.monitor.reports(START + 30 * S)['depth'].rate_hz == 0


def test_stamps_that_stand_still_run_back_or_lie_far_off(drive):
    cases = {
        'stamp_frozen': lambda k: 0,
        'stamp_backwards': lambda k: -k // 100,
        'stamp_stale': lambda k: -START,
        'stamp_future': lambda k: 100 * 365 * 86400 * S,
    }
    for reason, shift in cases.items():
        played = drive('rgb')
        played.add_clean(0, 2)
        last_ns = played.messages[-1].stamp_ns
        for index in range(20, 26):
            played.add(index / 10)
            message = played.messages[-1]
            message.stamp_ns = {
                'stamp_frozen': last_ns,
                'stamp_backwards': last_ns - (index - 19) * 1_000_000,
            }.get(reason, message.stamp_ns + shift(index))
        played.run(2.6)
        assert {why for _, why in played.withheld} == {reason}
        assert played.steps[-1][1:] == (DEGRADED, reason)
        assert played.steps[-1][0] <= 2.5


def test_duplicates_are_withheld_without_loss_of_trust(drive):
    played = drive('rgb')
    played.add_clean(0, 3)
    for message in list(played.messages):
        played.messages.append(message)
    played.run(3.0)
    assert len(played.withheld) == 30
    assert {why for _, why in played.withheld} == {'stamp_frozen'}
    assert [new for _, new, _ in played.steps] == [OK]


def test_a_constant_large_latency_is_usual(drive):
    played = drive('lidar')
    for index in range(60):
        played.add(index / 10, latency_s=0.22)
    played.run(6.0)
    assert [new for _, new, _ in played.steps] == [OK]


def test_a_sensor_that_slows_tenfold_ends_up_slow_and_trusted(drive):
    played = drive('rgb')
    played.add_clean(0, 3)
    for index in range(40):
        played.add(3 + index / 2)
    played.run(22.6)
    assert len(played.steps) <= 8
    assert played.report.reason == 'rate_low'
    assert played.report.trusted


def test_a_slow_sensor_that_goes_bad_is_trusted_no_more(drive):
    """That it was degraded already is no excuse."""
    played = drive('rgb')
    played.add_clean(0, 3)
    for index in range(40):
        played.add(3 + index / 2)
    for index in range(10):
        played.add(23 + index / 2, data=np.zeros_like(played.data(START)))
    played.run(28.0)
    assert (played.report.state, played.report.reason) == (DEGRADED, 'image_black')
    assert not played.report.trusted
    assert played.monitor.trusted() == frozenset()


def test_unknown_sensors_and_empty_configurations_are_refused(drive):
    with pytest.raises(ConfigError, match="no sensor 'sonar'; allowed: rgb"):
        drive('rgb').monitor.reject('sonar', 'step', START)
    with pytest.raises(ConfigError, match='at least one sensor'):
        HealthMonitor({})


@pytest.mark.parametrize(('values', 'message'), [
    ({'grace_s': -1.0}, 'grace_s is -1.0; allowed: 0 to 3600'),
    ({'stale_s': math.nan}, 'stale_s is nan; allowed: 0.001 to 3600'),
    ({'enter_count': 0}, 'enter_count is 0; allowed: a whole number, 1 to'),
    ({'enter_count': 1.5}, 'enter_count is 1.5; allowed: a whole number'),
    ({'depth_min_share': 1.2}, 'depth_min_share is 1.2; allowed: 1e-06 to 1'),
    ({'overexposed_exit': 0.7}, 'overexposed_exit is 0.7; at most overexposed_enter'),
    ({'blurred_enter': 0.5}, 'blurred_enter is 0.5; at most blurred_exit'),
    ({'rate_exit': 0.9}, 'rate_exit is 0.9; allowed: 1 to'),
    ({'rate_wait': 1.7}, 'rate_wait is 1.7; at most rate_enter'),
    ({'max_latency_s': 2.0}, 'max_latency_s is 2.0; at most stale_s'),
    ({'size_hw': (0, 5)}, 'size_hw is'),
])
def test_impossible_thresholds_are_refused(values, message):
    with pytest.raises(ConfigError, match=message.replace('(', r'\(')):
        HealthConfig(**values)


@pytest.mark.parametrize(('late_s', 'is_low'), [(0.020, False), (0.030, True)])
def test_after_one_lost_image_the_next_may_jitter_before_the_rate_is_low(drive, late_s, is_low):
    """At 30 Hz, 25 ms of jitter are more than the 0.4 periods that a slow camera gets."""
    played = drive(tick_ns=1_000_000)
    for index in range(60):
        if index != 40:
            played.add(index / 30, latency_s=0.02 + (late_s if index == 42 else 0.0))
    played.run(2.0)
    assert [reason for _, state, reason in played.steps if state is DEGRADED] == (
        ['rate_low'] if is_low else [])


def test_a_check_that_a_sensor_has_not_cannot_be_skipped(drive):
    wrong = HealthConfig(skip_checks=frozenset({'depth_empty', 'image_frozen'}))
    message = "skip_checks of depth has 'image_frozen'; allowed: depth_empty, depth_frozen"
    with pytest.raises(ConfigError, match=message):
        HealthMonitor({'depth': wrong})
    monitor = drive('depth').monitor
    with pytest.raises(ConfigError, match=message):
        monitor.reconfigure({'depth': wrong}, START)
