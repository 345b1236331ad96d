# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fault schedules: strict reading, activity over time, and the shipped files."""

from pathlib import Path

import numpy as np
import pytest

from anymodal_seg_ros.corruption import FaultSchedule, ScheduledFault, corrupt
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.resources import resource_path
from anymodal_seg_ros.samples import Sample

GOOD = {'name': 'a', 'modality': 'rgb', 'fault': 'noise', 'start_s': 1.0, 'end_s': 2.0,
        'severity': 0.5}


def schedule_of(*entries, **top):
    return FaultSchedule.from_dict({'seed': 1, 'faults': list(entries), **top})


def test_round_trip():
    schedule = schedule_of(GOOD, {**GOOD, 'name': 'b', 'modality': 'lidar', 'fault': 'drop'})
    assert FaultSchedule.from_dict(schedule.to_dict()) == schedule
    assert schedule.faults[1].kind == 'stream'


def test_active_includes_the_start_and_excludes_the_end():
    schedule = schedule_of(GOOD)
    assert [len(schedule.active('rgb', t)) for t in (0.99, 1.0, 1.99, 2.0)] == [0, 1, 1, 0]
    assert schedule.active('depth', 1.5) == []
    assert schedule.duration_s == 2.0
    assert FaultSchedule().duration_s == 0.0


@pytest.mark.parametrize(('change', 'match'), [
    ({'fault': 'explode'}, 'explode'),
    ({'fault': ['blur']}, 'blur'),
    ({'fault': {'blur': 1}}, 'blur'),
    ({'modality': ['rgb']}, 'rgb'),
    ({'modality': 'sonar'}, 'sonar'),
    ({'modality': 'lidar', 'fault': 'blur'}, 'blur'),
    ({'end_s': 1.0}, 'start_s < end_s'),
    ({'start_s': -1.0}, 'start_s'),
    ({'start_s': 'soon'}, 'start_s'),
    ({'end_s': float('nan')}, 'end_s'),
    ({'severity': 0}, 'severity'),
    ({'severity': 1.5}, 'severity'),
    ({'severity': 'all'}, 'severity'),
    ({'sevrity': 0.5}, 'sevrity'),
    ({'name': ''}, 'name'),
])
def test_bad_entries_are_named(change, match):
    with pytest.raises(ConfigError, match=match):
        schedule_of({**GOOD, **change})


@pytest.mark.parametrize(('data', 'match'), [
    ([], 'table'),
    ({'fault': []}, 'unknown key'),
    ({'faults': {'a': 1}}, 'list'),
    ({'faults': ['a']}, 'number 0'),
    ({'seed': -1}, 'seed'),
    ({'seed': 1.5}, 'seed'),
    ({'faults': [{k: v for k, v in GOOD.items() if k != 'end_s'}]}, 'end_s'),
    ({'faults': [GOOD, GOOD]}, 'names must differ'),
    ({'faults': [GOOD, {**GOOD, 'name': 'b', 'start_s': 1.9, 'end_s': 3}]}, 'same time'),
])
def test_bad_schedules_are_named(data, match):
    with pytest.raises(ConfigError, match=match):
        FaultSchedule.from_dict(data)


def test_different_faults_may_overlap():
    schedule = schedule_of(GOOD, {**GOOD, 'name': 'b', 'fault': 'blur'})
    assert [f.name for f in schedule.active('rgb', 1.5)] == ['a', 'b']


def test_errors_name_the_file(tmp_path):
    path = tmp_path / 'bad.yaml'
    path.write_text('faults: [', encoding='utf-8')
    with pytest.raises(ConfigError, match=r'^\S+bad\.yaml is not YAML: .*$'):
        FaultSchedule.from_yaml(path)
    path.write_text('fault: 1', encoding='utf-8')
    with pytest.raises(ConfigError, match=r'bad\.yaml'):
        FaultSchedule.from_yaml(path)
    with pytest.raises(ConfigError, match=r'absent\.yaml'):
        FaultSchedule.from_yaml(tmp_path / 'absent.yaml')


@pytest.mark.parametrize('path', sorted((resource_path('config') / 'faults').glob('*.yaml')),
                         ids=lambda path: path.name)
def test_shipped_schedules_are_valid(path: Path):
    FaultSchedule.from_yaml(path)


def test_the_demo_tells_its_story():
    schedule = FaultSchedule.from_yaml(resource_path('config') / 'faults' / 'demo.yaml')
    out = [frozenset(m for m in ('rgb', 'depth', 'lidar', 'event') if schedule.active(m, t))
           for t in np.arange(0, 36, 0.1)]
    phases = [state for i, state in enumerate(out) if i == 0 or out[i - 1] != state]
    assert phases == [frozenset(), {'rgb'}, frozenset(), {'lidar'}, {'lidar', 'event'},
                      frozenset(), {'depth'}, frozenset()]


def image_sample(stamp_ns):
    return Sample(modality='rgb', stamp_ns=stamp_ns, received_ns=stamp_ns, frame_id='camera',
                  data=np.full((32, 32, 3), 128, np.uint8))


def test_corrupt_is_repeatable_and_fresh_for_every_stamp():
    active = [ScheduledFault(**GOOD)]
    first, again, later = (corrupt(image_sample(t), active, seed=3).data for t in (10, 10, 11))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, later)
    assert not np.array_equal(first, corrupt(image_sample(10), active, seed=4).data)


def test_a_static_fault_stays_in_its_place():
    active = [ScheduledFault(**{**GOOD, 'fault': 'block_mask'})]
    first, later = (corrupt(image_sample(t), active, seed=3).data for t in (10, 11))
    assert np.array_equal(first, later)
    assert not first.all()


def test_corrupt_passes_over_what_is_no_content_fault_of_the_sensor():
    active = [ScheduledFault(**{**GOOD, 'fault': 'drop'}),
              ScheduledFault(**{**GOOD, 'modality': 'depth'})]
    sample = image_sample(10)
    assert corrupt(sample, active, seed=0) is sample
