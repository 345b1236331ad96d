# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parameter table, the shipped parameter file and the settings made from the values."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.geometry import transform_from_quaternion
from anymodal_seg_ros.health import DEFAULTS as HEALTH_DEFAULTS
from anymodal_seg_ros.health import HealthConfig, checks_of
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.ranges import Range, ranges_of
from anymodal_seg_ros.resources import resource_path
from anymodal_seg_ros.ros.bag_player_node import PARAMETERS as PLAYER
from anymodal_seg_ros.ros.bag_recorder_node import PARAMETERS as RECORDER
from anymodal_seg_ros.ros.declaration import Spec
from anymodal_seg_ros.ros.fault_injector_node import PARAMETERS as INJECTOR
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


def test_the_page_has_every_parameter_once_and_says_what_setting_it_does():
    page = (ROOT / 'docs' / 'parameters.md').read_text(encoding='utf-8')
    dynamic, fixed = page.split('## At the start only')
    rows = {True: {}, False: {}}
    for part, is_dynamic in ((dynamic, True), (fixed, False)):
        for line in part.splitlines():
            if line.startswith('| `'):
                name, *cells = (cell.strip() for cell in line.strip('|').split(' | '))
                for sensor in MODALITIES:
                    full = name.strip(' `').replace('<sensor>', sensor)
                    assert rows[is_dynamic].setdefault(full, cells) == cells, full
    assert set(rows[True]) == {name for name, spec in SPECS.items() if spec.dynamic}
    assert set(rows[False]) == {name for name, spec in SPECS.items() if not spec.dynamic}
    for name, (_, allowed, text, effect) in rows[True].items():
        assert text == SPECS[name].text
        assert effect == SPECS[name].effect
        if SPECS[name].range is not None:
            assert allowed == str(SPECS[name].range)


NODES = {'segmentation': parameter_specs(), 'injector': INJECTOR, 'player': PLAYER,
         'recorder': RECORDER}
ALL_SPECS = [pytest.param(spec, id=f'{node}-{spec.name}')
             for node, specs in NODES.items() for spec in specs]


@pytest.mark.parametrize('spec', ALL_SPECS)
def test_every_parameter_is_described_and_accepts_its_default(spec):
    descriptor = spec.descriptor()
    assert len(descriptor.description) > 10
    assert descriptor.read_only is not spec.dynamic
    spec.check(spec.default)
    one = spec.default[0] if spec.is_list else spec.default
    is_number = isinstance(one, (int, float)) and not isinstance(one, bool)
    assert is_number == (spec.range is not None)
    for span in (*descriptor.integer_range, *descriptor.floating_point_range):
        ends = [end for end in (spec.range.least, spec.range.most, spec.range.also)
                if end is not None]
        assert (span.from_value, span.to_value) == (min(ends), max(ends))
    assert (len(descriptor.integer_range), len(descriptor.floating_point_range)) == (
        int(spec.is_whole), int(is_number and not spec.is_list and not spec.is_whole))


@pytest.mark.parametrize('unit_m', [0.0, -0.001, 2.0, float('nan')])
def test_a_unit_of_depth_that_is_none(unit_m):
    with pytest.raises(ConfigError, match=r'inputs\.depth\.unit_m is '):
        SPECS['inputs.depth.unit_m'].check(unit_m)


@pytest.mark.parametrize(('low', 'high', 'words'), [
    (5.0, 0.0, 'inputs.thermal.low is 5.0; allowed: 0 while high is not given'),
    (9.0, 3.0, 'inputs.thermal.high is 3.0; allowed: more than low, 9.0')])
def test_a_range_of_counts_that_is_none(values, low, high, words):
    values |= {'inputs.thermal.low': low, 'inputs.thermal.high': high}
    with pytest.raises(ConfigError, match=f'^{re.escape(words)}'):
        settings_from_values(values)


def test_the_injector_promises_nothing_of_a_bundle():
    """It has none."""
    assert not [spec.name for spec in INJECTOR if 'bundle' in spec.text]
    assert 'the bundle' in SPECS['inputs.thermal.low'].text


def test_names_are_unique():
    assert len(parameter_specs()) == len(SPECS)


def test_the_defaults_are_those_of_the_components(values):
    settings = settings_from_values(values)
    assert settings.session.sync == SyncConfig()
    assert settings.session.inputs == DEFAULT_INPUTS
    assert settings.session.health == HEALTH_DEFAULTS
    assert all(settings.is_enabled(name) for name in settings.session.health)
    assert settings.cameras == {}
    assert settings.extrinsics == {}
    assert settings.forms == {**dict.fromkeys(MODALITIES, 'raw'), 'event': 'cloud'}


def test_values_reach_the_settings(values):
    pose = [1.0, 2.0, 3.0, 0.5, -0.5, 0.5, 0.5]
    values |= {
        'sync.max_wait_s': 0.25, 'inputs.lidar.max_age_s': 0.5, 'health.rgb.grace_s': 9.0,
        'health.depth.skip_checks': ['depth_frozen', ''], 'health.rgb.frame_id': '/front',
        'inputs.event.form': 'frame',
        'inputs.rgb.form': 'compressed', 'inputs.depth.enabled': False,
        'camera.width_px': 640, 'camera.height_px': 480, 'camera.horizontal_fov_deg': 90.0,
        'camera.frame_id': '/front', 'base_frame': '/base',
        'extrinsics.lidar': pose, 'inputs.rgb.qos': 'SENSOR_DATA', 'inputs.rgb.qos_depth': 7,
    }
    settings = settings_from_values(values)
    assert settings.session.sync.max_wait_s == 0.25
    assert settings.session.inputs['lidar'].max_age_s == 0.5
    assert settings.session.health['rgb'].grace_s == 9.0
    health = settings.session.health
    assert (health['rgb'].frame_id, health['depth'].frame_id) == ('front', '')
    assert (settings.camera_frame, settings.base_frame) == ('front', 'base')
    assert settings.session.health['depth'].skip_checks == {'depth_frozen'}
    assert settings.forms['event'] == 'frame'
    assert settings.forms['rgb'] == 'compressed'
    assert [m for m in settings.session.health if not settings.is_enabled(m)] == ['depth']
    camera = settings.cameras['rgb']
    assert (camera.width_px, camera.height_px, camera.K[0, 0]) == (640, 480, pytest.approx(320))
    np.testing.assert_allclose(
        settings.extrinsics['lidar'], transform_from_quaternion(pose[:3], pose[3:]))
    assert (settings.qos['rgb'].name, settings.qos['rgb'].depth) == ('SENSOR_DATA', 7)


@pytest.mark.parametrize(('name', 'value', 'message'), [
    ('sync.max_wait_s', 0.0, r'sync\.max_wait_s'),
    ('health.rgb.max_latency_s', 0.01, r'health\.rgb\..*latency'),
    ('camera.width_px', 640, 'all three or none'),
    ('health.rgb.probation_s', 5.0, r'health\.rgb\.probation_s is 5.0; at most probation_max_s'),
    ('inputs.rgb.max_age_s', 0.01, r'inputs\.rgb\.tolerance_s is 0.03; at most max_age_s'),
    ('health.rgb.stale_s', 11.0, r'health\.rgb\.stale_s is 11.0; at most sync\.max_past_s'),
    ('sync.max_future_s', 0.1, r'health\.rgb\.future_s is 0.2; at most sync\.max_future_s'),
    ('extrinsics.lidar', [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], r'extrinsics\.lidar'),
    ('camera.frame_id', '', r"camera\.frame_id is ''; the name of a frame"),
    ('base_frame', '/', r"base_frame is '/'; the name of a frame"),
    ('health.rgb.frame_id', 'front ', r"health\.rgb\.frame_id is 'front '; the name of a frame"),
    ('extrinsics.depth', [float('nan')] * 7, r'extrinsics\.depth'),
])
def test_a_combination_that_cannot_be_is_refused_by_name(values, name, value, message):
    values[name] = value
    with pytest.raises(ConfigError, match=message):
        settings_from_values(values)


@pytest.mark.parametrize(('name', 'value', 'message'), [
    ('inputs.rgb.qos', 'BEST', "'BEST'; allowed: BEST_AVAILABLE"),
    ('output.overlay_alpha', 1.5, '1.5; allowed: 0 to 1'),
    ('sync.max_wait_s', float('nan'), 'is nan; allowed: 0.001 to 5'),
    ('sync.max_misses', 2.0, 'is 2.0; a whole number is needed'),
    ('sync.max_misses', 0, 'is 0; allowed: a whole number, 1 to 1000'),
    ('extrinsics.lidar', [0.0] * 6, '6 values; 7 are needed'),
    ('extrinsics.lidar', [0.0, 1e300, 0.0, 0.0, 0.0, 0.0, 1.0], 'is 1e.300; allowed: -1000 to'),
    ('extrinsics.lidar', ['', *[0.0] * 6], r"lidar\[0\] is ''; a number with a point is needed"),
    ('extrinsics.lidar', 0.0, 'is 0.0; a list is needed'),
    ('health.rgb.expected_rate_hz', 1e-300, 'is 1e-300; allowed: 0, or 0.01 to 10000'),
    ('health.depth.skip_checks', ['', 'bogus'],
     "'bogus'; allowed: depth_empty, depth_frozen"),
    ('model.num_threads', 257, 'allowed: a whole number, 0, or 1 to 256'),
])
def test_a_value_that_is_not_allowed_is_refused_by_name(name, value, message):
    with pytest.raises(ConfigError, match=message) as caught:
        SPECS[name].check(value)
    assert str(caught.value).startswith(name)


def test_every_nested_name_lies_in_an_area_that_is_checked_for_misspelling():
    assert {name.partition('.')[0] for name in SPECS if '.' in name} == set(AREAS)


def test_a_list_of_free_length_is_not_measured():
    Spec(name='names', default=[''], text='any number of names').check(['a', 'b', 'c'])


NUMBERS = {name: spec for name, spec in SPECS.items()
           if spec.range is not None and not spec.is_list and not name.startswith('camera')}


@pytest.mark.parametrize('name', NUMBERS)
def test_each_end_of_a_range_is_taken_or_contradicts_another_parameter(values, name):
    """Nobody is told of a value that he cannot set."""
    for end in (NUMBERS[name].range.least, NUMBERS[name].range.most, NUMBERS[name].range.also):
        if end is None:
            continue
        SPECS[name].check(end)
        try:
            settings_from_values({**values, name: end})
        except ConfigError as error:
            prefix = name.rpartition('.')[0]
            words = str(error).replace('(', ' ').replace(';', ' ').split()
            named = {word for word in words if word in SPECS or f'{prefix}.{word}' in SPECS}
            assert len(named) == 2, error


@pytest.mark.parametrize('name', NUMBERS)
def test_what_lies_beyond_a_range_is_refused(name):
    spec = NUMBERS[name]
    for value in (np.nextafter(spec.range.least, -np.inf), np.nextafter(spec.range.most, np.inf),
                  float('nan'), float('inf'), 5e-324):
        if spec.is_whole and np.isfinite(value):
            value = int(np.floor(value) if value < spec.range.most else np.ceil(value))
        if value in (0, spec.range.also) or spec.range.least <= value <= spec.range.most:
            continue
        with pytest.raises(ConfigError, match=r'; (allowed: |a ).*') as caught:
            spec.check(float(value) if not spec.is_whole else value)
        assert str(caught.value).startswith(f'{name} is ')


def test_a_range_is_that_of_the_component():
    assert SPECS['sync.max_wait_s'].range == ranges_of(SyncConfig)['max_wait_s']
    assert SPECS['health.rgb.stale_s'].range == ranges_of(HealthConfig)['stale_s']
    # The rate's threshold is no parameter, so that fewer periods than that are never allowed.
    assert SPECS['health.rgb.timeout_periods'].range == Range(HealthConfig().rate_enter, 1000.0)


def test_the_checks_that_may_be_skipped_are_those_that_there_are():
    for modality in MODALITIES:
        spec = SPECS[f'health.{modality}.skip_checks']
        spec.check([check.reason for check in checks_of(modality).checks])
        with pytest.raises(ConfigError, match='allowed: '):
            spec.check(['timeout'])
