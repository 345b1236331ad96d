# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every fault of every sensor under a fake clock: states, time to detect, time to recover."""

import itertools

import pytest

from anymodal_seg_ros.samples import HealthState

pytestmark = pytest.mark.slow

OK, DEGRADED, LOST, PROBATION = (
    HealthState.OK, HealthState.DEGRADED, HealthState.LOST, HealthState.PROBATION)
MODALITIES = ('rgb', 'depth', 'lidar', 'event', 'thermal')
EMPTY = {'rgb': 'image_black', 'depth': 'depth_empty', 'lidar': 'scan_empty',
         'event': 'event_silence', 'thermal': 'image_black'}
FROZEN = {'rgb': 'image_frozen', 'depth': 'depth_frozen', 'lidar': 'scan_frozen',
          'event': 'event_frozen', 'thermal': 'image_frozen'}
FAULTS = ('stop', 'freeze', 'empty', 'delay', 'stamp_jump', 'stamp_past', 'garbage',
          'rate_halved')
PHASES_S = (0.001, 0.05, 0.1)


def expected_steps(modality, fault):
    untrusted = {
        'freeze': FROZEN[modality], 'empty': EMPTY[modality], 'stamp_jump': 'stamp_future',
        'stamp_past': 'stamp_stale', 'garbage': 'malformed'}
    recovery = [(PROBATION, 'recovering'), (OK, 'recovered')]
    if fault == 'stop':
        return [(LOST, 'timeout'), *recovery]
    if fault == 'delay':
        return [(LOST, 'timeout'), (DEGRADED, 'latency_high'), *recovery]
    if fault == 'rate_halved':
        return [(DEGRADED, 'rate_low'), (OK, 'recovered')]
    return [(DEGRADED, untrusted[fault]), *recovery]


@pytest.mark.parametrize(('modality', 'fault'), itertools.product(MODALITIES, FAULTS))
def test_fault_is_detected_named_and_recovered_from(drive, modality, fault):
    for phase_s in PHASES_S:
        start_s, end_s = 2.5 + phase_s, 4.0 + phase_s
        played = drive(modality)
        played.add_faulty(fault, start_s, end_s, until_s=6.0)
        played.run(6.0)
        states = [(new, reason) for _, new, reason in played.steps]
        assert states == [(OK, 'recovered'), *expected_steps(modality, fault)], phase_s
        detected_s, recovered_s = played.fault_times(start_s, end_s)
        assert 0 < detected_s <= 0.5
        assert 0 < recovered_s <= 1.0
        assert played.report.state is OK
        assert played.report.reason == ''


@pytest.mark.parametrize('modality', MODALITIES)
def test_a_slow_sensor_stays_trusted_and_a_broken_one_does_not(drive, modality):
    for fault, stays in (('rate_halved', True), ('empty', False), ('garbage', False)):
        played = drive(modality)
        played.add_faulty(fault, 2.5, 5.0, until_s=5.0)
        played.run(5.0)
        assert played.report.trusted is stays
        assert (played.monitor.trusted() == {modality}) is stays


@pytest.mark.parametrize(('modality', 'fault'), itertools.product(
    MODALITIES, ('freeze', 'empty', 'stamp_jump', 'stamp_past', 'garbage')))
def test_bad_samples_are_withheld_from_the_first_on(drive, modality, fault):
    played = drive(modality)
    played.add_faulty(fault, 2.5, 4.0, until_s=4.0)
    played.run(4.2)
    num_withheld = played.report.num_rejected
    # Silence is only silence after a while; every other fault shows in its first sample.
    spared = 2 if (modality, fault) == ('event', 'empty') else 0
    assert num_withheld == 15 - spared
    assert played.report.num_received == 40


def test_a_delay_that_stays_usable_is_reported_and_trusted(drive):
    played = drive('lidar')
    for index in range(80):
        second = index / 10
        played.add(second, latency_s=0.22 if 3.0 <= second < 5.0 else 0.02)
    played.run(7.5)
    states = [(new, reason) for _, new, reason in played.steps]
    assert states == [(OK, 'recovered'), (DEGRADED, 'latency_high'), (OK, 'recovered')]
    assert played.withheld == [] or {r for _, r in played.withheld} == {'stamp_backwards'}
    assert all(played.trusted_at[t] for t in played.trusted_at if t > 1_001_000_000_000)


def test_stragglers_after_a_long_delay_do_not_hold_up_recovery(drive):
    played = drive('rgb')
    for index in range(80):
        second = index / 10
        played.add(second, latency_s=0.9 if 3.0 <= second < 5.0 else 0.02)
    played.run(7.0)
    detected_s, recovered_s = played.fault_times(3.0, 5.0)
    assert detected_s <= 0.5
    assert recovered_s <= 1.0
    assert {reason for second, reason in played.withheld if second > 5.4} == {'stamp_backwards'}


def test_only_garbage_is_degraded_while_it_comes_and_lost_when_it_ends(drive):
    played = drive('depth')
    played.add_faulty('garbage', 2.0, 5.0, until_s=5.0)
    played.run(6.0)
    assert [(new, reason) for _, new, reason in played.steps] == [
        (OK, 'recovered'), (DEGRADED, 'malformed'), (LOST, 'timeout')]
    assert played.report.rejected == {'step': 30}


def test_one_fault_that_turns_into_another_changes_the_reason(drive):
    played = drive('rgb')
    played.add_faulty('empty', 2.0, 3.0, until_s=3.0)
    frozen = played.data(0)
    for index in range(30, 40):
        played.add(index / 10, frozen)
    played.run(4.1)
    reasons = [reason for _, _, reason in played.steps]
    assert reasons == ['recovered', 'image_black', 'recovering', 'image_frozen']


@pytest.mark.parametrize('fault', ['empty', 'freeze', 'garbage'])
def test_every_second_sample_bad_takes_trust_without_flapping(drive, rng, fault):
    played = drive('rgb')
    played.add_clean(0, 2)
    for index in range(20, 120):
        played.add(index / 10)
        if index % 2:
            bad = {'empty': played.messages[-1].data * 0, 'freeze': played.messages[-2].data,
                   'garbage': None}[fault]
            played.messages[-1].data = bad
    played.run(12.0)
    assert len(played.steps) <= 4
    assert not played.report.trusted
