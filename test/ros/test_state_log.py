# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the log says of states: changes, together where they come together, and one restart."""

import pytest

from anymodal_seg_ros.health import Transition
from anymodal_seg_ros.ros.state_log import StateLog
from anymodal_seg_ros.samples import HealthState

MS = 1_000_000
WAITING, OK, LOST, DEGRADED, DISABLED = (
    HealthState.WAITING, HealthState.OK, HealthState.LOST, HealthState.DEGRADED,
    HealthState.DISABLED)


class Said:
    def __init__(self):
        self.lines = []
        self.info = self.lines.append
        self.log = StateLog(self)

    def after(self, now_ms, *changes):
        """The lines that are new after these changes."""
        before = len(self.lines)
        self.log.write([Transition(modality, 0, old, new, reason)
                        for modality, old, new, reason in changes], now_ms * MS)
        return self.lines[before:]


@pytest.fixture()
def said():
    return Said()


def both(old, new, reason):
    return [(modality, old, new, reason) for modality in ('rgb', 'lidar')]


def test_changes_alike_are_one_line_and_others_their_own(said):
    assert said.after(0, *both(WAITING, OK, 'recovered'), (
        'event', WAITING, DEGRADED, 'event_storm')) == [
            'rgb, lidar: waiting -> ok (recovered)', 'event: waiting -> degraded (event_storm)']
    assert said.after(50, ('rgb', OK, DEGRADED, 'image_black')) == [
        'rgb: ok -> degraded (image_black)']
    assert said.after(100) == []


def test_waiting_goes_on_without_a_line_of_its_own(said):
    assert said.after(0, *both(WAITING, WAITING, 'never_received')) == []
    assert said.after(50, ('rgb', OK, DISABLED, 'disabled')) == ['rgb: ok -> disabled (disabled)']
    assert said.after(99, ('rgb', DISABLED, WAITING, 'enabled')) == [
        'rgb: disabled -> waiting (enabled)']


def test_sensors_that_fall_silent_within_a_moment_are_one_line(said):
    said.after(0, *both(WAITING, OK, 'recovered'))
    assert said.after(1000, ('rgb', OK, LOST, 'timeout')) == []
    assert said.after(1050, ('lidar', OK, LOST, 'timeout')) == []
    assert said.after(1399) == []
    assert said.after(1400) == ['rgb, lidar: ok -> lost (timeout)']
    assert said.after(9000) == []


def test_a_short_silence_is_said_before_what_follows(said):
    said.after(0, *both(WAITING, OK, 'recovered'))
    said.after(1000, ('rgb', OK, LOST, 'timeout'))
    assert said.after(1100, ('rgb', LOST, HealthState.PROBATION, 'recovering')) == [
        'rgb: ok -> lost (timeout)', 'rgb: lost -> probation (recovering)']


def test_the_seam_of_a_loop_is_one_line(said):
    said.after(0, *both(WAITING, OK, 'recovered'))
    said.after(8000, *both(OK, LOST, 'timeout'))
    said.log.restart('the clock jumped by -8.000 s')
    assert said.lines[1:] == ['restart: the clock jumped by -8.000 s']
    assert said.after(8050, *both(LOST, WAITING, 'reset')) == []
    assert said.after(8300, *both(WAITING, OK, 'recovered')) == []
    # What is different from before the seam is news.
    assert said.after(8900, ('rgb', OK, DEGRADED, 'image_black')) == [
        'rgb: ok -> degraded (image_black)']


def test_a_jump_that_only_health_saw_is_one_line_too(said):
    said.after(0, *both(WAITING, OK, 'recovered'))
    assert said.after(50, *both(OK, WAITING, 'clock_jump')) == ['restart: the clock jumped']
