# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is measured of a sample, and what each check says of it."""

import math

import cv2
import numpy as np
import pytest

from anymodal_seg_ros.health import CHECKS, HealthConfig, Verdict, checks_of
from anymodal_seg_ros.health.checks import longest_run
from anymodal_seg_ros.health.measures import (
    constant_share,
    ground_plane,
    measure_depth,
    measure_events,
    measure_image,
    measure_scan,
    sharpness_numbers,
    signature,
)
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.samples import EVENT_DTYPE, Payload

CONFIG = HealthConfig()
CLEAN, REPORTED, WITHHELD = Verdict.CLEAN, Verdict.REPORTED, Verdict.WITHHELD


def judge(modality, reason, now, usual=None, active=False, config=CONFIG):
    check = next(c for c in checks_of(modality).checks if c.reason == reason)
    arrays = [{name: np.asarray(value, float) for name, value in numbers.items()}
              for numbers in (now, usual or {})]
    return check.judge(arrays[0], arrays[1], config, active)


def test_every_payload_has_checks_with_reasons_of_its_own():
    assert set(CHECKS) == set(Payload)
    assert all(checks_of(name) is CHECKS[row.payload] for name, row in MODALITIES.items())
    assert checks_of('sonar') is None
    for row in CHECKS.values():
        reasons = [check.reason for check in row.checks]
        assert len(set(reasons)) == len(reasons)


def test_image_numbers_of_known_images():
    numbers = measure_image(np.full((64, 96, 3), 255, np.uint8), 0.1)
    assert numbers['mean'] == 255
    assert numbers['p99'] == 255
    assert numbers['spread'] == 0
    assert numbers['saturated'] == 1
    assert numbers['constant'] == 1
    assert numbers['sharpness'] == 0
    assert math.isnan(numbers['fineness'])
    half = np.zeros((64, 64, 3), np.uint8)
    half[:, 32:] = 250
    numbers = measure_image(half, 0.1)
    assert numbers['mean'] == 125
    assert numbers['spread'] == 125
    assert numbers['saturated'] == 0.5
    assert numbers['constant'] == 1


@pytest.mark.parametrize('side_px', [1449, 8192])
def test_a_huge_image_costs_what_a_large_one_does(side_px, monkeypatch):
    image = np.broadcast_to(np.array([90, 90, 90], np.uint8), (side_px, side_px, 3))
    num_bytes = []
    monkeypatch.setattr('zlib.crc32', lambda data, start=0: num_bytes.append(len(data)) or start)
    signature(image)
    assert num_bytes == [pytest.approx(3 * 1449 * 1449 / 64, rel=0.8)]
    assert num_bytes[0] <= 3 * 1449 * 1449 / 64 + 3000
    numbers = measure_image(image, 0.1)
    assert (numbers['mean'], numbers['constant'], numbers['sharpness']) == (90, 1, 0)
    assert measure_depth(image[..., 0].astype(np.float32), 0.1)['returns'] == 1
    assert measure_events(image, 0.1)['rate_hz'] == 10 * side_px ** 2


def test_tiny_images_are_measured_without_error():
    for size in (1, 2, 7, 9):
        numbers = measure_image(np.full((size, size, 3), 9, np.uint8), 0.1)
        assert numbers['mean'] == 9


def test_constant_share_counts_tiles(rng):
    image = rng.integers(0, 256, (128, 128, 3), np.uint8)
    assert constant_share(image) == 0
    image[:64] = 7
    assert constant_share(image) == 0.5


def test_blur_lowers_both_sharpness_numbers_and_a_plain_scene_only_one(rng, street):
    image = street['image'](rng, size=256)
    sharp, fine, contrast = sharpness_numbers(image)
    assert contrast == pytest.approx(image.mean(axis=-1).std(), rel=0.02)
    blurred, blurred_fine, _ = sharpness_numbers(cv2.GaussianBlur(image, (0, 0), 1.5))
    assert blurred < 0.25 * sharp
    assert blurred_fine < 0.5 * fine
    plain = np.clip(120 + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)
    plain_sharp, plain_fine, _ = sharpness_numbers(plain)
    assert plain_sharp < 0.25 * sharp
    assert plain_fine > fine


def test_depth_numbers_count_returns_only():
    depth_m = np.full((64, 64), np.nan, np.float32)
    assert measure_depth(depth_m, 0.1)['returns'] == 0
    depth_m[:16] = 5
    depth_m[16:32] = 0
    depth_m[32:48] = np.inf
    assert measure_depth(depth_m, 0.1)['returns'] == 0.25


def test_scan_numbers_of_a_ring():
    azimuth = np.deg2rad(np.arange(-180, 180, 1) + 0.5)
    points = np.stack([9 * np.cos(azimuth), 9 * np.sin(azimuth), 0 * azimuth, 0 * azimuth], 1)
    numbers = measure_scan(points.astype(np.float32), 0.1)
    assert numbers['num_points'] == 360
    assert numbers['sectors'].tolist() == [10] * 36
    empty = measure_scan(points[:0].astype(np.float32), 0.1)
    assert empty['num_points'] == 0
    assert empty['sectors'].sum() == 0
    assert np.isnan(empty['tilt']).all()


def test_ground_plane_finds_slope_and_thickness_below_walls(rng):
    flat = rng.uniform(-20, 20, (3000, 2))
    noise = rng.normal(0, 0.02, 3000)
    ground = np.column_stack([flat, 0.01 * flat[:, 0] - 0.02 * flat[:, 1] - 1.8 + noise])
    walls = np.column_stack([rng.uniform(-20, 20, (1000, 2)), rng.uniform(0, 5, 1000)])
    tilt_deg, thickness_m = ground_plane(np.concatenate([ground, walls]))
    assert tilt_deg == pytest.approx(np.rad2deg([0.01, -0.02]), abs=0.02)
    assert thickness_m == pytest.approx(0.6745 * 0.02, rel=0.1)


def test_ground_plane_without_ground_is_unknown():
    for points in (np.zeros((0, 3)), np.ones((500, 3)), np.tile([5.0, 0, 0], (500, 1))):
        tilt_deg, thickness_m = ground_plane(points)
        assert np.isnan(tilt_deg).all()
        assert math.isnan(thickness_m)


def test_event_numbers_of_batches_and_frames():
    events = np.zeros(256, EVENT_DTYPE)
    events['x'], events['y'] = np.meshgrid(np.arange(16), np.arange(16))[0].ravel(), np.repeat(
        np.arange(16), 16)
    numbers = measure_events(events, 0.1)
    assert numbers['rate_hz'] == pytest.approx(2560)
    assert numbers['unevenness'] == 0
    events['t_ns'] = np.linspace(0, 50_000_000, 256)
    assert measure_events(events, math.nan)['rate_hz'] == pytest.approx(5120)
    assert measure_events(events[:0], math.nan)['rate_hz'] == 0
    assert math.isnan(measure_events(events[:3], 0.1)['unevenness'])
    frame = np.zeros((64, 64, 3), np.uint8)
    assert measure_events(frame, 0.1)['rate_hz'] == 0
    frame[:32] = 200
    assert measure_events(frame, 0.1)['rate_hz'] == pytest.approx(20480)


def test_signature_ignores_event_times_and_nothing_else(rng, street):
    events = street['events'](rng, 10**12)
    later = events.copy()
    later['t_ns'] += 100_000_000
    assert signature(later) == signature(events) != 0
    later['polarity'] = ~later['polarity']
    assert signature(later) != signature(events)
    assert signature(events[:15]) == 0
    for make in (street['image'], street['depth'], street['scan']):
        data = make(rng)
        assert signature(data.copy()) == signature(data) != signature(make(rng))


@pytest.mark.parametrize(('now', 'active', 'verdict'), [
    ({'mean': 0, 'p99': 0, 'spread': 0}, False, WITHHELD),
    ({'mean': 3.9, 'p99': 11.9, 'spread': 2.9}, False, WITHHELD),
    ({'mean': 4, 'p99': 0, 'spread': 0}, False, CLEAN),
    ({'mean': 0, 'p99': 12, 'spread': 0}, False, CLEAN),
    ({'mean': 0, 'p99': 0, 'spread': 3}, False, CLEAN),
    ({'mean': 5.9, 'p99': 17.9, 'spread': 4.4}, True, WITHHELD),
    ({'mean': 6, 'p99': 0, 'spread': 0}, True, CLEAN),
])
def test_black_needs_all_three_and_ends_higher(now, active, verdict):
    assert judge('rgb', 'image_black', now, active=active) is verdict


@pytest.mark.parametrize(('share', 'active', 'verdict'), [
    (0.6, False, CLEAN), (0.61, False, WITHHELD), (0.46, True, WITHHELD), (0.45, True, CLEAN)])
def test_overexposed_enters_and_ends_at_its_own_share(share, active, verdict):
    assert judge('rgb', 'image_overexposed', {'saturated': share}, active=active) is verdict


USUAL_SHARP = {'sharpness': 100, 'fineness': 2}


@pytest.mark.parametrize(('sharpness', 'fineness', 'contrast', 'usual', 'active', 'verdict'), [
    (1, 0.1, 40, {}, False, CLEAN),
    (24, 0.9, 40, USUAL_SHARP, False, WITHHELD),
    (25, 0.9, 40, USUAL_SHARP, False, CLEAN),
    (24, 1.0, 40, USUAL_SHARP, False, CLEAN),
    (39, 1.3, 40, USUAL_SHARP, True, WITHHELD),
    (41, 1.3, 40, USUAL_SHARP, True, CLEAN),
    (7, 3.0, 40, USUAL_SHARP, False, WITHHELD),
    (7, 3.0, 10, USUAL_SHARP, False, CLEAN),
    (11, 3.0, 40, USUAL_SHARP, False, CLEAN),
    (11, 3.0, 40, USUAL_SHARP, True, WITHHELD),
    (0, math.nan, 0, USUAL_SHARP, False, CLEAN),
])
def test_blurred_compares_with_the_usual(sharpness, fineness, contrast, usual, active, verdict):
    now = {'sharpness': sharpness, 'fineness': fineness, 'contrast': contrast}
    assert judge('rgb', 'image_blurred', now, usual, active) is verdict


@pytest.mark.parametrize(('constant', 'active', 'verdict'), [
    (0.4, False, CLEAN), (0.46, False, REPORTED), (0.36, True, REPORTED), (0.34, True, CLEAN),
    (0.71, False, WITHHELD)])
def test_covered_is_usable_up_to_half(constant, active, verdict):
    assert judge('rgb', 'image_covered', {'constant': constant}, {'constant': 0.2},
                 active) is verdict


@pytest.mark.parametrize(('modality', 'reason', 'name', 'limit'), [
    ('depth', 'depth_empty', 'returns', 0.02), ('lidar', 'scan_empty', 'num_points', 50)])
def test_empty_ends_at_twice_the_limit(modality, reason, name, limit):
    assert judge(modality, reason, {name: 0.9 * limit}) is WITHHELD
    assert judge(modality, reason, {name: limit}) is CLEAN
    assert judge(modality, reason, {name: 1.9 * limit}, active=True) is WITHHELD
    assert judge(modality, reason, {name: 2 * limit}, active=True) is CLEAN


def blocked_sectors(num_blocked, start=0):
    sectors = np.full(36, 100.0)
    sectors[(start + np.arange(num_blocked)) % 36] = 9
    return {'sectors': sectors}


@pytest.mark.parametrize(('num_blocked', 'start', 'active', 'verdict'), [
    (2, 0, False, CLEAN), (3, 0, False, REPORTED), (3, 35, False, REPORTED),
    (2, 5, True, REPORTED), (1, 5, True, CLEAN), (18, 0, False, REPORTED),
    (19, 0, False, WITHHELD), (36, 0, False, WITHHELD)])
def test_a_blocked_sector_is_usable_up_to_half(num_blocked, start, active, verdict):
    usual = {'sectors': np.full(36, 100.0)}
    now = blocked_sectors(num_blocked, start)
    assert judge('lidar', 'scan_sector_blocked', now, usual, active) is verdict
    assert judge('lidar', 'scan_sector_blocked', now, {}, active) is CLEAN


def test_sectors_that_usually_give_nothing_cannot_be_blocked():
    usual = np.full(36, 100.0)
    usual[:20] = 19
    now = {'sectors': np.where(np.arange(36) < 20, 0.0, 100.0)}
    assert judge('lidar', 'scan_sector_blocked', now, {'sectors': usual}) is CLEAN


@pytest.mark.parametrize(('flags', 'expected'), [
    ([], 0), ([0, 0], 0), ([1, 1], 2), ([1, 0, 1, 1], 3), ([0, 1, 1, 0, 1], 2)])
def test_longest_run_goes_around_the_circle(flags, expected):
    assert longest_run(np.array(flags, bool)) == expected


@pytest.mark.parametrize(('tilt_step', 'thickness', 'verdict'), [
    (1.6, 0.02, CLEAN), (1.99, 0.02, CLEAN), (2.01, 0.02, REPORTED), (0.1, 0.119, CLEAN),
    (0.1, 0.121, REPORTED), (math.nan, math.nan, CLEAN)])
def test_jitter_exceeds_the_usual_and_a_floor(tilt_step, thickness, verdict):
    now = {'tilt_step': tilt_step, 'thickness': thickness}
    usual = {'tilt_step': 0.5, 'thickness': 0.02}
    assert judge('lidar', 'scan_jitter', now, usual) is verdict


@pytest.mark.parametrize(('tilt_step', 'verdict'), [(1.49, CLEAN), (1.51, REPORTED)])
def test_kerbs_and_guard_rails_that_tilt_the_fitted_ground_are_no_jitter(tilt_step, verdict):
    now = {'tilt_step': tilt_step, 'thickness': 0.02}
    assert judge('lidar', 'scan_jitter', now, {'tilt_step': 0.1, 'thickness': 0.02}) is verdict


def test_silence_is_a_matter_of_time():
    assert judge('event', 'event_silence', {'silent_s': 0.24}) is CLEAN
    assert judge('event', 'event_silence', {'silent_s': 0.25}) is WITHHELD
    patient = HealthConfig(event_silence_s=5.0)
    assert judge('event', 'event_silence', {'silent_s': 4.9}, config=patient) is CLEAN


@pytest.mark.parametrize(('rate_hz', 'unevenness', 'usual', 'verdict'), [
    (1.1e7, 3.0, {}, WITHHELD), (9e6, 0.1, {}, CLEAN), (9e6, 0.1, {'rate_hz': 1e5}, WITHHELD),
    (9e6, 0.6, {'rate_hz': 1e5}, CLEAN), (3.9e5, 0.1, {'rate_hz': 1e5}, CLEAN),
    (1.9e5, 0.1, {'rate_hz': 1e3}, CLEAN)])
def test_a_storm_is_far_above_the_usual_and_even(rate_hz, unevenness, usual, verdict):
    now = {'rate_hz': rate_hz, 'unevenness': unevenness}
    assert judge('event', 'event_storm', now, usual) is verdict
