# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Loss on the way is told from a dying sensor, and a sensor does not flap because of it."""

from dataclasses import replace

import pytest

from anymodal_seg_ros.health import DEFAULTS, HealthMonitor
from anymodal_seg_ros.samples import HealthState

S = 1_000_000_000
OK, LOST, WAITING, DEGRADED = (
    HealthState.OK, HealthState.LOST, HealthState.WAITING, HealthState.DEGRADED)
LATENCY_S = 0.02


@pytest.fixture()
def lossy(drive, monkeypatch):
    """A 10 Hz sensor of which the transport loses some messages, and says so or not."""

    def play(until_s, is_lost, is_told=True, sent_until_s=None):
        played = drive('depth')
        told = []
        for index in range(round((sent_until_s or until_s) * 10)):
            if is_lost(index):
                told.append(index / 10 + LATENCY_S)
            else:
                played.add(index / 10, latency_s=LATENCY_S)
        tick = played.monitor.tick

        def tick_with_losses(now_ns, steady_ns):
            while is_told and told and 1000 * S + told[0] * S <= now_ns:
                told.pop(0)
                played.monitor.note_lost('depth', 1, now_ns)
            tick(now_ns, steady_ns)

        monkeypatch.setattr(played.monitor, 'tick', tick_with_losses)
        return played.run(until_s)

    return play


def states(played):
    return [(state, reason) for _, state, reason in played.steps]


def in_a_minute(index, share):
    """Whether a message is lost, from the third second to the 63rd; the same in every run."""
    return 30 <= index < 630 and (index * 0.6180339887) % 1 < share


@pytest.mark.slow
@pytest.mark.parametrize('share', [0.3, 0.5, 0.7, 0.9])
def test_a_minute_of_losses_is_one_state_and_not_a_sequence(lossy, share):
    played = lossy(75.0, lambda index: in_a_minute(index, share))
    assert states(played) == [(OK, 'recovered'), (DEGRADED, 'transport_loss'), (OK, 'recovered')]
    entered_s, ended_s = played.steps[1][0], played.steps[2][0]
    assert 3.0 < entered_s < 4.5
    assert 63.0 < ended_s < 68.5
    # What does come is good.
    assert played.withheld == []
    assert all(played.trusted_at[1000 * S + second * S] for second in range(4, 75))


def test_the_same_losses_untold_are_those_of_a_sensor_that_fails(lossy):
    played = lossy(75.0, lambda index: in_a_minute(index, 0.7), is_told=False)
    assert (LOST, 'timeout') in states(played)
    assert 'transport_loss' not in {reason for _, reason in states(played)}


def test_a_sensor_of_which_nothing_comes_through_is_lost_in_transport_and_comes_back(lossy):
    played = lossy(30.0, lambda index: 30 <= index < 200)
    assert states(played) == [
        (OK, 'recovered'), (DEGRADED, 'transport_loss'), (LOST, 'transport_loss'),
        (HealthState.PROBATION, 'recovering'), (DEGRADED, 'transport_loss'), (OK, 'recovered')]
    at_s = [second for second, _, _ in played.steps]
    # As soon as a dead sensor would be noticed; then lost, for nothing has come for long.
    assert 3.2 < at_s[1] < 3.3
    assert at_s[2] == pytest.approx(2.9 + 5.0, abs=0.1)
    assert at_s[3] > 20.0


def test_a_trickle_does_not_take_a_lost_sensor_in_and_out(lossy):
    played = lossy(60.0, lambda index: index >= 30 and index % 61)
    assert [state for state, _ in states(played)] == [OK, DEGRADED, LOST]


def test_a_sensor_that_dies_while_its_transport_loses_is_lost(lossy):
    played = lossy(14.0, lambda index: index >= 30 and index % 2, sent_until_s=6.0)
    assert (played.report.state, played.report.reason) == (LOST, 'timeout')
    lost_s = next(second for second, state, _ in played.steps if state is LOST)
    # Of the last message, at 5.9 s, the loss was told; a second is for those sent again.
    assert lost_s == pytest.approx(5.9 + 1.0, abs=0.1)


def test_a_loss_now_and_then_is_not_worth_a_word(lossy):
    played = lossy(60.0, lambda index: index % 40 == 39)
    assert states(played) == [(OK, 'recovered')]
    # Nor are two among the first, when they are more than a tenth.
    played = lossy(5.0, lambda index: index in (5, 8))
    assert states(played) == [(OK, 'recovered')]
    # Nor are three of fifty.
    played = lossy(5.0, lambda index: index in (35, 38, 41))
    assert states(played) == [(OK, 'recovered')]


def test_what_was_never_received_may_have_been_sent():
    monitor = HealthMonitor({'rgb': DEFAULTS['rgb']})
    for tick in range(200):
        now_ns = 1000 * S + tick * S // 20
        if tick % 2:
            monitor.note_lost('rgb', 1, now_ns)
        monitor.tick(now_ns, now_ns)
    assert [(t.new, t.reason) for t in monitor.drain_transitions()] == [
        (WAITING, 'transport_loss')]


def test_a_disabled_sensor_loses_nothing():
    monitor = HealthMonitor({'rgb': DEFAULTS['rgb']})
    monitor.tick(1000 * S, 0)
    monitor.reconfigure({'rgb': replace(DEFAULTS['rgb'], enabled=False)}, 1000 * S)
    for _ in range(20):
        monitor.note_lost('rgb', 1, 1001 * S)
    monitor.reconfigure({'rgb': replace(DEFAULTS['rgb'], enabled=True)}, 1002 * S)
    for tick in range(2):
        monitor.tick(1010 * S + tick, 10 * S)
    assert monitor.reports(1010 * S)['rgb'].reason == 'never_received'
