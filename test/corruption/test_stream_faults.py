# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stream faults: what goes out, and when, for what comes in."""

import pytest

from anymodal_seg_ros.corruption import FAULTS, ScheduledFault, StreamFaults
from anymodal_seg_ros.corruption.stream import rate_divisor


def fault(name, severity=1.0, modality='rgb'):
    return ScheduledFault(name=f'{modality} {name}', modality=modality, fault=name,
                          start_s=0.0, end_s=100.0, severity=severity)


def play(active, num=20, seed=0, modality='rgb'):
    stream = StreamFaults(seed)
    return [stream.process(modality, i, active) for i in range(num)]


def test_without_faults_everything_passes_unchanged():
    assert [(o.item, o.stamp_from, o.delay_s, o.stamp_shift_s)
            for out in play([]) for o in out] == [(i, i, 0.0, 0.0) for i in range(20)]


@pytest.mark.parametrize('name', [n for n, f in FAULTS.items() if f.kind == 'stream'])
def test_every_stream_fault_changes_something_and_is_repeatable(name):
    outputs = play([fault(name, 0.6)])
    assert outputs != play([])
    assert outputs == play([fault(name, 0.6)])


@pytest.mark.parametrize('name', [n for n, f in FAULTS.items() if f.kind != 'stream'])
def test_other_faults_leave_the_stream_alone(name):
    row = FAULTS[name]
    modality = row.modalities[0]
    assert play([fault(name, modality=modality)], modality=modality) == play([])


def test_drop():
    assert play([fault('drop')]) == [[]] * 20
    kept = sum(len(out) for out in play([fault('drop', 0.25)], num=2000))
    assert kept == pytest.approx(1500, abs=80)


def test_freeze_repeats_the_first_content_under_new_stamps():
    stream = StreamFaults()
    active = [fault('freeze')]
    stream.process('rgb', 'before', [])
    out = [stream.process('rgb', f'm{i}', active)[0] for i in range(3)]
    assert [o.item for o in out] == ['m0', 'm0', 'm0']
    assert [o.stamp_from for o in out] == ['m0', 'm1', 'm2']
    assert stream.process('rgb', 'after', [])[0].item == 'after'
    assert stream.process('rgb', 'again', active)[0].item == 'again'


def test_a_frozen_sensor_does_not_freeze_another():
    stream = StreamFaults()
    stream.process('rgb', 'a', [fault('freeze')])
    stream.process('depth', 'b', [])
    assert stream.process('rgb', 'c', [fault('freeze')])[0].item == 'a'
    assert stream.process('depth', 'd', [])[0].item == 'd'


def test_delay_and_stamp_offset_add_up():
    out = play([fault('delay', 0.3), fault('stamp_offset', 0.2)])[0][0]
    assert out.delay_s == pytest.approx(0.3)
    assert out.stamp_shift_s == pytest.approx(2.0)


def test_rate_division_keeps_one_in_n():
    assert [len(out) for out in play([fault('rate_division', 0.5)], num=6)] == [1, 0, 1, 0, 1, 0]
    assert [len(out) for out in play([fault('rate_division', 0.75)], num=8)] == [1, 0, 0, 0] * 2


@pytest.mark.parametrize(('severity', 'divisor'),
                         [(0.01, 2), (0.5, 2), (0.67, 3), (0.9, 10), (1.0, 10)])
def test_rate_divisor(severity, divisor):
    assert rate_divisor(severity) == divisor


def test_reset_starts_over():
    stream = StreamFaults(4)
    active = [fault('drop', 0.5), fault('rate_division', 0.5)]
    first = [stream.process('rgb', i, active) for i in range(30)]
    stream.reset()
    assert [stream.process('rgb', i, active) for i in range(30)] == first
