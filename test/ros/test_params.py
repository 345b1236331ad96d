# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parameter table, the shipped parameter file and the settings made from the values."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import yaml

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.geometry import transform_from_quaternion
from anymodal_seg_ros.health import DEFAULTS as HEALTH_DEFAULTS
from anymodal_seg_ros.resources import resource_path
from anymodal_seg_ros.ros.declaration import Spec
from anymodal_seg_ros.ros.params import AREAS, parameter_specs, settings_from_values
from anymodal_seg_ros.sync import DEFAULT_INPUTS, SyncConfig

ROOT = Path(__file__).resolve().parents[2]
SPECS = {spec.name: spec for spec in parameter_specs()}


@pytest.fixture()
def values(tmp_path):
    return {**{name: spec.default for name, spec in SPECS.items()}, 'bundle': str(tmp_path)}


def flatten(tree, prefix=''):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flatten(value, f'{prefix}{key}.')
        else:
            yield f'{prefix}{key}', value


def test_the_shipped_file_holds_every_parameter_with_its_default():
    path = resource_path('config') / 'anymodal_seg.yaml'
    content = yaml.safe_load(path.read_text(encoding='utf-8'))
    shipped = dict(flatten(content['/**']['ros__parameters']))
    assert shipped == {name: spec.default for name, spec in SPECS.items()}
    # rcl refuses an integer where a float is declared.
    for name, value in shipped.items():
        assert type(value) is type(SPECS[name].default), name


def test_the_file_and_the_page_are_what_the_table_says():
    script = runpy.run_path(str(ROOT / 'scripts' / 'write_node_parameters.py'))
    for file, written in (('config/anymodal_seg.yaml', 'parameter_file'),
                          ('docs/parameters.md', 'parameter_page')):
        assert (ROOT / file).read_text(encoding='utf-8') == script[written](), (
            f'{file}: run python scripts/write_node_parameters.py')


def test_the_page_has_every_parameter_once_and_says_what_setting_it_does():
    page = (ROOT / 'docs' / 'parameters.md').read_text(encoding='utf-8')
    dynamic, fixed = page.split('## At the start only')
    rows = {True: {}, False: {}}
    for part, is_dynamic in ((dynamic, True), (fixed, False)):
        for line in part.splitlines():
            if line.startswith('| `'):
                name, *cells = (cell.strip() for cell in line.strip('|').split(' | '))
                for sensor in ('rgb', 'depth', 'lidar', 'event'):
                    full = name.strip(' `').replace('<sensor>', sensor)
                    assert rows[is_dynamic].setdefault(full, cells) == cells, full
    assert set(rows[True]) == {name for name, spec in SPECS.items() if spec.dynamic}
    assert set(rows[False]) == {name for name, spec in SPECS.items() if not spec.dynamic}
    for name, (_, allowed, text, effect) in rows[True].items():
        assert text == SPECS[name].text
        assert effect == SPECS[name].effect
        if SPECS[name].low is not None:
            assert allowed == f'{SPECS[name].low:g} to {SPECS[name].high:g}'


@pytest.mark.parametrize('spec', SPECS.values(), ids=SPECS)
def test_every_parameter_is_described_and_accepts_its_default(spec):
    descriptor = spec.descriptor()
    assert len(descriptor.description) > 10
    assert descriptor.read_only is not spec.dynamic
    spec.check(spec.default)
    ranged = spec.low is not None
    assert ranged == bool(descriptor.integer_range or descriptor.floating_point_range)
    is_number = isinstance(spec.default, (int, float)) and not isinstance(spec.default, bool)
    assert ranged == is_number


@pytest.mark.parametrize('unit_m', [0.0, -0.001, 2.0, float('nan')])
def test_a_unit_of_depth_that_is_none(unit_m):
    with pytest.raises(ConfigError, match=r'inputs\.depth\.unit_m is '):
        SPECS['inputs.depth.unit_m'].check(unit_m)


def test_names_are_unique():
    assert len(parameter_specs()) == len(SPECS)


def test_the_defaults_are_those_of_the_components(values):
    settings = settings_from_values(values)
    assert settings.sync == SyncConfig()
    assert settings.inputs == DEFAULT_INPUTS
    assert settings.health == HEALTH_DEFAULTS
    assert all(settings.enabled.values())
    assert settings.cameras == {}
    assert settings.extrinsics == {}
    assert settings.forms == {'rgb': 'raw', 'depth': 'raw', 'lidar': 'raw', 'event': 'cloud'}


def test_values_reach_the_settings(values):
    pose = [1.0, 2.0, 3.0, 0.5, -0.5, 0.5, 0.5]
    values |= {
        'sync.max_wait_s': 0.25, 'inputs.lidar.max_age_s': 0.5, 'health.rgb.grace_s': 9.0,
        'health.depth.skip_checks': ['depth_frozen', ''], 'health.rgb.frame_id': '/front',
        'inputs.event.type': 'frame',
        'inputs.rgb.transport': 'compressed', 'inputs.depth.enabled': False,
        'camera.width_px': 640, 'camera.height_px': 480, 'camera.horizontal_fov_deg': 90.0,
        'extrinsics.lidar': pose, 'inputs.rgb.qos': 'SENSOR_DATA', 'inputs.rgb.qos_depth': 7,
    }
    settings = settings_from_values(values)
    assert settings.sync.max_wait_s == 0.25
    assert settings.inputs['lidar'].max_age_s == 0.5
    assert settings.health['rgb'].grace_s == 9.0
    assert (settings.health['rgb'].frame_id, settings.health['depth'].frame_id) == ('front', '')
    assert settings.health['depth'].skip_checks == {'depth_frozen'}
    assert settings.forms['event'] == 'frame'
    assert settings.forms['rgb'] == 'compressed'
    assert [m for m, enabled in settings.enabled.items() if not enabled] == ['depth']
    camera = settings.cameras['rgb']
    assert (camera.width_px, camera.height_px, camera.K[0, 0]) == (640, 480, pytest.approx(320))
    np.testing.assert_allclose(
        settings.extrinsics['lidar'], transform_from_quaternion(pose[:3], pose[3:]))
    assert (settings.qos['rgb'].name, settings.qos['rgb'].depth) == ('SENSOR_DATA', 7)


@pytest.mark.parametrize(('name', 'value', 'message'), [
    ('sync.max_wait_s', 0.0, r'sync\.max_wait_s'),
    ('health.rgb.max_latency_s', 0.01, r'health\.rgb\..*latency'),
    ('camera.width_px', 640, 'all three or none'),
    ('extrinsics.lidar', [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], r'extrinsics\.lidar'),
    ('extrinsics.depth', [float('nan')] * 7, r'extrinsics\.depth'),
])
def test_a_combination_that_cannot_be_is_refused_by_name(values, name, value, message):
    values[name] = value
    with pytest.raises(ConfigError, match=message):
        settings_from_values(values)


@pytest.mark.parametrize(('name', 'value', 'message'), [
    ('inputs.rgb.qos', 'BEST', "'BEST'; allowed are 'BEST_AVAILABLE'"),
    ('output.overlay_alpha', 1.5, '1.5; 0.0 to 1.0 allowed'),
    ('sync.max_wait_s', float('nan'), 'finite'),
    ('extrinsics.lidar', [0.0] * 6, '6 values; 7 are needed'),
])
def test_a_value_that_is_not_allowed_is_refused_by_name(name, value, message):
    with pytest.raises(ConfigError, match=message) as caught:
        SPECS[name].check(value)
    assert str(caught.value).startswith(name)


def test_every_nested_name_lies_in_an_area_that_is_checked_for_misspelling():
    assert {name.partition('.')[0] for name in SPECS if '.' in name} == set(AREAS)


def test_a_list_of_free_length_is_not_measured():
    Spec(name='names', default=[''], text='any number of names').check(['a', 'b', 'c'])
