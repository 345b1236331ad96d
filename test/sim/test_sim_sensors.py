# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The sensor models against answers worked out by hand."""

import numpy as np
import pytest

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.samples import EVENT_DTYPE
from anymodal_seg_ros.sim.sensors import (
    EVENT_THRESHOLD,
    depth_image,
    events_between,
    lidar_directions,
    with_event_noise,
)
from anymodal_seg_ros.sim.vehicle import build_rig, load_sensors
from anymodal_seg_ros.sim.weather import WEATHERS

C = EVENT_THRESHOLD


def _frames(*values):
    return [np.full((1, 1), value, np.float32) for value in values]


def test_a_brightening_pixel_fires_when_it_crosses_a_level():
    levels = np.full((1, 1), C / 2, np.float32)
    events = events_between(_frames(0.0, 2.0 * C), [0, 100_000_000], levels)
    assert events['polarity'].tolist() == [True, True]
    assert events['t_ns'] == pytest.approx([25_000_000, 75_000_000], abs=1000)


def test_a_darkening_pixel_fires_the_same_levels_in_turn():
    levels = np.full((1, 1), C / 2, np.float32)
    events = events_between(_frames(2.0 * C, 0.0), [0, 100_000_000], levels)
    assert events['polarity'].tolist() == [False, False]
    assert events['t_ns'] == pytest.approx([25_000_000, 75_000_000], abs=1000)


def test_a_pixel_recovers_and_a_steady_one_is_silent():
    levels = np.zeros((1, 1), np.float32)
    assert len(events_between(_frames(0.1, 0.1, 0.1), [0, 10_000, 20_000], levels)) == 0
    assert len(events_between(_frames(0.1, 9.0), [0, 1_000_000], levels)) == 2


def test_neighbouring_intervals_share_no_event():
    rng = np.random.default_rng(0)
    frames = [rng.normal(0, 1, (20, 30)).astype(np.float32) for _ in range(3)]
    levels = rng.uniform(0, C, (20, 30)).astype(np.float32)
    times = [5_000_000, 55_000_000, 105_000_000]
    first = events_between(frames[:2], times[:2], levels)
    second = events_between(frames[1:], times[1:], levels)
    assert first['t_ns'].min() > times[0]
    assert first['t_ns'].max() <= times[1] < second['t_ns'].min()
    both = events_between(frames, times, levels)
    assert np.array_equal(both, np.concatenate([first, second]))
    assert (both['t_ns'] % 1000 == 0).all()


def test_noise_events_come_in_order_and_in_limits():
    rng = np.random.default_rng(1)
    start_ns = 1_750_000_000_000_000_000
    none = np.zeros(0, EVENT_DTYPE)
    noise = with_event_noise(none, (50, 40), start_ns, start_ns + 100_000_000, 100.0, rng)
    assert len(noise) == pytest.approx(20_000, rel=0.05)
    assert (np.diff(noise['t_ns']) >= 0).all()
    assert start_ns < noise['t_ns'][0]
    assert noise['t_ns'][-1] <= start_ns + 100_000_000
    flood = with_event_noise(none, (500, 400), start_ns, start_ns + 100_000_000, 100.0, rng)
    assert len(flood) <= 200_000


def test_depth_noise_grows_with_the_square_of_depth():
    def spread(depth_m):
        image = depth_image(np.full((200, 200), depth_m, np.float32), WEATHERS['sun'],
                            np.random.default_rng(2))
        lost = np.isnan(image)
        return float(np.std(image[~lost])) if not lost.all() else 0.0, float(lost.mean())

    near, far = spread(10.0), spread(40.0)
    assert near[0] == pytest.approx(0.064, rel=0.05)
    assert far[0] == pytest.approx(0.964, rel=0.05)
    assert near[1] == pytest.approx(0.01, abs=0.003)
    assert spread(90.0)[1] == 1.0
    assert spread(np.inf)[1] == 1.0


def test_the_lidar_looks_all_around():
    directions = lidar_directions(64, 1024, -25.0, 10.0)
    assert directions.shape == (64 * 1024, 3)
    assert np.linalg.norm(directions, axis=1) == pytest.approx(1.0)
    elevation = np.degrees(np.arcsin(directions[:, 2]))
    assert (elevation.min(), elevation.max()) == pytest.approx((-25.0, 10.0), abs=1e-4)
    azimuth = np.arctan2(directions[:1024, 1], directions[:1024, 0])
    assert np.diff(np.unwrap(azimuth)) == pytest.approx(-2 * np.pi / 1024, abs=1e-5)


def test_the_rig_of_the_sensor_file():
    rig = build_rig(load_sensors(), 512, 512, (512, 512))
    assert rig.base_z_m == 1.7
    assert rig.camera_frame == 'camera_optical_frame'
    assert rig.extrinsic('rgb') == pytest.approx(np.eye(4))
    assert rig.camera.K[0, 0] == pytest.approx(256.0)
    # 10 m ahead of the LiDAR, which sits 0.4 m behind and 0.5 m above the camera.
    assert rig.extrinsic('lidar') @ [10.0, 0.0, 0.0, 1.0] == pytest.approx([0.0, -0.5, 9.6, 1.0])
    assert rig.extrinsic('event') @ [0.0, 0.0, 0.0, 1.0] == pytest.approx([0.06, 0.0, 0.0, 1.0])


@pytest.mark.parametrize(('old', 'new', 'words'), [
    ('rate_hz: 10.0', 'rate_hz: 0', '0.1 to 200'),
    ('latency_ms: 15.0', 'latency_ms: -1', '0 to 1000'),
    ('frame_id: lidar', 'frame: lidar', 'frame_id'),
    ('beams: 64', 'rays: 64', "unknown key 'rays'"),
    ('  lidar:', '  radar:', 'rgb, depth, lidar, event'),
    ('xyz: [-0.4, 0.0, 2.2]', 'xyz: [1, 2]', 'three numbers'),
])
def test_a_wrong_sensor_file_is_refused(tmp_path, old, new, words):
    from anymodal_seg_ros.resources import resource_path
    text = (resource_path('config') / 'sensors' / 'sim.yaml').read_text(encoding='utf-8')
    assert old in text
    path = tmp_path / 'sensors.yaml'
    path.write_text(text.replace(old, new), encoding='utf-8')
    with pytest.raises(ConfigError, match=words):
        load_sensors(path)


def test_a_missing_sensor_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r'nowhere\.yaml'):
        load_sensors(tmp_path / 'nowhere.yaml')
