# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What ``benchmarks/soak.py`` plans and how it judges; the soak itself takes minutes."""

from types import SimpleNamespace

import pytest
import soak
from hypothesis import given
from hypothesis import strategies as st
from ros_streams.scene import MODALITIES


@given(seed=st.integers(0, 2**32), num_faults=st.integers(1, 400), minutes=st.floats(0.1, 20))
def test_a_sensor_has_one_fault_at_a_time_and_one_sensor_none(seed, num_faults, minutes):
    faults = soak.plan(num_faults, 60 * minutes, seed)
    assert len(faults) == num_faults
    active = {}
    for _, modality, fault in soak.changes(faults):
        if fault is None:
            del active[modality]
        else:
            assert modality not in active
            active[modality] = fault
        assert len(active) < len(MODALITIES)
    assert not active


def test_faults_are_spread_over_the_whole_time():
    faults = soak.plan(360, 720.0, seed=0)
    assert [fault.start_s for fault in faults] == sorted(fault.start_s for fault in faults)
    assert faults[0].start_s < 2.0 and 700.0 < faults[-1].start_s < 740.0
    assert {(fault.modality, fault.fault) for fault in faults} == {
        (modality, fault) for modality in MODALITIES for fault in soak.Stream.FAULTS}


@pytest.mark.parametrize(('times_s', 'stamps', 'ended_early', 'fine', 'said'), [
    ((1, 2, 3), (10, 20, 30), False, True, 'longest 1.00 s'),
    ((1, 2.4, 3), (10, 20, 30), False, False, '1.40 s without a label at 1.0 s (stop of rgb)'),
    ((1, 2), (10, 20), False, False, 'longest 2.00 s'),
    ((2, 3), (10, 20), False, False, 'longest 2.00 s'),
    ((1, 2, 3), (10, 30, 20), False, False, 'went back: 1'),
    ((1, 2, 3), (10, 20, 20), False, False, 'went back: 1'),
    ((1, 2, 3), (10, 20, 30), True, False, 'the node ended'),
])
def test_gaps_stamps_and_the_end_are_judged(times_s, stamps, ended_early, fine, said):
    start_s = 1000.0
    loads = [soak.Load(at_s=start_s + at_s, node_s=at_s / 2, streams_s=0.0, busy_s=at_s,
                       stolen_s=0.0, memory_mb=400.0 + at_s) for at_s in (0, 1, 2, 3, 4)]
    fault = soak.PlannedFault(modality='rgb', fault='stop', start_s=1.5, end_s=2.0)
    seen = soak.Soak(loads=loads, ended_early=ended_early,
                     faults=[(start_s + 1.5, start_s + 2.0, fault)])
    run = SimpleNamespace(
        labels=[(start_s + at_s, stamp) for at_s, stamp in zip(times_s, stamps, strict=True)],
        changes=[])
    text, found = soak.report(run, seen)
    assert found == fine
    assert said in text
    assert '404.0 MB at most' in text


def test_a_soak_that_ended_early_counts_what_there_was():
    loads = [soak.Load(at_s=1000.0 + at_s, node_s=0.0, streams_s=0.0, busy_s=0.0, stolen_s=0.0,
                       memory_mb=memory_mb)
             for at_s, memory_mb in ((0, 400.0), (1, 410.0), (2, 0.0))]
    fault = soak.PlannedFault(modality='rgb', fault='stop', start_s=0.5, end_s=1.0)
    seen = soak.Soak(loads=loads, ended_early=True, faults=[
        (1000.5, 1001.0, fault), (1030.0, 1031.0, fault)])
    text, _ = soak.report(SimpleNamespace(labels=[(1000.5, 1), (1001.5, 2)], changes=[]), seen)
    assert text.startswith('1 faults in 2 s: 2 label images')
    assert '400.0 MB at first, 410.0 MB at last, 410.0 MB at most' in text


def test_a_gap_tells_whether_the_streams_were_sent_and_what_the_node_found():
    loads = [soak.Load(at_s=at_s, node_s=0.0, streams_s=0.0, busy_s=0.0, stolen_s=0.0,
                       memory_mb=400.0) for at_s in (0.0, 1.0, 1.5, 2.25, 2.75, 3.0, 4.5, 5.0)]
    run = SimpleNamespace(labels=[(1.0, 1), (3.0, 2), (4.0, 3)], changes=[
        (0.25, 'rgb', 'ok', ''), (1.25, 'rgb', 'lost', 'timeout'), (3.25, 'rgb', 'probation', ''),
        (4.0, 'rgb', 'ok', '')])
    lines = soak.report(run, soak.Soak(loads=loads))[0].splitlines()
    start = next(i for i, line in enumerate(lines) if '2.00 s without a label at 1.0 s' in line)
    assert [line.strip() for line in lines[start + 1:start + 4]] == [
        'the streams sent nothing for 0.75 s from +0.50 s on',
        '+0.25 s: rgb lost timeout', '+2.25 s: rgb probation']
    assert not lines[start + 4].startswith(' ')
