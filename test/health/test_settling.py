# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A sensor that is set to another rate is slow for half a minute, one that loses messages always.

The sensor has no content checks, so that its timing alone is judged.
"""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings

from anymodal_seg_ros.health import HealthConfig
from anymodal_seg_ros.samples import HealthState

OK, DEGRADED, LOST = HealthState.OK, HealthState.DEGRADED, HealthState.LOST
NOTHING = np.zeros(1, np.uint8)
CHANGE_S = 8.0


@pytest.fixture()
def sonar(drive):
    """Makes a sensor that speaks at 60 Hz for eight seconds, and then when it is told to."""
    def make(*later_s, **config):
        played = drive('sonar', config=HealthConfig(**config))
        for second in (*np.arange(0, CHANGE_S, 1 / 60), *later_s):
            played.add(second, data=NOTHING, latency_s=0.005)
        return played
    return make


def at_rate(rate_hz, start_s, end_s):
    return np.arange(start_s, end_s, 1 / rate_hz)


@pytest.mark.slow
@given(rate_hz=st.floats(0.5, 35.0))
@example(rate_hz=30.0)
@example(rate_hz=10.0)
@example(rate_hz=1.0)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_lower_rate_is_told_of_at_once_and_usual_after_half_a_minute(drive, rate_hz):
    """Never later than 30 s and 20 messages after the change."""
    period_s = 1 / rate_hz
    end_s = CHANGE_S + 30.0 + 24 * period_s
    played = drive('sonar', config=HealthConfig())
    for second in (*at_rate(60, 0, CHANGE_S), *at_rate(rate_hz, CHANGE_S + period_s, end_s)):
        played.add(second, data=NOTHING, latency_s=0.005)
    played.run(end_s)
    steps = [step for step in played.steps if step[0] > 1.0]
    told_s, state, _ = steps[0]
    assert state is not OK
    assert told_s <= CHANGE_S + max(0.55, 2.5 * period_s)
    assert steps[-1][1:] == (OK, 'new_rate')
    assert steps[-1][0] >= CHANGE_S + 30.0
    assert [new for _, new, _ in steps[:-1] if new is OK] == []
    assert played.report.expected_rate_hz == pytest.approx(rate_hz, rel=1e-3)
    if rate_hz > 6:
        assert [step[1:] for step in steps] == [(DEGRADED, 'rate_low'), (OK, 'new_rate')]


def test_after_it_a_loss_is_told_by_the_new_rate(sonar):
    played = sonar(*at_rate(10, CHANGE_S, 45.0))
    played.run(46.0)
    assert [step[1:] for step in played.steps[-2:]] == [(OK, 'new_rate'), (LOST, 'timeout')]
    assert played.steps[-1][0] <= 45.5


def test_the_old_rate_is_learnt_again_without_a_word(sonar):
    played = sonar(*at_rate(10, CHANGE_S, 45.0), *at_rate(60, 45.0, 47.0))
    played.run(47.0)
    assert played.steps[-1][1:] == (OK, 'new_rate')
    assert played.report.expected_rate_hz == pytest.approx(60.0, rel=1e-3)


@pytest.mark.parametrize('share', [1 / 6, 1 / 3])
def test_a_sensor_that_loses_messages_stays_slow(sonar, share):
    """Five of six, or two of three, at random: for two minutes."""
    later_s = at_rate(60, CHANGE_S, 120.0)
    kept = np.random.default_rng(3).random(len(later_s)) < share
    played = sonar(*later_s[kept])
    played.run(120.0)
    assert not [reason for _, _, reason in played.steps if reason == 'new_rate']
    assert played.report.state is not OK
    assert played.report.expected_rate_hz == pytest.approx(60.0, rel=1e-3)


def test_a_rate_that_the_user_expects_stays_expected(sonar):
    played = sonar(*at_rate(10, CHANGE_S, 60.0), expected_rate_hz=60.0)
    played.run(60.0)
    assert (played.report.state, played.report.reason) == (DEGRADED, 'rate_low')
    assert played.report.expected_rate_hz == pytest.approx(60.0)


def test_a_rate_between_slow_and_usual_becomes_usual_too(sonar):
    """45 Hz is too slow for 60 Hz to have come back, and too fast to be called low."""
    played = sonar(*at_rate(10, CHANGE_S, 10.0), *at_rate(45, 10.0, 50.0))
    played.run(50.0)
    assert played.steps[-1][1:] == (OK, 'new_rate')
    assert played.report.expected_rate_hz == pytest.approx(45.0, rel=1e-3)


def test_what_is_lost_on_the_way_sets_no_rate(sonar):
    played = sonar(*at_rate(10, CHANGE_S, 60.0))
    deliver = played.deliver

    def deliver_with_loss(message):
        deliver(message)
        if message.stamp_ns > played.messages[480].stamp_ns:
            played.monitor.note_lost('sonar', 5, message.arrival_ns)

    played.deliver = deliver_with_loss
    played.run(60.0)
    assert (played.report.state, played.report.reason) == (DEGRADED, 'transport_loss')
    assert played.report.expected_rate_hz == pytest.approx(60.0, rel=1e-3)


@pytest.mark.parametrize('kept_for_s', [20.0, 29.0, 45.0, 120.0])
def test_however_long_a_rate_was_kept_a_lower_one_is_low_until_it_ends(drive, kept_for_s):
    """The rate that was settled at is the usual one: it says nothing about what comes next."""
    slow_until_s = kept_for_s + 1.0
    played = drive('sonar', config=HealthConfig())
    for second in (*at_rate(10, 0, kept_for_s), *at_rate(5, kept_for_s + 0.1, slow_until_s),
                   *at_rate(10, slow_until_s + 0.1, slow_until_s + 2.0)):
        played.add(second, data=NOTHING, latency_s=0.005)
    played.run(slow_until_s + 2.0)
    told, over = played.steps[1:]
    assert told[1:] == (DEGRADED, 'rate_low') and told[0] <= kept_for_s + 0.5
    assert over[1:] == (OK, 'recovered') and over[0] > slow_until_s
    assert played.report.expected_rate_hz == pytest.approx(10.0, rel=1e-3)
