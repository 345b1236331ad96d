# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""YUV layouts, written out byte by byte, against BT.601's equations and OpenCV."""

import cv2
import numpy as np
import pytest

from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.modalities.images import decode_color
from anymodal_seg_ros.modalities.yuv import YUV_ENCODINGS

RNG = np.random.default_rng(11)
HEIGHT, WIDTH = 6, 8
PACKED = {'yuv422': 'UYVY', 'uyvy': 'UYVY', 'yuv422_yuy2': 'YUYV', 'yuyv': 'YUYV',
          'yuy2': 'YUYV', 'yvyu': 'YVYU'}
PAIRS = {'nv12': 'UV', 'nv21': 'VU'}
FULL_PAIRS = {'nv24': 'UV', 'nv42': 'VU'}
PLANES = {'i420': 'UV', 'yu12': 'UV', 'yuv420': 'UV', 'yv12': 'VU'}
PER_PIXEL = {**dict.fromkeys(PACKED, (1, 2)), **dict.fromkeys((*PAIRS, *PLANES), (2, 2)),
             **dict.fromkeys(FULL_PAIRS, (1, 1))}
"""Rows and columns of pixels that share their chroma."""
# ITU-R BT.601, 16 to 235: what the colours are that everyone knows.
KNOWN = {'red': ((81, 90, 240), (254, 0, 0)), 'green': ((145, 54, 34), (0, 255, 1)),
         'blue': ((41, 240, 110), (0, 0, 255)), 'white': ((235, 128, 128), (255, 255, 255)),
         'black': ((16, 128, 128), (0, 0, 0)), 'grey': ((126, 128, 128), (128, 128, 128))}


def stored(encoding, y, u, v, padding=0):
    """The bytes of a picture [H, W] with chroma at its own resolution, and its step."""
    chroma = {'U': u, 'V': v}
    if encoding in PACKED:
        rows = np.zeros((y.shape[0], 2 * y.shape[1]), np.uint8)
        luma_at = PACKED[encoding].index('Y')
        rows[:, luma_at::2] = y
        for name in 'UV':
            rows[:, PACKED[encoding].index(name)::4] = chroma[name]
        planes = [rows]
    elif encoding in PLANES:
        planes = [y, *(chroma[name] for name in PLANES[encoding])]
    else:
        order = {**PAIRS, **FULL_PAIRS}[encoding]
        planes = [y, np.stack([chroma[name] for name in order], axis=2).reshape(u.shape[0], -1)]
    step = planes[0].shape[1] + padding
    data = b''
    for plane in planes:
        padded = np.full((len(plane), plane.shape[1] * step // planes[0].shape[1]), 0xA5, np.uint8)
        padded[:, :plane.shape[1]] = plane
        data += padded.tobytes()
    return data, step


def message_of(image_message, encoding, data, step, hw=(HEIGHT, WIDTH), wrong=None):
    fields = {'height': hw[0], 'width': hw[1], 'step': step, 'data': data, **(wrong or {})}
    return image_message(np.zeros((2, 2), np.uint8), encoding, **fields)


def random_picture(encoding):
    per_row, per_column = PER_PIXEL[encoding]
    luma = RNG.integers(16, 236, (HEIGHT, WIDTH)).astype(np.uint8)
    u, v = RNG.integers(90, 166, (2, HEIGHT // per_row, WIDTH // per_column)).astype(np.uint8)
    return luma, u, v


def by_equations(encoding, luma, u, v):
    per_row, per_column = PER_PIXEL[encoding]
    u, v = (np.repeat(np.repeat(item, per_row, 0), per_column, 1).astype(float) for item in (u, v))
    scaled = 1.164 * (luma.astype(float) - 16)
    return np.stack([scaled + 1.596 * (v - 128), scaled - 0.813 * (v - 128) - 0.391 * (u - 128),
                     scaled + 2.018 * (u - 128)], axis=-1).clip(0, 255)


def test_every_layout_is_written_out_here():
    assert {*PACKED, *PAIRS, *FULL_PAIRS, *PLANES} == set(YUV_ENCODINGS)


@pytest.mark.parametrize('encoding', YUV_ENCODINGS)
@pytest.mark.parametrize('padding', [0, 8])
def test_layouts_follow_bt601(image_message, encoding, padding):
    picture = random_picture(encoding)
    data, step = stored(encoding, *picture, padding=padding)
    decoded = decode_color(message_of(image_message, encoding, data, step))
    assert decoded.dtype == np.uint8
    assert decoded.flags.c_contiguous
    assert np.abs(decoded - by_equations(encoding, *picture)).max() <= 1.5


@pytest.mark.parametrize('encoding', YUV_ENCODINGS)
@pytest.mark.parametrize('name', KNOWN)
def test_known_colours(image_message, encoding, name):
    (y, u, v), rgb = KNOWN[name]
    per_row, per_column = PER_PIXEL[encoding]
    chroma_hw = HEIGHT // per_row, WIDTH // per_column
    data, step = stored(encoding, np.full((HEIGHT, WIDTH), y), np.full(chroma_hw, u),
                        np.full(chroma_hw, v))
    decoded = decode_color(message_of(image_message, encoding, data, step)).astype(int)
    assert np.abs(decoded - rgb).max() <= 1


@pytest.mark.parametrize(('encoding', 'code'), [
    ('nv12', cv2.COLOR_YUV2RGB_NV12), ('nv21', cv2.COLOR_YUV2RGB_NV21),
    ('i420', cv2.COLOR_YUV2RGB_I420), ('yv12', cv2.COLOR_YUV2RGB_YV12)])
def test_planes_in_one_piece_are_what_opencv_makes_of_them(image_message, encoding, code):
    data = RNG.integers(0, 256, HEIGHT * 3 // 2 * WIDTH).astype(np.uint8)
    decoded = decode_color(message_of(image_message, encoding, data.tobytes(), WIDTH))
    np.testing.assert_array_equal(
        decoded, cv2.cvtColor(data.reshape(HEIGHT * 3 // 2, WIDTH), code))


def test_nv24_of_odd_size(image_message):
    luma = np.full((3, 5), 81, np.uint8)
    chroma = np.tile(np.array([90, 240], np.uint8), (3, 5))
    data = luma.tobytes() + chroma.tobytes()
    decoded = decode_color(message_of(image_message, 'nv24', data, 5, (3, 5))).astype(int)
    assert decoded.shape == (3, 5, 3)
    assert np.abs(decoded - (254, 0, 0)).max() <= 1


@pytest.mark.parametrize(('encoding', 'field', 'wrong'), [
    ('yuv422', 'width', {'width': 7}),
    ('nv12', 'width', {'width': 7}),
    ('nv12', 'height', {'height': 5}),
    ('nv21', 'height', {'height': 5}),
    ('i420', 'width', {'width': 7}),
    ('i420', 'height', {'height': 5}),
    ('i420', 'step', {'step': 9}),
    ('i420', 'step', {'step': 6}),
    ('nv12', 'step', {'step': 7}),
    ('nv12', 'step', {'step': 0}),
    ('nv24', 'step', {'step': 4}),
    ('yuyv', 'step', {'step': 14}),
    ('nv12', 'height', {'height': 0}),
    ('nv12', 'width', {'width': 2**32 - 2, 'step': 2**32 - 2}),
    ('nv24', 'height', {'height': 2**31}),
])
def test_contradictions_name_the_field(image_message, encoding, field, wrong):
    data, step = stored(encoding, *random_picture(encoding))
    with pytest.raises(BadMessageError, match=rf'^{field}: '):
        decode_color(message_of(image_message, encoding, data, step, wrong=wrong))


@pytest.mark.parametrize('encoding', YUV_ENCODINGS)
def test_one_byte_less_is_refused(image_message, encoding):
    data, step = stored(encoding, *random_picture(encoding))
    with pytest.raises(BadMessageError, match=rf'^data: {len(data) - 1} bytes; .* {len(data)}$'):
        decode_color(message_of(image_message, encoding, data[:-1], step))
