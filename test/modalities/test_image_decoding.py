# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every colour encoding against an oracle written out here; contradictions are refused."""

import array

import numpy as np
import pytest

from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.modalities.images import COLOR_ENCODINGS, decode_color
from anymodal_seg_ros.modalities.yuv import YUV_ENCODINGS

RNG = np.random.default_rng(7)
RGB = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)
ALPHA = RNG.integers(0, 256, (6, 8, 1), dtype=np.uint8)
GRAY = RNG.integers(0, 256, (6, 8), dtype=np.uint8)
GRAY_RGB = np.repeat(GRAY[..., None], 3, axis=2)
BGR = RGB[..., ::-1]
DEEP = RNG.integers(0, 65536, (6, 8, 4), dtype=np.uint16)
# What cv_bridge does: each value times 255 / 65535, rounded. No value lies between two integers.
SCALED = np.rint(DEEP * (255 / 65535)).astype(np.uint8)
EXACT = {
    'rgb8': (RGB, RGB),
    'bgr8': (BGR, RGB),
    'rgba8': (np.concatenate([RGB, ALPHA], 2), RGB),
    'bgra8': (np.concatenate([BGR, ALPHA], 2), RGB),
    '8UC1': (GRAY, GRAY_RGB),
    '8UC3': (BGR, RGB),
    '8UC4': (np.concatenate([BGR, ALPHA], 2), RGB),
    'mono8': (GRAY, GRAY_RGB),
    'mono16': (DEEP[..., 0], np.repeat(SCALED[..., :1], 3, axis=2)),
    'rgb16': (DEEP[..., :3], SCALED[..., :3]),
    'bgr16': (DEEP[..., 2::-1], SCALED[..., :3]),
    'rgba16': (DEEP, SCALED[..., :3]),
    'bgra16': (DEEP[..., [2, 1, 0, 3]], SCALED[..., :3]),
}
BAYER = {'bayer_rggb8': 'RGGB', 'bayer_bggr8': 'BGGR', 'bayer_gbrg8': 'GBRG',
         'bayer_grbg8': 'GRBG'}
DEEP_BAYER = {name.replace('8', '16'): pattern for name, pattern in BAYER.items()}


def test_every_encoding_has_an_oracle():
    assert {*EXACT, *BAYER, *DEEP_BAYER, *YUV_ENCODINGS} == set(COLOR_ENCODINGS)


def test_sixteen_bits_are_scaled_as_cv_bridge_scales_them(image_message):
    """Every value: the quotient by 257, for 65535 = 255 x 257, and the nearest integer to it."""
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    decoded = decode_color(image_message(every, 'mono16'))[..., 0]
    assert decoded.ravel().tolist() == [(value + 128) // 257 for value in range(65536)]
    assert decoded[0, 128:130].tolist() == [0, 1]
    assert decoded[255, 126:128].tolist() == [254, 255]


@pytest.mark.parametrize('name', ['RGB8', 'Mono16', '8uc3', 'NV12', 'YUV420'])
def test_names_may_be_in_either_case(image_message, name):
    message = image_message(np.zeros((6, 8, 6), np.uint8), name)
    message.height = message.width = 4
    assert decode_color(message).shape == (4, 4, 3)


@pytest.mark.parametrize('padding', [0, 1, 5, 16])
@pytest.mark.parametrize('encoding', EXACT)
def test_exact_encodings(image_message, encoding, padding):
    stored, expected = EXACT[encoding]
    decoded = decode_color(image_message(stored, encoding, padding=padding))
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, expected)


@pytest.mark.parametrize('encoding', [name for name in EXACT if name.endswith('16')])
def test_big_endian_sixteen_bits(image_message, encoding):
    stored, expected = EXACT[encoding]
    message = image_message(stored, encoding, big_endian=True, padding=3)
    np.testing.assert_array_equal(decode_color(message), expected)


@pytest.mark.parametrize('encoding', BAYER)
@pytest.mark.parametrize('padding', [0, 3])
def test_bayer_pattern_of_one_colour_gives_that_colour(image_message, encoding, padding):
    color = {'R': 200, 'G': 120, 'B': 40}
    pattern = BAYER[encoding]
    tile = np.array([color[letter] for letter in pattern], np.uint8).reshape(2, 2)
    decoded = decode_color(image_message(np.tile(tile, (4, 5)), encoding, padding=padding))
    np.testing.assert_array_equal(decoded, np.full((8, 10, 3), (200, 120, 40)))


@pytest.mark.parametrize('encoding', DEEP_BAYER)
@pytest.mark.parametrize('big_endian', [False, True])
def test_deep_bayer_pattern_of_one_colour_gives_that_colour(image_message, encoding, big_endian):
    color = {'R': 200 * 257 + 100, 'G': 120 * 257 - 100, 'B': 40 * 257}
    tile = np.array([color[letter] for letter in DEEP_BAYER[encoding]], np.uint16).reshape(2, 2)
    message = image_message(np.tile(tile, (4, 5)), encoding, padding=3, big_endian=big_endian)
    np.testing.assert_array_equal(decode_color(message), np.full((8, 10, 3), (200, 120, 40)))


@pytest.mark.parametrize('hold', [bytes, bytearray, lambda raw: array.array('B', raw),
                                  lambda raw: np.frombuffer(raw, np.uint8).copy()])
def test_tight_rgb_is_a_view_of_the_message(image_message, hold):
    data = hold(RGB.tobytes())
    decoded = decode_color(image_message(RGB, 'rgb8', data=data))
    np.testing.assert_array_equal(decoded, RGB)
    assert np.shares_memory(decoded, np.frombuffer(data, np.uint8))


@pytest.mark.parametrize(('field', 'encoding', 'wrong'), [
    ('encoding', 'rgb8', {'encoding': 'banana'}),
    ('encoding', 'rgb8', {'encoding': ''}),
    ('encoding', 'rgb8', {'encoding': '32FC1'}),
    ('height', 'rgb8', {'height': 0}),
    ('width', 'rgb8', {'width': 0}),
    ('height', 'rgb8', {'height': -1}),
    ('height', 'rgb8', {'height': 2**32 - 1}),
    ('width', 'rgb8', {'width': 2**32 - 1, 'step': 2**32 - 1}),
    ('height', 'rgb8', {'height': 16000, 'width': 16000}),
    ('step', 'rgb8', {'step': 23}),
    ('step', 'rgb8', {'step': 0}),
    ('data', 'rgb8', {'step': 25}),
    ('data', 'rgb8', {'step': 2**32 - 1}),
    ('data', 'rgb8', {'data': b''}),
    ('data', 'rgb8', {'data': RGB.tobytes()[:-1]}),
    ('data', 'rgb8', {'data': np.zeros(0, np.uint8)}),
    ('data', 'rgb8', {'data': 17}),
    ('width', 'bayer_rggb8', {'width': 1}),
    ('height', 'bayer_rggb8', {'height': 2}),
])
def test_contradictions_name_the_field(image_message, field, encoding, wrong):
    stored = RGB if encoding == 'rgb8' else np.zeros((6, 8), np.uint8)
    with pytest.raises(BadMessageError, match=rf'^{field}: ') as caught:
        decode_color(image_message(stored, encoding, **wrong))
    assert caught.value.field == field


def test_missing_padding_after_the_last_row_is_accepted(image_message):
    message = image_message(RGB, 'rgb8', padding=4)
    message.data = message.data[:-4]
    np.testing.assert_array_equal(decode_color(message), RGB)


def test_decoding_agrees_with_cv_bridge():
    cv_bridge = pytest.importorskip('cv_bridge')
    image_type = pytest.importorskip('sensor_msgs.msg').Image
    bridge = cv_bridge.CvBridge()
    for encoding, (stored, _) in EXACT.items():
        if encoding.startswith('8UC'):
            continue
        message = image_type(height=6, width=8, encoding=encoding, data=stored.tobytes(),
                             step=stored.strides[0])
        np.testing.assert_array_equal(
            decode_color(message), bridge.imgmsg_to_cv2(message, 'rgb8'), err_msg=encoding)
