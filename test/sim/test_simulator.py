# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The simulated drive: the same bytes for the same seed, and true to its own geometry."""

import itertools
from dataclasses import replace

import cv2
import numpy as np
import pytest

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.geometry import transform_points
from anymodal_seg_ros.labels import load_label_space
from anymodal_seg_ros.samples import EVENT_DTYPE
from anymodal_seg_ros.sim.failures import FAILURES
from anymodal_seg_ros.sim.parallel import parallel_outputs
from anymodal_seg_ros.sim.preview import class_shares
from anymodal_seg_ros.sim.simulator import SimConfig, Simulator
from anymodal_seg_ros.sim.vehicle import ALL_SENSORS, SENSOR_NAMES, load_sensors
from anymodal_seg_ros.sim.weather import WEATHERS

pytestmark = pytest.mark.slow

SMALL = SimConfig(seed=3, width_px=128, height_px=128, event_width_px=128, event_height_px=128,
                  duration_s=4.0)


@pytest.fixture(scope='module')
def simulator():
    return Simulator(SMALL)


def test_equal_configurations_give_equal_bytes(simulator):
    other = Simulator(SMALL)
    for name in SENSOR_NAMES:
        first, second = simulator.measure(name, 7), other.measure(name, 7)
        assert first.sample.data.tobytes() == second.sample.data.tobytes()
        assert first.sample.stamp_ns == second.sample.stamp_ns
    assert np.array_equal(simulator.labels(7), other.labels(7))


def test_a_frame_alone_equals_the_frame_in_sequence(simulator):
    in_sequence = Simulator(replace(SMALL, duration_s=4.0))
    for index in range(3):
        latest = {name: in_sequence.measure(name, index) for name in SENSOR_NAMES}
    for name in SENSOR_NAMES:
        alone = (Simulator(SMALL) if name == 'event' else simulator).measure(name, 2)
        assert alone.sample.data.tobytes() == latest[name].sample.data.tobytes()


def test_two_processes_give_the_same_in_the_same_order():
    config = replace(SMALL, sensors=ALL_SENSORS, duration_s=0.15)
    alone = list(Simulator(config).outputs())
    together = list(parallel_outputs(config))
    assert [o.sample.modality for o in alone] == [
        'rgb', 'depth', 'event', 'thermal', 'lidar'] * 2
    assert len(together) == len(alone)
    for one, two in zip(alone, together, strict=True):
        assert one.sample.stamp_ns == two.sample.stamp_ns
        assert one.sample.data.tobytes() == two.sample.data.tobytes()
        assert (one.labels is None) == (one.sample.modality != 'rgb') == (two.labels is None)
        assert (one.counts is None) == (one.sample.modality != 'thermal')
        assert one.counts is None or one.counts.tobytes() == two.counts.tobytes()


def test_other_seeds_give_other_streets(simulator):
    other = Simulator(replace(SMALL, seed=4))
    assert (simulator.labels(7) != other.labels(7)).mean() > 0.05


def test_the_forms_of_samples(simulator):
    data = {name: simulator.measure(name, 5).sample.data for name in SENSOR_NAMES}
    assert (data['rgb'].shape, data['rgb'].dtype) == ((128, 128, 3), np.uint8)
    assert (data['depth'].shape, data['depth'].dtype) == ((128, 128), np.float32)
    assert np.nanmin(data['depth']) > 0.2
    assert np.isnan(data['depth']).any()
    assert data['lidar'].dtype == np.float32
    assert data['lidar'].shape[1] == 4
    assert 20_000 < len(data['lidar']) <= 64 * 1024
    assert np.isfinite(data['lidar']).all()
    assert data['lidar'][:, 3].min() > 0.0
    assert data['lidar'][:, 3].max() <= 1.0
    assert data['event'].dtype == EVENT_DTYPE


def test_stamps_and_arrivals_follow_the_sensor_file(simulator):
    for name in SENSOR_NAMES:
        spec, sample = load_sensors()[name], simulator.measure(name, 3).sample
        assert sample.stamp_ns - SMALL.start_ns == round(spec.phase_ms * 1e6) + 300_000_000
        assert sample.received_ns - sample.stamp_ns == round(spec.latency_ms * 1e6)
        assert sample.frame_id == spec.frame_id
    assert simulator.num_frames('rgb') == 40
    assert simulator.num_frames('lidar') == 40


def test_most_classes_of_deliver_occur_often():
    shares = class_shares(range(40, 58), size_px=96)
    assert sum(share.frames >= 0.15 for share in shares) >= 18
    assert sum(share.pixels for share in shares) == pytest.approx(1.0)


@pytest.mark.parametrize('street', ['straight', 'curve', 'crossing'])
def test_lidar_points_land_on_the_surfaces_that_the_cameras_see(street):
    sensors = dict(load_sensors())
    sensors['lidar'] = replace(sensors['lidar'], phase_ms=0.0)
    simulator = Simulator(replace(SMALL, street=street, width_px=256, height_px=256), sensors)
    rig = simulator.rig()
    rgb, lidar = simulator.measure('rgb', 5), simulator.measure('lidar', 5).sample.data
    depth = np.nan_to_num(simulator.measure('depth', 5).sample.data, nan=500.0)
    points = transform_points(rig.extrinsic('lidar'), lidar[:, :3])
    uv, in_view = rig.camera.project(points)
    columns, rows = np.floor(uv[in_view] + 0.5).astype(int).T
    kernel = np.ones((5, 5), np.uint8)
    smooth = cv2.dilate(depth, kernel) < 1.25 * cv2.erode(depth, kernel)
    usable = smooth[rows, columns] & (points[in_view, 2] < 40.0)
    error = points[in_view, 2] / depth[rows, columns] - 1.0
    assert usable.sum() > 3000
    assert (np.abs(error[usable]) < 0.06).mean() > 0.95
    assert abs(float(np.median(error[usable]))) < 0.005

    space = load_label_space('deliver')
    label, intensity = rgb.labels[rows, columns], lidar[in_view, 3]
    lines = intensity[(label == space.id_of('RoadLine')) & (points[in_view, 2] < 20)]
    road = intensity[(label == space.id_of('Road')) & (points[in_view, 2] < 20)]
    assert np.median(lines) > 2.5 * np.median(road)


def test_events_lie_in_their_window_in_order(simulator):
    windows = [simulator.measure('event', index).sample for index in (4, 5)]
    for sample in windows:
        t_ns = sample.data['t_ns']
        assert (np.diff(t_ns) >= 0).all()
        assert sample.stamp_ns - 100_000_000 < t_ns[0]
        assert t_ns[-1] <= sample.stamp_ns
        assert sample.data['x'].max() < 128
        assert sample.data['y'].max() < 128
        assert 0.2 < sample.data['polarity'].mean() < 0.8
    assert windows[0].data['t_ns'][-1] <= windows[0].stamp_ns < windows[1].data['t_ns'][0]


def test_conditions_change_what_is_seen_and_not_what_is_there(simulator):
    seen = {name: Simulator(replace(SMALL, condition=name)) for name in WEATHERS}
    images = {name: sim.measure('rgb', 7) for name, sim in seen.items()}
    for name in WEATHERS:
        assert np.array_equal(images[name].labels, simulator.labels(7))
    for one, two in itertools.combinations(WEATHERS, 2):
        difference = np.abs(images[one].sample.data.astype(int) - images[two].sample.data)
        assert difference.mean() > 8.0
    brightness = {name: image.sample.data.mean() for name, image in images.items()}
    assert brightness['night'] < 0.5 * min(brightness[n] for n in WEATHERS if n != 'night')
    points = {name: len(sim.measure('lidar', 7).sample.data) for name, sim in seen.items()}
    assert points['fog'] < 0.97 * points['sun']
    assert points['rain'] < 0.97 * points['sun']


def test_conditions_can_change_on_the_way():
    config = replace(SMALL, changes=((1.0, 'night'), (2.0, 'fog')))
    assert [config.condition_at(t) for t in (-1.0, 0.0, 0.99, 1.0, 1.99, 2.0, 9.0)] == [
        'sun', 'sun', 'sun', 'night', 'night', 'fog', 'fog']
    changing = Simulator(config)
    night = Simulator(replace(SMALL, condition='night'))
    for name in SENSOR_NAMES:
        assert (changing.measure(name, 10).sample.data.tobytes()
                == night.measure(name, 10).sample.data.tobytes())


@pytest.mark.parametrize('failure', FAILURES)
def test_a_failure_is_one_sensor_s(simulator, failure):
    failing = Simulator(replace(SMALL, failure=failure))
    for name in SENSOR_NAMES:
        clean, failed = simulator.measure(name, 7), failing.measure(name, 7)
        equal = clean.sample.data.tobytes() == failed.sample.data.tobytes()
        assert equal == (name != FAILURES[failure][0])
    assert np.array_equal(simulator.labels(7), failing.labels(7))


@pytest.mark.parametrize(('field', 'value', 'words'), [
    ('street', 'spiral', 'straight, curve'), ('condition', 'hail', 'sun'),
    ('failure', 'rust', 'motionblur'), ('width_px', 8, '32 to 4096'),
    ('speed_m_s', -1.0, '0 to 30'), ('duration_s', float('nan'), '0.05'),
    ('changes', ((3.0, 'night'), (2.0, 'sun')), 'increase'),
    ('changes', ((3.0, 'hail'),), 'hail'),
])
def test_a_wrong_configuration_is_refused(field, value, words):
    with pytest.raises(ConfigError, match=words):
        replace(SMALL, **{field: value})


def test_an_unknown_sensor_is_refused(simulator):
    with pytest.raises(ConfigError, match=r'radar.*lidar'):
        simulator.measure('radar', 0)
