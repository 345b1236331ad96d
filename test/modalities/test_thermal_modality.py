# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Thermal cameras: counts to grey levels, and what a camera of its own lens sees."""

import argparse
import re
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from anymodal_seg_ros.errors import BadMessageError, ConfigError
from anymodal_seg_ros.geometry import CameraModel, Rig, rotation_from_rpy
from anymodal_seg_ros.modalities import decoding_for
from anymodal_seg_ros.modalities.options import add_decoding_options, decoding_from
from anymodal_seg_ros.modalities.thermal import MIN_SPAN, ThermalDecoder, ThermalEncoder

CAMERA = CameraModel.from_fov(64, 48, 60.0)


def turned(yaw_deg):
    """camera_T_thermal of a camera that looks to the right by so many degrees."""
    matrix = np.eye(4)
    matrix[:3, :3] = rotation_from_rpy(0.0, np.deg2rad(yaw_deg), 0.0)
    return matrix


def compressed(pixels, suffix='.png'):
    return SimpleNamespace(format='', data=cv2.imencode(suffix, pixels)[1].tobytes())


@pytest.mark.parametrize('encoding', ['mono8', '8UC1'])
def test_eight_bits_are_taken_as_they_are(image_message, encoding):
    stored = np.arange(12, dtype=np.uint8).reshape(3, 4)
    for decoder in (ThermalDecoder(), ThermalDecoder(low=100, high=200)):
        decoded = decoder.decode(image_message(stored, encoding, padding=3))
        assert decoded.dtype == np.uint8
        np.testing.assert_array_equal(decoded, stored)


@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize('encoding', ['mono16', '16UC1'])
def test_counts_between_low_and_high_are_levels(image_message, encoding, big_endian):
    counts = np.array([[0, 27000, 27510, 28020, 28530, 65535]], np.uint16)
    message = image_message(counts, encoding, big_endian=big_endian)
    levels = ThermalDecoder(low=27000, high=28020).decode(message)
    assert levels.tolist() == [[0, 0, 128, 255, 255, 255]]


def test_without_a_range_each_picture_has_its_own(image_message):
    counts = np.linspace(8000, 9000, 10_000).astype(np.uint16).reshape(100, 100)
    counts[0, 0], counts[0, 1] = 0, 65535
    for offset in (0, 3000):
        levels = ThermalDecoder().decode(image_message(counts + np.uint16(offset), 'mono16'))
        assert (levels == 0).mean() == pytest.approx(0.01, abs=0.002), 'the 1st percentile'
        assert (levels == 255).mean() == pytest.approx(0.01, abs=0.002), 'and the 99th'
    first = ThermalDecoder()
    first.decode(image_message(counts, 'mono16'))
    again = first.decode(image_message(counts // 2, 'mono16'))
    fresh = ThermalDecoder().decode(image_message(counts // 2, 'mono16'))
    np.testing.assert_array_equal(again, fresh, 'nothing is remembered')


def test_the_noise_of_a_closed_shutter_stays_noise(image_message):
    counts = np.random.default_rng(0).integers(8000, 8004, (60, 80), np.uint16)
    levels = ThermalDecoder().decode(image_message(counts, 'mono16')).astype(int)
    assert np.ptp(levels) <= np.ceil(255 * 4 / MIN_SPAN) + 1
    assert abs(levels.mean() - 127.5) < 4


@pytest.mark.parametrize(('least', 'level'), [
    (0, 0), (60, 0), (65532, 255), (65472, 255), (16_380, 255)])
def test_a_picture_that_lies_at_an_end_of_the_scale_shows_nothing(image_message, least, level):
    """A dead detector, also one of 14 bits at its own top; one hot pixel is none less."""
    counts = np.random.default_rng(0).integers(least, least + 4, (60, 80)).astype(np.uint16)
    counts[7, 9] = 30_000
    levels = ThermalDecoder().decode(image_message(counts, 'mono16'))
    assert (levels == level).sum() >= levels.size - 1


@pytest.mark.parametrize(('low', 'high'), [
    (0, 70), (40, 90), (65400, 65480), (65465, 65535), (16_300, 16_383), (16_330, 16_400)])
def test_a_picture_that_leaves_an_end_of_the_scale_is_seen(image_message, low, high):
    counts = np.linspace(low, high, 4800).astype(np.uint16).reshape(60, 80)
    assert np.ptp(ThermalDecoder().decode(image_message(counts, 'mono16'))) > 150


def test_compressed_pictures_are_the_same(image_message):
    rng = np.random.default_rng(0)
    counts = rng.integers(20_000, 30_000, (24, 32), np.uint16)
    decoder = ThermalDecoder(low=20_000, high=30_000)
    np.testing.assert_array_equal(decoder.decode(compressed(counts)),
                                  decoder.decode(image_message(counts, 'mono16')))
    grey = rng.integers(0, 256, (24, 32), np.uint8)
    np.testing.assert_array_equal(decoder.decode(compressed(grey)), grey)
    smooth = cv2.GaussianBlur(grey, (0, 0), 4)
    assert np.abs(decoder.decode(compressed(smooth, '.jpg')).astype(int) - smooth).max() < 10


def test_colours_are_refused(image_message):
    """Those of a palette are no heat."""
    colors = np.zeros((4, 6, 3), np.uint8)
    with pytest.raises(BadMessageError, match="'rgb8'; allowed: mono8, 8UC1, mono16, 16UC1"):
        ThermalDecoder().decode(image_message(colors, 'rgb8'))
    with pytest.raises(BadMessageError, match='3 channels; a grey picture is needed'):
        ThermalDecoder().decode(compressed(colors))


@pytest.mark.parametrize(('low', 'high'), [(5, 5), (9, 3)])
def test_a_range_of_nothing_is_named(low, high):
    for build in (ThermalDecoder, ThermalEncoder):
        with pytest.raises(ConfigError, match=f'high is {high}; allowed: more than low, {low}'):
            build(low=low, high=high)


def test_a_low_without_a_high_is_named():
    for build in (ThermalDecoder, ThermalEncoder):
        with pytest.raises(ConfigError, match=r'^low is 4; allowed: 0 while high is not given$'):
            build(low=4)


@pytest.mark.parametrize(('given', 'taken'), [
    ({}, (26315.0, 32315.0)), ({'low': 0.0, 'high': 0.0}, (26315.0, 32315.0)),
    ({'low': 27000.0, 'high': 30000.0}, (27000.0, 30000.0)),
    ({'low': 0.0, 'high': 20000.0}, (0.0, 20000.0)), ({'high': 20000.0}, (0.0, 20000.0)),
    ({'low': 27000.0, 'high': 0.0}, (27000.0, 0.0))])
def test_a_range_is_of_the_user_or_of_the_bundle_and_never_of_both(given, taken):
    encoders = {'thermal': ThermalEncoder(low=26315.0, high=32315.0)}
    merged = decoding_for(encoders, {'thermal': given})['thermal']
    assert (merged['low'], merged['high']) == taken


@pytest.mark.parametrize(('options', 'words'), [
    (['--thermal-low', '27000'], '--thermal-low is 27000.0; allowed: 0 while high is not given'),
    (['--thermal-low', '9', '--thermal-high', '3'], '--thermal-high is 3.0; allowed: more than'),
    (['--thermal-low', '-1'], '--thermal-low is -1.0; allowed: 0 to 65535'),
    (['--lidar-intensity-scale', '-1'], '--lidar-intensity-scale is -1.0; allowed: 0, or 0.001')])
def test_options_are_called_as_they_were_given(options, words):
    parser = argparse.ArgumentParser()
    add_decoding_options(parser)
    with pytest.raises(ConfigError, match=f'^{re.escape(words)}'):
        decoding_from(parser.parse_args(options))


@pytest.mark.parametrize('value', [-1, 65536, float('nan'), '5', True])
def test_what_is_no_count_is_named(value):
    with pytest.raises(ConfigError, match=r'low is .*; allowed: 0 to 65535'):
        ThermalDecoder(low=value, high=65535)


def test_a_camera_in_the_reference_s_place_is_only_resized():
    picture = np.repeat(np.repeat(np.arange(12, dtype=np.uint8).reshape(3, 4) * 20, 16, 0), 16, 1)
    image = ThermalEncoder().encode(picture, Rig(camera=CAMERA), (24, 32))
    np.testing.assert_array_equal(image, picture[::2, ::2, None].repeat(3, axis=2))


@pytest.mark.parametrize('size', [(64, 48), (640, 480), (32, 24)])
def test_a_narrower_lens_fills_the_middle_and_nothing_else(size):
    narrow = CameraModel.from_fov(*size, 30.0)
    rig = Rig(camera=CAMERA, cameras={'thermal': narrow})
    seen = ThermalEncoder().encode(np.full(size[::-1], 200, np.uint8), rig, (48, 64))[..., 0]
    share = np.tan(np.deg2rad(15.0)) / np.tan(np.deg2rad(30.0))
    assert (seen == 200).mean() == pytest.approx(share ** 2, rel=0.1)
    assert seen[24, 32] == 200 and seen[0, 0] == 0 and seen[24, 5] == 0


def test_what_a_turned_camera_sees_is_where_the_reference_camera_sees_it():
    """A hot spot far away, in the directions of both cameras."""
    direction = np.array([[0.2, 0.05, 1.0]])
    own = CameraModel.from_fov(160, 120, 80.0)
    camera_T_thermal = turned(12.0)
    (own_uv,), _ = own.project(direction @ camera_T_thermal[:3, :3])
    (uv,), _ = CAMERA.project(direction)
    picture = np.zeros((120, 160), np.float32)
    picture[tuple(np.rint(own_uv[::-1]).astype(int))] = 1.0
    picture = (cv2.GaussianBlur(picture, (0, 0), 5) * 40_000).clip(0, 255).astype(np.uint8)
    rig = Rig(camera=CAMERA, cameras={'thermal': own}, camera_T={'thermal': camera_T_thermal})
    image = ThermalEncoder().encode(picture, rig, (48, 64))[..., 0].astype(float)
    row, column = (float((image * grid).sum() / image.sum()) for grid in np.indices(image.shape))
    assert (column, row) == pytest.approx(uv.tolist(), abs=0.7)


def test_a_camera_that_looks_back_sees_nothing_of_what_lies_ahead():
    for yaw_deg in (180.0, 100.0):
        rig = Rig(camera=CAMERA, camera_T={'thermal': turned(yaw_deg)})
        assert not ThermalEncoder().encode(np.full((48, 64), 200, np.uint8), rig, (48, 64)).any()


def test_distortion_of_either_lens_is_taken_into_account():
    bent = CameraModel(width_px=64, height_px=48, K=CAMERA.K, D=np.array([-0.35, 0.0, 0.0, 0.0]))
    ramp = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))
    straight = ThermalEncoder().encode(ramp, Rig(camera=CAMERA), (48, 64))
    for rig in (Rig(camera=bent, cameras={'thermal': CAMERA}),
                Rig(camera=CAMERA, cameras={'thermal': bent})):
        image = ThermalEncoder().encode(ramp, rig, (48, 64))
        middle = (slice(20, 28), slice(28, 36))
        assert np.abs(image[middle].astype(int) - straight[middle]).max() <= 4
        assert np.abs(image[24, 8:56].astype(int) - straight[24, 8:56]).max() > 4


def test_a_tele_lens_of_few_pixels_fills_less_than_one_and_is_shown():
    tele = CameraModel.from_fov(8, 6, 0.5)
    rig = Rig(camera=CAMERA, cameras={'thermal': tele}, camera_T={'thermal': np.eye(4)})
    picture = ThermalEncoder().encode(np.full((6, 8), 200, np.uint8), rig, (48, 64))
    assert picture.shape == (48, 64, 3) and picture.max() <= 200


def test_a_finer_picture_is_averaged():
    fine = np.indices((480, 640)).sum(axis=0) % 2 * np.uint8(255)
    rig = Rig(camera=CAMERA, cameras={'thermal': CameraModel.from_fov(640, 480, 50.0)})
    image = ThermalEncoder().encode(fine.astype(np.uint8), rig, (48, 64))[..., 0]
    assert np.abs(image[20:28, 28:36].astype(int) - 128).max() < 40
