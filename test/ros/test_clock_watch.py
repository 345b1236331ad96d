# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A clock that two nodes publish is told from a loop, a pause and a restart."""

import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from anymodal_seg_ros.ros.clock_watch import ClockPhase, ClockState, ClockWatch
from anymodal_seg_ros.ros.diagnostics import synchronization_status
from anymodal_seg_ros.sync import SyncStats

S = 1_000_000_000


def watched(period_s, until_s, num_publishers, delta_s=-100.0):
    """The state after a jump every ``period_s``."""
    watch = ClockWatch(0)
    for step in range(1, round(until_s / period_s) + 1):
        steady_ns = round(step * period_s * S)
        watch.look(steady_ns, steady_ns)
        watch.jump(round(delta_s * S), steady_ns)
    return watch.state(round(until_s * S), num_publishers)


@pytest.mark.parametrize(('period_s', 'num_publishers', 'delta_s', 'state'), [
    (0.05, 2, -100.0, 'unsteady: set back 101 times in 5 s, 2 publishers of /clock'),
    (1.0, 2, -0.01, 'unsteady: set back 6 times in 5 s, 2 publishers of /clock'),
    (0.05, 1, -100.0, 'unsteady: set back 101 times in 5 s, 1 publishers of /clock'),
    (1.0, 1, -1.0, 'running'),
    (4.0, 2, -4.0, 'running'),
    (0.05, 2, 100.0, 'running'),
])
def test_who_sets_the_clock_back_how_often(period_s, num_publishers, delta_s, state):
    found = watched(period_s, 20.0, num_publishers, delta_s)
    assert found.text == state
    assert found.phase is ClockPhase(state.partition(':')[0])


def test_it_is_forgotten_after_five_seconds():
    watch = ClockWatch(0)
    for step in range(50):
        watch.jump(-S, step * S // 50)
    watch.look(7, 6 * S - 1)
    assert watch.state(5 * S, 2) == ClockState(ClockPhase.UNSTEADY, 50, 2)
    assert watch.state(6 * S, 2).text == 'running'


def test_before_the_first_time_and_in_a_pause():
    watch = ClockWatch(0)
    watch.look(0, S)
    assert watch.state(S, 1).text == 'not started'
    watch.look(5, S)
    watch.look(5, 2 * S)
    assert watch.state(3 * S // 2, 1).text == 'running'
    assert watch.state(2 * S, 1).text == 'paused'


@pytest.mark.parametrize(('phase', 'level'), [
    (ClockPhase.UNSTEADY, DiagnosticStatus.ERROR), (ClockPhase.PAUSED, DiagnosticStatus.WARN),
    (ClockPhase.NOT_STARTED, DiagnosticStatus.WARN), (ClockPhase.RUNNING, DiagnosticStatus.OK)])
def test_the_level_of_the_synchronization_follows_the_clock(phase, level):
    stats = SyncStats(inputs={}, sets=1, complete_sets=1, sets_by_reference={}, resets=0)
    clock = ClockState(phase, 7, 2)
    status = synchronization_status('node', '', stats, clock)
    assert status.level == level
    assert [value.value for value in status.values if value.key == 'clock'] == [clock.text]
    assert (clock.text in status.message) == (level != DiagnosticStatus.OK)
