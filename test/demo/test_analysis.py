# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The judge of a play, on recordings made by hand whose verdicts are known."""

import math

import numpy as np
import pytest

from anymodal_seg_ros.corruption import FaultSchedule
from anymodal_seg_ros.demo.analysis import Judge
from anymodal_seg_ros.demo.published import Fusion, Label, Recording, StateChange
from anymodal_seg_ros.errors import AnymodalError

START_NS = 1_000_000_000_000
SENSORS = ('depth', 'rgb')


def at(time_s):
    return START_NS + round(time_s * 1e9)


def image(value):
    return np.full((4, 4), value, np.uint8)


def schedule(*faults):
    return FaultSchedule.from_dict({'faults': [
        {'name': name, 'modality': modality, 'fault': 'drop', 'start_s': start, 'end_s': end}
        for name, modality, start, end in faults]})


def recording(label_times, *, wrong=(), states=None, used=SENSORS):
    found = Recording(num_sets=len(label_times))
    for time_s in label_times:
        found.labels.append(Label(stamp_ns=at(time_s), received_ns=at(time_s) + 50_000_000,
                                  labels=image(1 if time_s in wrong else 0)))
        found.fusions[at(time_s)] = Fusion(stamp_ns=at(time_s), used=used, complete=True,
                                           latency_ms=40.0)
    for modality, changes in (states or {}).items():
        found.states[modality] = [StateChange(stamp_ns=at(t), state=state, reason=reason)
                                  for t, state, reason in changes]
    return found


def judge(found, faults=(), end_s=10.0):
    truth = {at(t / 10): image(0) for t in range(round(end_s * 10) + 1)}
    return Judge(found, schedule(*faults), truth, START_NS, at(end_s), num_classes=3)


TENTHS = [t / 10 for t in range(100)]


def test_fault_is_timed_from_its_start_and_from_its_end():
    states = {'rgb': [(0.2, 'ok', ''), (3.3, 'lost', 'silent'), (5.2, 'probation', ''),
                      (5.7, 'ok', '')]}
    result, = judge(recording(TENTHS, states=states), [('dark', 'rgb', 3.0, 5.0)]).faults()
    assert result.detected_after_s == pytest.approx(0.3)
    assert result.recovered_after_s == pytest.approx(0.7)
    assert result.reason == 'silent'
    assert result.label_gap_s == pytest.approx(0.1)


def test_fault_that_nobody_noticed_has_no_times():
    result, = judge(recording(TENTHS, states={'rgb': [(0.2, 'ok', '')]}),
                    [('dark', 'rgb', 3.0, 5.0)]).faults()
    assert result.detected_after_s is None
    assert result.recovered_after_s is None


def test_gap_near_a_fault_is_measured():
    times = [t for t in TENTHS if not 3.1 < t < 3.6]
    found = recording(times, states={'rgb': [(0.2, 'ok', '')]})
    result, = judge(found, [('dark', 'rgb', 3.0, 5.0)]).faults()
    assert result.label_gap_s == pytest.approx(0.5)


@pytest.mark.parametrize(('times', 'gap_s'), [
    ([t for t in TENTHS if t < 3.5], 6.5),
    ([t for t in TENTHS if not 3.5 < t < 7.5], 4.0),
    ([t for t in TENTHS if not 1.0 < t < 3.5], 2.5),
])
def test_gap_that_reaches_beyond_the_fault_is_measured_whole(times, gap_s):
    judged = judge(recording(times, states={'rgb': [(0.2, 'ok', '')]}),
                   [('dark', 'rgb', 3.0, 5.0)])
    assert judged.faults()[0].label_gap_s == pytest.approx(gap_s, abs=0.06)
    assert judged.summary()['longest_label_gap_s'] == pytest.approx(gap_s, abs=0.06)


def test_play_without_any_label_image_has_an_endless_gap():
    judged = judge(recording([], states={'rgb': [(0.2, 'ok', '')]}), [('dark', 'rgb', 3.0, 5.0)])
    assert judged.faults()[0].label_gap_s == math.inf


def test_departure_from_ok_without_a_fault_is_a_false_alarm():
    states = {'depth': [(0.2, 'ok', ''), (4.0, 'degraded', 'rate_low'), (4.5, 'ok', '')],
              'rgb': [(0.2, 'ok', ''), (3.3, 'lost', 'silent'), (5.7, 'ok', '')]}
    alarms = judge(recording(TENTHS, states=states), [('dark', 'rgb', 3.0, 5.0)]).false_alarms()
    assert [(a.modality, a.at_s, a.reason) for a in alarms] == [('depth', 4.0, 'rate_low')]


def test_start_up_and_end_are_no_false_alarms():
    states = {'rgb': [(0.0, 'waiting', ''), (0.3, 'ok', ''), (10.4, 'lost', 'silent')]}
    assert judge(recording(TENTHS, states=states)).false_alarms() == []


def test_relapse_after_the_grace_time_is_a_false_alarm():
    states = {'rgb': [(0.2, 'ok', ''), (3.3, 'lost', ''), (5.5, 'ok', ''), (6.5, 'lost', '')]}
    found = judge(recording(TENTHS, states=states), [('dark', 'rgb', 3.0, 5.0)])
    assert [a.at_s for a in found.false_alarms()] == [6.5]


def test_stretches_are_cut_at_faults_and_scored_apart():
    wrong = [t for t in TENTHS if 3.0 <= t < 5.0]
    offline = {at(t): {('depth',): image(0), SENSORS: image(0)} for t in TENTHS}
    stretches = judge(recording(TENTHS, wrong=wrong), [('dark', 'rgb', 3.0, 5.0)]).stretches(
        offline, SENSORS, ())
    assert [(s.start_s, s.end_s, s.faulty, s.sensors) for s in stretches] == [
        (0.0, 3.0, (), SENSORS), (3.0, 5.0, ('rgb',), ('depth',)), (5.0, 10.0, (), SENSORS)]
    assert [s.miou for s in stretches] == [100.0, 0.0, 100.0]
    assert [s.miou_offline for s in stretches] == [100.0, 100.0, 100.0]
    assert [s.num_labels for s in stretches] == [30, 20, 50]


def test_summary_counts_rate_and_order():
    summary = judge(recording(TENTHS, states={'rgb': [(0.2, 'ok', '')]})).summary()
    assert summary['labels_out'] == 100
    assert summary['rate_hz'] == pytest.approx(10.0)
    assert summary['latency_ms'] == {'p50': 40.0, 'p95': 40.0, 'max': 40.0}
    assert summary['stamps_strictly_increase']
    assert summary['miou'] == {'depth+rgb': {'miou': 100.0, 'labels': 100}}


def test_play_without_label_images_is_an_error():
    with pytest.raises(AnymodalError, match='no label image'):
        judge(recording([], states={'rgb': []})).summary()


def test_offline_labels_count_only_where_one_was_published():
    offline = {at(t): {SENSORS: image(0 if t in (1.0, 2.0) else 2)} for t in TENTHS}
    stretch, = judge(recording([1.0, 2.0])).stretches(offline, SENSORS, ())
    assert stretch.num_labels == 2
    assert stretch.miou_offline == 100.0


def test_repeated_stamp_is_reported():
    summary = judge(recording([1.0, 1.1, 1.1], states={'rgb': []})).summary()
    assert not summary['stamps_strictly_increase']


def test_miou_over_time_has_one_value_for_each_second():
    values = judge(recording(TENTHS, wrong=[t for t in TENTHS if 2.0 <= t < 3.0])).miou_over_time()
    assert [time for time, _ in values] == [t + 0.5 for t in range(10)]
    assert values[2][1] == 0.0
    assert all(value == 100.0 for i, (_, value) in enumerate(values) if i != 2)


def test_unknown_latency_does_not_hide_the_others():
    found = recording([1.0, 1.1], states={'rgb': []})
    found.fusions[at(1.0)] = Fusion(stamp_ns=at(1.0), used=SENSORS, complete=True,
                                    latency_ms=math.nan)
    assert judge(found).summary()['latency_ms']['max'] == 40.0
