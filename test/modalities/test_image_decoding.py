# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every colour encoding against an oracle written out here; contradictions are refused."""

import array
import struct
import zlib
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.modalities.images import COLOR_ENCODINGS, decode_color

RNG = np.random.default_rng(7)
RGB = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)
ALPHA = RNG.integers(0, 256, (6, 8, 1), dtype=np.uint8)
GRAY = RNG.integers(0, 256, (6, 8), dtype=np.uint8)
GRAY_RGB = np.repeat(GRAY[..., None], 3, axis=2)
LOW = RNG.integers(0, 256, (6, 8, 4), dtype=np.uint16)
BGR = RGB[..., ::-1]
EXACT = {
    'rgb8': (RGB, RGB),
    'bgr8': (BGR, RGB),
    'rgba8': (np.concatenate([RGB, ALPHA], 2), RGB),
    'bgra8': (np.concatenate([BGR, ALPHA], 2), RGB),
    '8UC1': (GRAY, GRAY_RGB),
    '8UC3': (BGR, RGB),
    '8UC4': (np.concatenate([BGR, ALPHA], 2), RGB),
    'mono8': (GRAY, GRAY_RGB),
    'mono16': (GRAY * np.uint16(256) + LOW[..., 0], GRAY_RGB),
    'rgb16': (RGB * np.uint16(256) + LOW[..., :3], RGB),
    'bgr16': (BGR * np.uint16(256) + LOW[..., :3], RGB),
    'rgba16': (np.concatenate([RGB, ALPHA], 2) * np.uint16(256) + LOW, RGB),
    'bgra16': (np.concatenate([BGR, ALPHA], 2) * np.uint16(256) + LOW, RGB),
}
BAYER = {'bayer_rggb8': 'RGGB', 'bayer_bggr8': 'BGGR', 'bayer_gbrg8': 'GBRG',
         'bayer_grbg8': 'GRBG'}
YUV = {'yuv422': (1, 0), 'uyvy': (1, 0), 'yuv422_yuy2': (0, 1), 'yuyv': (0, 1)}


def test_every_encoding_has_an_oracle():
    assert {*EXACT, *BAYER, *YUV} == set(COLOR_ENCODINGS)


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


@pytest.mark.parametrize('encoding', YUV)
@pytest.mark.parametrize('padding', [0, 3])
def test_yuv_orders_follow_bt601(image_message, encoding, padding):
    y_at, u_at = YUV[encoding]
    luma = RNG.integers(16, 236, (6, 8)).astype(np.uint8)
    chroma_u = RNG.integers(90, 166, (6, 4)).astype(np.uint8)
    chroma_v = RNG.integers(90, 166, (6, 4)).astype(np.uint8)
    stored = np.zeros((6, 8, 2), np.uint8)
    stored[..., y_at] = luma
    stored[:, 0::2, u_at] = chroma_u
    stored[:, 1::2, u_at] = chroma_v
    y, u, v = (item.astype(float) for item in (
        luma, np.repeat(chroma_u, 2, 1), np.repeat(chroma_v, 2, 1)))
    expected = np.stack([1.164 * (y - 16) + 1.596 * (v - 128),
                         1.164 * (y - 16) - 0.813 * (v - 128) - 0.391 * (u - 128),
                         1.164 * (y - 16) + 2.018 * (u - 128)], axis=-1).clip(0, 255)
    decoded = decode_color(image_message(stored, encoding, padding=padding))
    assert np.abs(decoded - expected).max() <= 1.5


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
    ('width', 'yuv422', {'width': 7}),
    ('width', 'bayer_rggb8', {'width': 1}),
    ('height', 'bayer_rggb8', {'height': 2}),
])
def test_contradictions_name_the_field(image_message, field, encoding, wrong):
    stored = RGB if encoding == 'rgb8' else np.zeros((6, 8, 2), np.uint8)
    with pytest.raises(BadMessageError, match=rf'^{field}: ') as caught:
        decode_color(image_message(stored, encoding, **wrong))
    assert caught.value.field == field


def test_missing_padding_after_the_last_row_is_accepted(image_message):
    message = image_message(RGB, 'rgb8', padding=4)
    message.data = message.data[:-4]
    np.testing.assert_array_equal(decode_color(message), RGB)


def compressed(data, kind='png'):
    return SimpleNamespace(format=kind, data=bytes(data))


def test_png_is_exact_in_eight_and_sixteen_bits():
    png = cv2.imencode('.png', BGR)[1]
    np.testing.assert_array_equal(decode_color(compressed(png)), RGB)
    deep = cv2.imencode('.png', EXACT['bgr16'][0])[1]
    np.testing.assert_array_equal(decode_color(compressed(deep, 'bgr16; png compressed')), RGB)
    gray = cv2.imencode('.png', GRAY)[1]
    np.testing.assert_array_equal(decode_color(compressed(gray)), GRAY_RGB)


@pytest.mark.parametrize('progressive', [0, 1])
def test_jpeg_keeps_red_first(progressive):
    image = np.zeros((32, 48, 3), np.uint8)
    image[:, :24] = (0, 0, 250)
    image[:, 24:] = (250, 0, 0)
    jpeg = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive])[1]
    decoded = decode_color(compressed(jpeg, 'rgb8; jpeg compressed bgr8')).astype(int)
    assert decoded.shape == (32, 48, 3)
    assert np.abs(decoded[:, :20] - (250, 0, 0)).max() < 12
    assert np.abs(decoded[:, 28:] - (0, 0, 250)).max() < 12


def png_claiming(width, height):
    header = b'IHDR' + struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    return (b'\x89PNG\r\n\x1a\n' + struct.pack('>I', 13) + header
            + struct.pack('>I', zlib.crc32(header)) + b'IEND')


def jpeg_claiming(width, height):
    frame = struct.pack('>BHHB', 8, height, width, 3) + b'\x01\x11\x00' * 3
    return b'\xff\xd8\xff\xc0' + struct.pack('>H', len(frame) + 2) + frame + b'\xff\xd9'


@pytest.mark.parametrize(('data', 'says'), [
    (b'', 'JPEG or PNG is needed'),
    (b'\x00' * 100, 'JPEG or PNG is needed'),
    (b'\x89PNG\r\n\x1a\n', 'without its header'),
    (b'\xff\xd8\xff', 'without a frame header'),
    (b'\xff\xd8\xff\xe0\x00\x00' + b'\x00' * 50, 'without a frame header'),
    (png_claiming(30000, 20), 'width 30000'),
    (png_claiming(16000, 16000), '16000x16000'),
    (png_claiming(0, 20), 'width 0'),
    (jpeg_claiming(20000, 100), 'width 20000'),
    (jpeg_claiming(16000, 16000), '16000x16000'),
    (png_claiming(20, 20), 'damaged'),
    (cv2.imencode('.png', BGR)[1].tobytes()[:-30], 'cut short'),
    (cv2.imencode('.jpg', BGR)[1].tobytes()[:-30], 'cut short'),
])
def test_bad_compressed_images_are_refused_before_decoding(data, says):
    with pytest.raises(BadMessageError, match=r'^data: ') as caught:
        decode_color(compressed(data))
    assert says in str(caught.value)


def test_random_bytes_in_a_jpeg_never_escape_as_another_error():
    jpeg = cv2.imencode('.jpg', RNG.integers(0, 256, (40, 40, 3), dtype=np.uint8))[1]
    for seed in range(60):
        rng = np.random.default_rng(seed)
        broken = jpeg.copy()
        broken[rng.integers(2, broken.size - 2, 20)] = rng.integers(0, 256, 20)
        try:
            assert decode_color(compressed(broken, 'jpeg')).ndim == 3
        except BadMessageError as error:
            assert error.field == 'data'


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
