# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How much each fault does, as the table of faults says it in words."""

from collections import defaultdict

import cv2
import numpy as np
import pytest

from anymodal_seg_ros.corruption import FAULTS
from anymodal_seg_ros.corruption.deliver import DELIVER_FAILURES
from anymodal_seg_ros.corruption.fault import check_severity
from anymodal_seg_ros.samples import EVENT_DTYPE

SEVERITIES = (0.25, 0.5, 1.0)


def apply(name, data, severity, modality, seed=0):
    return FAULTS[name].apply(data, severity, np.random.default_rng(seed), modality)


def many(name, data, severity, modality, num=200):
    return [apply(name, data, severity, modality, seed) for seed in range(num)]


def grey(value, shape=(64, 64)):
    return np.full((*shape, 3), value, np.uint8)


def events_of(num, width=64, height=48):
    rng = np.random.default_rng(1)
    events = np.zeros(num, EVENT_DTYPE)
    events['x'] = rng.integers(0, width, num)
    events['y'] = rng.integers(0, height, num)
    events['t_ns'] = 10**18 + np.sort(rng.integers(0, 10**8, num))
    events['polarity'] = True
    return events


# Camera


@pytest.mark.parametrize('severity', SEVERITIES)
def test_black_scales_every_grey_level(severity):
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    after = apply('black', levels, severity, 'rgb')
    assert np.array_equal(after, np.rint(levels * (1 - severity)))


@pytest.mark.parametrize(('name', 'stops'), [('overexposure', 8.0), ('underexposure', -6.0)])
@pytest.mark.parametrize('severity', (0.1, 0.25))
def test_exposure_is_in_stops_of_linear_light(name, stops, severity):
    after = apply(name, grey(100), severity, 'rgb')[0, 0, 0]
    light = (100 / 255) ** 2.2 * 2 ** (stops * severity)
    assert after == pytest.approx(min(255 * light ** (1 / 2.2), 255), abs=0.51)


@pytest.mark.parametrize('severity', SEVERITIES)
def test_blur_spreads_a_point_by_its_sigma(severity):
    image = np.zeros((129, 256, 3), np.float32)
    image[64, 128] = 1000.0
    after = apply('blur', image, severity, 'rgb')[..., 0]
    rows, columns = np.indices(after.shape)
    for offsets in (rows - 64, columns - 128):
        sigma_px = np.sqrt((after * offsets**2).sum() / after.sum())
        assert sigma_px == pytest.approx(severity * 256 / 64, rel=0.05)


def test_blur_is_never_less_than_a_third_of_a_pixel():
    image = np.zeros((33, 33, 3), np.float32)
    image[16, 16] = 1.0
    expected = cv2.GaussianBlur(image, (0, 0), 0.3)
    assert np.allclose(apply('blur', image, 0.01, 'rgb'), expected)
    assert expected[16, 16, 0] < 1.0


@pytest.mark.parametrize(('severity', 'length_px'), [(0.01, 3), (0.5, 9), (1.0, 17)])
def test_motion_blur_is_a_line_of_its_length(severity, length_px):
    image = np.zeros((257, 256, 3), np.float32)
    image[128, 128] = 1.0
    for seed in range(20):
        after = apply('motion_blur', image, severity, 'rgb', seed)[..., 0]
        rows, columns = np.nonzero(after > 1e-6)
        assert after.sum() == pytest.approx(1.0, abs=1e-4)
        # The ends are half a length from the middle, whatever the direction.
        reach_px = np.hypot(rows - 128, columns - 128).max()
        assert reach_px == pytest.approx((length_px - 1) / 2, abs=0.75)
        assert rows.mean() == pytest.approx(128, abs=1e-6)
        assert columns.mean() == pytest.approx(128, abs=1e-6)


def test_motion_blur_takes_every_direction():
    image = np.zeros((257, 257, 3), np.float32)
    image[128, 128] = 1.0
    angles = []
    for after in many('motion_blur', image, 1.0, 'rgb', 60):
        rows, columns = np.nonzero(after[..., 0] > 1e-6)
        far = np.argmax(np.hypot(rows - 128, columns - 128))
        angles.append(np.rad2deg(np.arctan2(rows[far] - 128, columns[far] - 128)) % 180)
    assert np.histogram(angles, bins=6, range=(0, 180))[0].min() > 0


@pytest.mark.parametrize('severity', (0.1, 0.4))
def test_camera_noise_has_its_sigma_and_no_bias(severity):
    after = apply('noise', grey(128, (200, 200)), severity, 'rgb').astype(float)
    assert after.std() == pytest.approx(80 * severity, rel=0.02)
    assert after.mean() == pytest.approx(128, abs=0.5)


@pytest.mark.parametrize('level', [0, 255])
def test_camera_noise_is_clipped_where_the_scale_ends(level):
    after = apply('noise', grey(level, (100, 100)), 0.5, 'rgb').astype(int)
    assert (after == level).mean() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(('severity', 'cells'), [(0.001, 1), (0.25, 16), (1.0, 64)])
@pytest.mark.parametrize('modality', ['rgb', 'depth'])
def test_block_mask_covers_whole_cells_of_an_eighth(severity, cells, modality):
    data = grey(200, (80, 160)) if modality == 'rgb' else np.full((80, 160), 5, np.float32)
    after = apply('block_mask', data, severity, modality, seed=3)
    gone = (after == 0).all(-1) if modality == 'rgb' else np.isnan(after)
    per_cell = gone.reshape(8, 10, 8, 20).mean((1, 3))
    assert set(np.unique(per_cell)) <= {0.0, 1.0}
    assert per_cell.sum() == cells


# Depth


def test_black_depth_ends_at_its_range():
    depth_m = np.array([[1.0, 49.9, 50.1, 99.0, np.nan]], np.float32)
    after = apply('black', depth_m, 0.5, 'depth')
    assert np.array_equal(after, [[1.0, np.float32(49.9), np.nan, np.nan, np.nan]],
                          equal_nan=True)


def test_black_leaves_not_even_a_return_at_the_sensor():
    assert np.isnan(apply('black', np.zeros((4, 4), np.float32), 1.0, 'depth')).all()
    assert len(apply('black', np.zeros((4, 4), np.float32), 1.0, 'lidar')) == 0


@pytest.mark.parametrize('severity', SEVERITIES)
def test_depth_noise_is_a_share_of_the_depth(severity):
    depth_m = np.full((200, 200), 20, np.float32)
    after = apply('noise', depth_m, severity, 'depth')
    assert after.std() == pytest.approx(0.1 * severity * 20, rel=0.02)
    assert after.mean() == pytest.approx(20, abs=0.05)


def test_noisy_depth_is_a_centimetre_at_least():
    assert apply('noise', np.full((9, 9), 1e-4, np.float32), 0.5, 'depth') == pytest.approx(0.01)


# LiDAR


def ring(num=720, range_m=10.0, intensity=0.5):
    azimuth = np.linspace(-np.pi, np.pi, num, endpoint=False)
    zero = np.zeros(num)
    return np.c_[range_m * np.cos(azimuth), range_m * np.sin(azimuth), zero,
                 zero + intensity].astype(np.float32)


def test_black_lidar_ends_at_its_range():
    points = np.array([[49.9, 0, 0, 1], [0, 50.1, 0, 1], [0, 0, -49.9, 1], [30, 30, 30, 1]],
                      np.float32)
    assert np.array_equal(apply('black', points, 0.5, 'lidar'), points[[0, 2]])


def test_blocked_sectors_lie_within_45_degrees_of_straight_ahead():
    points = ring(3600)
    points[:, 3] = np.arange(3600)
    centres = []
    for seed in range(200):
        after = apply('sector_blockage', points, 0.1, 'lidar', seed)
        lost = np.setdiff1d(np.arange(3600), after[:, 3].astype(int))
        azimuth_deg = np.rad2deg(np.arctan2(points[lost, 1], points[lost, 0]))
        assert np.ptp(azimuth_deg) == pytest.approx(36, abs=0.3)
        centres.append(azimuth_deg.mean())
    assert -45 <= min(centres) < -40 and 40 < max(centres) <= 45


def test_jitter_turns_about_each_axis_and_moves_along_each():
    points = np.eye(4, dtype=np.float32)[:3] * 10.0
    origin = np.zeros((1, 4), np.float32)
    turned_deg, moved_m = [], []
    for seed in range(400):
        after = apply('jitter', np.r_[points, origin], 0.5, 'lidar', seed)[:, :3]
        rotation = ((after[:3] - after[3]) / 10.0).T
        turned_deg.append(np.rad2deg([
            np.arctan2(rotation[2, 1], rotation[2, 2]), -np.arcsin(rotation[2, 0]),
            np.arctan2(rotation[1, 0], rotation[0, 0])]))
        moved_m.append(after[3])
        assert rotation @ rotation.T == pytest.approx(np.eye(3), abs=1e-5)
        assert np.linalg.det(rotation) == pytest.approx(1.0, abs=1e-5)
    for found, limit in ((turned_deg, 1.0), (moved_m, 0.01)):
        assert np.min(found, 0) == pytest.approx(-limit, rel=0.05)
        assert np.max(found, 0) == pytest.approx(limit, rel=0.05)


def test_a_drawn_scan_is_turned_as_its_points_are():
    """A return in the picture moves to where its turned point projects."""
    height, width = 120, 200
    focal_px, cx, cy = width / 2, (width - 1) / 2, (height - 1) / 2
    for seed in range(8):
        image = np.zeros((height, width, 3), np.uint8)
        found, expected = [], []
        for u, v in ((30, 20), (170, 20), (100, 60), (30, 100), (170, 100)):
            image[:] = 0
            image[v - 2:v + 3, u - 2:u + 3] = 255
            after = apply('jitter', image, 1.0, 'lidar', seed)
            rows, columns = np.nonzero(after[..., 0])
            found.append((columns.mean(), rows.mean()))
            # Optical axes right, down, forward are -y, -z, x of the LiDAR.
            ray = np.array([[1.0, -(u - cx) / focal_px, -(v - cy) / focal_px, 0.5],
                            [0.0, 0.0, 0.0, 0.5]], np.float32) * [[1e4], [1.0]]
            far, origin = apply('jitter', ray.astype(np.float32), 1.0, 'lidar', seed)[:, :3]
            x, y, z = far - origin
            expected.append((cx - focal_px * y / x, cy - focal_px * z / x))
        assert np.array(found) == pytest.approx(np.array(expected), abs=0.75)


@pytest.mark.parametrize('severity', SEVERITIES)
def test_range_noise_is_along_the_ray_and_noise_of_the_intensity_too(severity):
    points = ring(20_000, range_m=30.0)
    after = apply('noise', points, severity, 'lidar')
    ranges_m = np.linalg.norm(after[:, :3], axis=1)
    assert ranges_m.std() == pytest.approx(0.5 * severity, rel=0.03)
    assert ranges_m.mean() == pytest.approx(30.0, abs=0.02)
    assert after[:, :3] / ranges_m[:, None] == pytest.approx(points[:, :3] / 30.0, abs=1e-5)
    if severity < 0.5:
        assert after[:, 3].std() == pytest.approx(0.3 * severity, rel=0.03)


def test_range_noise_never_turns_a_point_to_the_other_side():
    points = ring(2000, range_m=0.05)
    after = apply('noise', points, 1.0, 'lidar')
    assert ((after[:, :2] * points[:, :2]).sum(1) >= 0).all()
    assert np.isfinite(apply('noise', np.zeros((9, 4), np.float32), 1.0, 'lidar')).all()


def test_noisy_intensity_is_clipped_where_its_scale_ends():
    for level in (0.0, 1.0):
        after = apply('noise', ring(4000, intensity=level), 1.0, 'lidar')[:, 3]
        assert (after == level).mean() == pytest.approx(0.5, abs=0.04)
        assert after.min() >= 0 and after.max() <= 1


@pytest.mark.parametrize('severity', (0.2, 0.7))
def test_points_are_lost_with_their_probability(severity):
    after = apply('dropoff', ring(20_000), severity, 'lidar')
    assert len(after) == pytest.approx(20_000 * (1 - severity), rel=0.03)


# Events


@pytest.mark.parametrize('severity', (0.2, 0.7))
def test_events_are_lost_with_their_probability(severity):
    events = events_of(20_000)
    kept = apply('black', events, severity, 'event')
    assert len(kept) == pytest.approx(20_000 * (1 - severity), rel=0.03)
    frame = grey(255, (100, 200))
    lit = apply('black', frame, severity, 'event')
    assert (lit > 0).mean() == pytest.approx(1 - severity, abs=0.01)
    assert np.isin(lit.reshape(-1, 3).sum(1), (0, 3 * 255)).all()


@pytest.mark.parametrize(('severity', 'pixel'), [(0.01, 2), (0.33, 2), (0.67, 3), (1.0, 4)])
def test_coarse_pixels_have_their_size(severity, pixel):
    events = events_of(20_000, width=120, height=60)
    after = apply('low_resolution', events, severity, 'event')
    for axis, size in (('x', 120), ('y', 60)):
        places = np.unique(after[axis])
        assert np.array_equal(places, np.arange(0, size, pixel) + pixel // 2)
    frame = np.random.default_rng(0).integers(0, 256, (60, 120, 3), np.uint8)
    coarse = apply('low_resolution', frame, severity, 'event')
    assert np.array_equal(coarse, cv2.resize(
        frame[::pixel, ::pixel], (120, 60), interpolation=cv2.INTER_NEAREST))


def test_a_coarse_pixel_keeps_its_first_event_of_each_polarity_and_millisecond():
    rows = [(0, 0, 0, True), (1, 1, 999_999, True), (1, 0, 500_000, False),
            (0, 1, 1_000_000, True), (2, 0, 1_000_001, True), (7, 7, 2_500_000, True)]
    events = np.zeros(len(rows), EVENT_DTYPE)
    for name, column in zip(('x', 'y', 't_ns', 'polarity'), zip(*rows, strict=True), strict=True):
        events[name] = column
    after = apply('low_resolution', events, 0.01, 'event')
    assert [(e['x'], e['y'], e['t_ns'], bool(e['polarity'])) for e in after] == [
        (1, 1, 0, True), (1, 1, 500_000, False), (1, 1, 1_000_000, True),
        (3, 1, 1_000_001, True), (7, 7, 2_500_000, True)]


@pytest.mark.parametrize(('num', 'severity', 'more'), [
    (100, 1.0, 100_000), (10_000, 1.0, 100_000), (20_000, 0.5, 100_000), (30_000, 1.0, 300_000)])
def test_a_storm_brings_its_number(num, severity, more):
    assert len(apply('storm', events_of(num), severity, 'event')) == num + more


@pytest.mark.parametrize('name', ['storm', 'noise'])
def test_random_events_fill_the_picture_and_the_time_evenly(name):
    events = events_of(20_000)
    after = apply(name, events, 1.0, 'event')
    counts = defaultdict(int)
    for event in events.tolist():
        counts[event[:3]] += 1
    is_new = np.array([not counts[e[:3]] for e in after.tolist()])
    new = after[is_new]
    for axis, size in (('x', 64), ('y', 48)):
        shares = np.bincount(new[axis], minlength=size) / len(new) * size
        assert shares == pytest.approx(np.ones(size), abs=0.3)
    assert new['t_ns'].min() >= events['t_ns'].min()
    assert new['t_ns'].max() <= events['t_ns'].max()
    assert np.ptp(new['t_ns']) > 0.99 * np.ptp(events['t_ns'])
    assert new['polarity'].mean() == pytest.approx(0.5, abs=0.02)


def test_random_events_can_share_the_only_moment_there_is():
    events = events_of(10)
    events['t_ns'] = 10**18
    assert (apply('noise', events, 1.0, 'event')['t_ns'] == 10**18).all()


@pytest.mark.parametrize('severity', (0.4, 1.0))
def test_event_noise_adds_its_share_and_guesses_polarities(severity):
    events = events_of(20_000)
    after = apply('noise', events, severity, 'event')
    assert len(after) == 20_000 + round(severity * 20_000)
    # Every event here is on: a guess turns half of its share, and half of the new ones are off.
    off = 20_000 * severity / 2 + 20_000 * severity / 2
    assert (~after['polarity']).sum() == pytest.approx(off, rel=0.03)


@pytest.mark.parametrize(('name', 'share'), [('storm', 0.6), ('noise', 0.3)])
def test_a_frame_is_lit_by_its_share(name, share):
    after = apply(name, grey(128, (200, 200)), 0.6, 'event')
    hit = (after != 128).any(-1)
    assert hit.mean() == pytest.approx(share, abs=0.01)
    assert (after[hit] == 255).mean() == pytest.approx(0.5, abs=0.01)
    assert np.isin(after[hit], (0, 255)).all()


# Bytes and the rest


@pytest.mark.parametrize('severity', SEVERITIES)
def test_garbage_cuts_half_its_share_and_makes_its_share_random(severity):
    data = np.zeros(100_000, np.uint8)
    after = apply('garbage', data, severity, 'rgb')
    assert len(after) == int(100_000 * (1 - severity / 2))
    assert (after != 0).mean() == pytest.approx(severity * 255 / 256, abs=0.01)
    assert after.max() == 255


@pytest.mark.parametrize('name', DELIVER_FAILURES)
def test_failures_of_deliver_are_faults_with_a_severity(name):
    modality, fault, severity = DELIVER_FAILURES[name]
    assert modality in FAULTS[fault].modalities
    assert check_severity(severity) == severity
