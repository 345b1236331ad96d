# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a LiDAR's intensity is a fraction of: the ranges that drivers publish, scan after scan."""

import numpy as np
import pytest

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.modalities import MODALITIES, build_decoders, decoding_for
from anymodal_seg_ros.modalities.intensity import IntensityScale

NUM_POINTS = 2000


def scan(largest, dtype='f4', seed=0, num_points=NUM_POINTS):
    """Intensities as streets give them: few bright ones, the brightest at ``largest``."""
    values = np.random.default_rng(seed).random(num_points) ** 4 * largest
    values[:20] = largest
    return values.astype(dtype)


def learn(scans):
    """The scale after each scan."""
    scale = IntensityScale()
    seen = []
    for values in scans:
        scale.fractions(values)
        seen.append(scale.full_scale)
    return seen


@pytest.mark.parametrize(('dtype', 'largest', 'full_scale'), [
    ('f4', 1.0, 1.0), ('f8', 0.6, 1.0), ('f4', 255.0, 255.0), ('f4', 100.0, 255.0),
    ('f4', 3300.0, 4095.0), ('f4', 60000.0, 65535.0), ('u1', 255, 255.0), ('u1', 1, 255.0),
    ('u2', 255, 255.0), ('u2', 3300, 4095.0), ('u2', 65535, 65535.0), ('u4', 255, 255.0),
    ('i2', 32767, 32767.0), ('i1', 127, 127.0), ('u4', 2**32 - 1, 2.0**32 - 1)])
def test_the_range_of_a_sensor_is_known_from_its_first_scan(dtype, largest, full_scale):
    """Full scales are those of 8, 12 and 16 bits, and 1 for fractions, which only floats are."""
    values = scan(largest, dtype)
    fractions = IntensityScale().fractions(values)
    assert fractions.dtype == np.float32
    np.testing.assert_allclose(fractions, values / full_scale, rtol=1e-6)
    assert 0.0 <= fractions.min() <= fractions.max() <= 1.0


def test_fractions_come_back_bit_by_bit():
    """As the simulated street's scans have them, noise of the injector included."""
    scale = IntensityScale()
    for seed in range(100):
        values = scan(1.0 if seed % 2 else 0.3, seed=seed)
        np.testing.assert_array_equal(scale.fractions(values), values)


def test_a_sensor_of_255_does_not_flip_in_the_dark():
    """Scans of a tunnel or a parking garage may hold nothing above 1."""
    seen = learn([scan(255.0)] * 30 + [scan(0.9)] * 500 + [scan(1.4)] * 500 + [scan(255.0)])
    assert set(seen) == {255.0}


def test_a_sensor_that_wakes_up_in_the_dark_is_known_once_it_sees():
    seen = learn([scan(0.9)] * 5 + [scan(255.0)] * 30)
    assert seen[4] == 1.0
    assert seen[14:] == [255.0] * 21, 'ten scans tell'


def test_a_burst_of_garbage_is_not_believed():
    garbage = scan(3e38)
    seen = learn([scan(0.9)] * 100 + [garbage] * 9 + [scan(0.9)] * 100)
    assert set(seen) == {1.0}
    assert learn([garbage] + [scan(255.0)] * 3)[1:] == [255.0] * 3, 'nor as the first scan'


def test_a_single_point_out_of_a_thousand_is_not_believed():
    stray = scan(0.9)
    stray[7] = 5000.0
    assert learn([stray] * 50) == [1.0] * 50
    assert IntensityScale().fractions(stray)[7] == 1.0


def test_a_larger_range_is_taken_after_ten_scans_and_given_back_only_after_thousands():
    seen = learn([scan(200.0)] * 50 + [scan(3300.0)] * 10)
    assert seen[50:59] == [255.0] * 9
    assert seen[59] == 4095.0
    scale = IntensityScale()
    for values in [scan(3300.0, num_points=50)] * 20 + [scan(200.0, num_points=50)] * 2980:
        scale.fractions(values)
    assert scale.full_scale == 4095.0
    for values in [scan(200.0, num_points=50)] * 15:
        scale.fractions(values)
    assert scale.full_scale == 4095.0, 'five of three thousand still need it'
    scale.fractions(scan(200.0, num_points=50))
    assert (scale.full_scale, scale.num_changes) == (255.0, 1)


def test_scans_that_show_no_intensity_teach_nothing():
    zeros, nothing = np.zeros(9, np.float32), np.zeros(0, np.float32)
    useless = np.array([np.nan, np.inf, -np.inf, -5.0], np.float32)
    seen = learn([zeros, nothing, useless] * 50 + [scan(255.0)])
    assert seen == [0.0] * 150 + [255.0]
    np.testing.assert_array_equal(IntensityScale().fractions(useless), np.zeros(4))


@pytest.mark.parametrize('dtype', ['f4', 'u2', 'u1'])
def test_a_scale_that_is_given_is_taken_whatever_comes(dtype):
    scale = IntensityScale(100.0)
    for largest in (1, 100, 255):
        values = scan(largest, dtype)
        np.testing.assert_allclose(
            scale.fractions(values), np.minimum(values / 100.0, 1.0), rtol=1e-6)
    assert (scale.full_scale, scale.num_changes) == (100.0, 0)


@pytest.mark.parametrize('wrong', [-1.0, 1e-300, float('nan'), float('inf'), 'auto', True])
def test_what_is_no_scale_is_named(wrong):
    for build in (IntensityScale, lambda value: MODALITIES['lidar'].build_encoder(
            {'intensity_scale': value})):
        with pytest.raises(ConfigError, match=r'intensity_scale is .*; allowed: 0, or 0.001 to'):
            build(wrong)


@pytest.mark.parametrize(('bundle', 'given', 'expected'), [
    (0.0, 0.0, 0.0), (255.0, 0.0, 255.0), (0.0, 100.0, 100.0), (255.0, 100.0, 100.0)])
def test_the_user_s_scale_goes_before_the_bundle_s_and_without_both_it_is_learnt(
        bundle, given, expected):
    encoders = {'lidar': MODALITIES['lidar'].build_encoder({'intensity_scale': bundle})}
    decoding = {'depth': {'unit_m': 0.001}, 'lidar': {'intensity_scale': given}}
    for settings in (decoding, decoding if given else None):
        merged = decoding_for(encoders, settings)
        assert merged['lidar'] == {'intensity_scale': expected}
        known = build_decoders(merged)['lidar'].known()
        assert known == {'intensity_scale': expected, 'intensity_scale_changes': 0,
                         'intensity_scale_source': 'given' if expected else 'learnt'}
    assert decoding['lidar'] == {'intensity_scale': given}
