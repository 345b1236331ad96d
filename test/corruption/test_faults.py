# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Contract of every row of the table of faults, for every sensor it applies to."""

import numpy as np
import pytest

from anymodal_seg_ros.corruption import FAULTS
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.samples import EVENT_DTYPE, Payload


def make_data(modality, kind='content'):
    rng = np.random.default_rng(5)
    if kind == 'bytes':
        return rng.integers(0, 256, 4000, np.uint8)
    payload = MODALITIES[modality].payload
    if payload is Payload.IMAGE:
        image = rng.integers(30, 220, (48, 64, 3), np.uint8)
        return image if modality == 'rgb' else image[..., 0].copy()
    if payload is Payload.DEPTH:
        depth_m = rng.uniform(1, 90, (48, 64)).astype(np.float32)
        depth_m[:4] = np.nan
        return depth_m
    if payload is Payload.CLOUD:
        xyz = rng.uniform(-60, 60, (2000, 3))
        return np.c_[xyz, rng.random(2000)].astype(np.float32)
    events = np.zeros(3000, EVENT_DTYPE)
    events['x'] = rng.integers(0, 64, 3000)
    events['y'] = rng.integers(0, 48, 3000)
    events['t_ns'] = np.sort(rng.integers(10**18, 10**18 + 10**8, 3000))
    events['polarity'] = rng.random(3000) < 0.5
    return events


def equal(a, b):
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return np.array_equal(a, b, equal_nan=a.dtype.kind == 'f')


def damage(fault, modality, severity):
    """How far the fault moves the data: a mean change, or the share of members lost."""
    before = make_data(modality, fault.kind)
    after = fault.apply(before, severity, np.random.default_rng(3), modality)
    if len(after) != len(before):
        return abs(len(after) - len(before))
    if after.dtype.names:
        return float((after != before).sum())
    lost = np.isnan(after.astype(np.float64)).sum() * 1e3
    return float(lost + np.nansum(np.abs(after.astype(np.float64) - before)))


CONTENT = [(name, modality) for name, fault in FAULTS.items() if fault.kind != 'stream'
           for modality in fault.modalities]


@pytest.mark.parametrize('name', FAULTS)
def test_row_is_complete(name):
    fault = FAULTS[name]
    assert fault.kind in ('content', 'stream', 'bytes')
    assert fault.description and fault.severity
    assert set(fault.modalities) <= set(MODALITIES) and fault.modalities
    if fault.kind == 'stream':
        assert not fault.functions and fault.modalities == tuple(MODALITIES)
    else:
        assert {MODALITIES[name].payload for name in fault.modalities} == set(fault.functions)


def test_the_faults_that_a_sensor_may_have_are_those_of_its_payload():
    assert FAULTS['storm'].modalities == ('event',)
    assert FAULTS['jitter'].modalities == ('lidar',)
    assert FAULTS['blur'].modalities == ('rgb', 'thermal')
    assert FAULTS['block_mask'].modalities == ('rgb', 'depth', 'thermal')


@pytest.mark.parametrize(('name', 'modality'), CONTENT)
@pytest.mark.parametrize('severity', [0.01, 0.5, 1.0])
def test_input_is_untouched_and_the_form_is_kept(name, modality, severity):
    fault = FAULTS[name]
    data = make_data(modality, fault.kind)
    before = data.copy()
    data.flags.writeable = False
    after = fault.apply(data, severity, np.random.default_rng(1), modality)
    assert equal(data, before)
    assert not np.shares_memory(after, data)
    assert after.dtype == data.dtype
    assert after.ndim == data.ndim
    payload = MODALITIES[modality].payload
    if payload in (Payload.IMAGE, Payload.DEPTH) and fault.kind == 'content':
        assert after.shape == data.shape
    if payload is Payload.CLOUD and fault.kind == 'content':
        assert after.shape[1] == 4 and np.isfinite(after).all()
        assert ((after[:, 3] >= 0) & (after[:, 3] <= 1)).all()
    if payload is Payload.EVENTS and fault.kind == 'content':
        assert (np.diff(after['t_ns']) >= 0).all()
        assert after['x'].max(initial=0) < 64 and after['y'].max(initial=0) < 48


@pytest.mark.parametrize(('name', 'modality'), CONTENT)
def test_equal_seeds_give_equal_results(name, modality):
    fault = FAULTS[name]
    data = make_data(modality, fault.kind)
    first, second = (
        fault.apply(data, 0.6, np.random.default_rng(9), modality) for _ in range(2))
    assert equal(first, second)
    assert not equal(first, data)


@pytest.mark.parametrize(('name', 'modality'), CONTENT)
def test_more_severity_does_more_damage(name, modality):
    low, middle, high = (damage(FAULTS[name], modality, s) for s in (0.1, 0.45, 1.0))
    assert 0 < low <= middle <= high
    assert low < high


@pytest.mark.parametrize('modality', ['lidar', 'event'])
@pytest.mark.parametrize('name', [n for n, f in FAULTS.items() if f.kind == 'content'])
def test_empty_batches_stay_usable(name, modality):
    fault = FAULTS[name]
    if modality not in fault.modalities:
        with pytest.raises(ConfigError, match=modality):
            fault.apply(make_data('rgb'), 1.0, np.random.default_rng(0), modality)
        return
    empty = make_data(modality)[:0]
    after = fault.apply(empty, 1.0, np.random.default_rng(0), modality)
    assert len(after) == 0 and after.dtype == empty.dtype


@pytest.mark.parametrize('name', [n for n, f in FAULTS.items() if 'event' in f.modalities
                                  and f.kind == 'content'])
def test_event_frames_keep_their_shape(name):
    frame = np.random.default_rng(0).integers(0, 2, (33, 47, 3), np.uint8) * np.uint8(255)
    before = frame.copy()
    after = FAULTS[name].apply(frame, 0.5, np.random.default_rng(1), 'event')
    assert after.shape == frame.shape and after.dtype == np.uint8
    assert np.array_equal(frame, before) and not np.array_equal(after, frame)


def test_black_at_full_severity_leaves_nothing():
    rng = np.random.default_rng(0)
    black = FAULTS['black']
    assert not black.apply(make_data('rgb'), 1.0, rng, 'rgb').any()
    assert np.isnan(black.apply(make_data('depth'), 1.0, rng, 'depth')).all()
    assert len(black.apply(make_data('lidar'), 1.0, rng, 'lidar')) == 0
    assert len(black.apply(make_data('event'), 1.0, rng, 'event')) == 0


def test_block_mask_covers_its_share_exactly():
    image = np.full((64, 64, 3), 200, np.uint8)
    after = FAULTS['block_mask'].apply(image, 0.25, np.random.default_rng(0), 'rgb')
    assert (after == 0).mean() == 0.25


def test_sector_blockage_clears_one_sector_of_the_given_width():
    azimuth = np.deg2rad(np.arange(0, 360, 0.5))
    ring = np.c_[10 * np.cos(azimuth), 10 * np.sin(azimuth), 0 * azimuth, 0 * azimuth + 0.5]
    after = FAULTS['sector_blockage'].apply(
        ring.astype(np.float32), 0.25, np.random.default_rng(4), 'lidar')
    assert len(ring) - len(after) == pytest.approx(180, abs=1)
    gaps = np.diff(np.sort(np.mod(np.rad2deg(np.arctan2(after[:, 1], after[:, 0])), 360)))
    assert (gaps > 1).sum() <= 1


def test_lidar_jitter_is_rigid_and_bounded():
    points = make_data('lidar')
    after = FAULTS['jitter'].apply(points, 0.5, np.random.default_rng(2), 'lidar')
    centred = points[:, :3] - points[:, :3].mean(0)
    moved = after[:, :3] - after[:, :3].mean(0)
    assert np.allclose(np.linalg.norm(centred, axis=1), np.linalg.norm(moved, axis=1), atol=1e-3)
    cos = (centred * moved).sum(1) / np.maximum((centred**2).sum(1), 1e-9)
    assert np.rad2deg(np.arccos(np.clip(cos, -1, 1))).max() < 3 * 1.0
    assert np.array_equal(after[:, 3], points[:, 3])


def test_exposure_at_full_severity_blows_out_and_blackens():
    grey = np.full((8, 8, 3), 60, np.uint8)
    rng = np.random.default_rng(0)
    assert (FAULTS['overexposure'].apply(grey, 1.0, rng, 'rgb') == 255).all()
    assert FAULTS['underexposure'].apply(grey, 1.0, rng, 'rgb').max() < 12


def test_storm_adds_the_documented_number_of_events():
    events = make_data('event')
    after = FAULTS['storm'].apply(events, 0.5, np.random.default_rng(0), 'event')
    assert len(after) == len(events) + 50_000


def test_low_resolution_pools_pixels():
    events = make_data('event')
    after = FAULTS['low_resolution'].apply(events, 1.0, np.random.default_rng(0), 'event')
    assert len(np.unique(after['x'])) == 16 and len(np.unique(after['y'])) == 12


@pytest.mark.parametrize('severity', [0.0, -0.1, 1.01, float('nan'), True, 'high'])
def test_severity_outside_its_range_is_refused(severity):
    with pytest.raises(ConfigError, match='severity'):
        FAULTS['blur'].apply(make_data('rgb'), severity, np.random.default_rng(0), 'rgb')


def test_a_stream_fault_has_no_content():
    with pytest.raises(ConfigError, match='stream'):
        FAULTS['drop'].apply(make_data('rgb'), 1.0, np.random.default_rng(0), 'rgb')
