# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of what a sensor shows, through the monitor: state, trust and way back."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from anymodal_seg_ros.health import HealthConfig
from anymodal_seg_ros.health.content import Baseline
from anymodal_seg_ros.samples import EVENT_DTYPE, HealthState


def overexpose(data, rng):
    return np.clip(data.astype(int) * 8, 0, 255).astype(np.uint8)


def blur(data, rng):
    return cv2.GaussianBlur(data, (0, 0), 4)


def cover_quarter(data, rng):
    covered = data.copy()
    covered[:64, :80] = 0
    return covered


def cover_most(data, rng):
    covered = data.copy()
    covered[:104] = 0
    return covered


def block_sector(data, rng, half_width=np.pi / 6):
    return data[np.abs(np.arctan2(data[:, 1], data[:, 0])) > half_width]


def block_most(data, rng):
    return block_sector(data, rng, 0.7 * np.pi)


def shake(data, rng):
    pitch = np.deg2rad(rng.uniform(-2, 2))
    shaken = data.copy()
    shaken[:, 2] += np.float32(np.tan(pitch)) * data[:, 0]
    return shaken


def scatter(data, rng):
    return (data + rng.normal(0, 0.3, data.shape)).astype(np.float32)


def storm(data, rng):
    more = np.zeros(100_000, EVENT_DTYPE)
    more['x'], more['y'] = rng.integers(0, 221, 100_000), rng.integers(0, 200, 100_000)
    more['t_ns'] = data['t_ns'][0]
    return np.concatenate([more, data])


def smaller(data, rng):
    return data[:-2]


CASES = [
    ('rgb', overexpose, 'image_overexposed', False), ('rgb', blur, 'image_blurred', False),
    ('rgb', cover_quarter, 'image_covered', True), ('rgb', cover_most, 'image_covered', False),
    ('rgb', smaller, 'wrong_size', False), ('depth', smaller, 'wrong_size', False),
    ('lidar', block_sector, 'scan_sector_blocked', True),
    ('lidar', block_most, 'scan_sector_blocked', False), ('lidar', shake, 'scan_jitter', True),
    ('lidar', scatter, 'scan_jitter', True), ('event', storm, 'event_storm', False),
]


@pytest.mark.parametrize(('modality', 'spoil', 'reason', 'usable'), CASES)
def test_content_fault_is_named_and_ends(drive, modality, spoil, reason, usable):
    played = drive(modality, HealthConfig())
    for index in range(60):
        played.add(index / 10)
        if 20 <= index < 40:
            played.messages[-1].data = spoil(played.messages[-1].data, played.rng)
    played.run(6.0)
    during = [(new, why) for t, new, why in played.steps if 2 <= t < 4]
    assert during == [(HealthState.DEGRADED, reason)]
    detected_s, recovered_s = played.fault_times(2.0, 4.0)
    assert detected_s <= 0.5
    assert recovered_s <= 1.0
    assert played.trusted_at[1_000_000_000_000 + 3_500_000_000] is usable
    withheld = {why for _, why in played.withheld} - {'probation'}
    assert withheld == (set() if usable else {reason})
    assert played.report.state is HealthState.OK


def resized_from(played, index, sizes):
    """Images of other heights from message ``index`` on, in turn."""
    for k, message in enumerate(played.messages[index:]):
        message.data = message.data[:sizes[k % len(sizes)]]


def test_a_lasting_change_of_size_is_learnt_and_the_sensor_comes_back(drive):
    played = drive('rgb')
    played.add_clean(0, 6)
    resized_from(played, 10, [126])
    played.run(6.0)
    assert [why for _, why in played.withheld].count('wrong_size') == 20
    steps = [(new, why) for t, new, why in played.steps if t >= 1]
    assert steps == [(HealthState.DEGRADED, 'wrong_size'), (HealthState.PROBATION, 'recovering'),
                     (HealthState.OK, 'recovered')]
    assert played.report.state is HealthState.OK
    # The old size is now the wrong one.
    played.add(6.0)
    assert played.monitor.mismatch(played.sample(played.messages[-1])) == 'wrong_size'


@pytest.mark.parametrize(('config', 'sizes'), [
    (None, [126, 100]), (HealthConfig(size_hw=(128, 128)), [126])])
def test_changing_or_forbidden_sizes_are_never_learnt(drive, config, sizes):
    played = drive('rgb', config)
    played.add_clean(0, 6)
    resized_from(played, 10, sizes)
    played.run(6.0)
    assert played.report.reason == 'wrong_size'
    assert played.report.rejected['wrong_size'] == 50


def test_the_usual_is_learnt_anew_with_the_size(drive):
    played = drive('rgb')
    played.add_clean(0, 8)
    for message in played.messages[20:]:
        message.data = blur(message.data, played.rng)[:126]
    played.run(8.0)
    assert played.report.state is HealthState.OK


def test_a_mismatch_is_told_without_being_counted(drive):
    played = drive('rgb', HealthConfig(frame_id='sensor'))
    played.add_clean(0, 1)
    played.run(1.0)
    sample = played.sample(played.messages[-1])
    for _ in range(30):
        assert played.monitor.mismatch(replace(sample, data=sample.data[:-2])) == 'wrong_size'
    assert played.monitor.mismatch(replace(sample, frame_id='other')) == 'wrong_frame'
    assert played.monitor.mismatch(sample) == ''
    assert played.report.num_rejected == 0


def test_configured_size_and_frame_hold_from_the_first_sample_on(drive):
    for config, reason in ((HealthConfig(size_hw=(128, 128)), ''),
                           (HealthConfig(size_hw=(128, 64)), 'wrong_size'),
                           (HealthConfig(frame_id='sensor'), ''),
                           (HealthConfig(frame_id='other'), 'wrong_frame')):
        played = drive('rgb', config)
        played.add_clean(0, 1)
        played.run(1.0)
        assert {why for _, why in played.withheld} == ({reason} if reason else set())
        assert played.report.state is (HealthState.DEGRADED if reason else HealthState.OK)
        assert played.report.reason == reason


def test_an_image_without_pixels_is_withheld(drive):
    played = drive('rgb')
    played.add(0.0, np.zeros((0, 128, 3), np.uint8))
    played.run(0.1)
    assert [why for _, why in played.withheld] == ['wrong_size']


@pytest.mark.slow
def test_a_long_outage_does_not_become_the_usual(drive):
    played = drive('rgb')
    played.add_clean(0, 3)
    for index in range(30, 330):
        played.add(index / 10)
        played.messages[-1].data = blur(played.messages[-1].data, played.rng)
    played.run(33.0)
    assert [why for _, _, why in played.steps] == ['recovered', 'image_blurred']


def test_the_baseline_follows_slow_change_and_skips_what_is_unknown():
    baseline = Baseline(min_count=3)
    for value in (2.0, 4.0):
        baseline.learn({'a': np.float64(value), 'b': np.array([np.nan, value])})
    assert baseline.usual == {}
    baseline.learn({'a': np.float64(np.nan), 'b': np.array([np.nan, 3.0])})
    assert baseline.usual['a'] == 3
    assert np.isnan(baseline.usual['b'][0])
    assert baseline.usual['b'][1] == 3
    baseline.learn({'a': np.float64(3), 'b': np.array([7.0, 3.0])})
    assert baseline.usual['b'].tolist() == [7.0, 3.0]
    for _ in range(500):
        baseline.learn({'a': np.float64(1), 'b': np.array([7.0, 3.0])})
    assert baseline.usual['a'] == pytest.approx(1, abs=1e-3)


def test_evidence_begins_and_ends_at_different_thresholds(drive):
    """60 % saturated begins it, 50 % neither begins nor ends it, 40 % ends it."""
    shares = [0.0] * 10 + [0.5] * 10 + [0.7] * 10 + [0.5] * 10 + [0.4] * 10
    played = drive('rgb')
    for index, share in enumerate(shares):
        played.add(index / 10)
        played.messages[-1].data[:round(128 * share)] = 255
    played.run(5.0)
    assert [(round(t, 1), why) for t, _, why in played.steps] == [
        (0.2, 'recovered'), (2.1, 'image_overexposed'), (4.0, 'recovering'), (4.3, 'recovered')]
