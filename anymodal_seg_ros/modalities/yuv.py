# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""YUV images as cameras and their drivers lay them out (BT.601, 16 to 235). numpy and OpenCV.

``height``, ``width`` and ``step`` are those of the picture and of its luma; the chroma planes
follow in ``data``, with rows as padded as those of the luma (V4L2's and libcamera's layout).
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.modalities.base import Uint8Array
from anymodal_seg_ros.modalities.pixels import ImageMessage, check_image_size, message_bytes

ToRgb = Callable[[ImageMessage], Uint8Array]


def packed_422(code: int) -> ToRgb:
    """Two bytes for each pixel in one plane; ``code`` is OpenCV's for their order."""
    def convert(msg: ImageMessage) -> Uint8Array:
        _require_even(msg, 'width')
        (plane,) = _planes(msg, (msg.height, 2 * msg.width, msg.step))
        return _converted(plane.reshape(msg.height, msg.width, 2), code)
    return convert


def two_planes_420(code: int) -> ToRgb:
    """Luma, then chroma pairs of every second pixel and row (nv12, nv21)."""
    def convert(msg: ImageMessage) -> Uint8Array:
        _require_even(msg, 'width', 'height')
        planes = _planes(msg, (msg.height, msg.width, msg.step),
                         (msg.height // 2, msg.width, msg.step))
        return _converted(np.concatenate(planes), code)
    return convert


def three_planes_420(code: int) -> ToRgb:
    """Luma, then two planes of every second pixel and row (i420, yv12)."""
    def convert(msg: ImageMessage) -> Uint8Array:
        _require_even(msg, 'width', 'height', 'step')
        chroma = (msg.height // 2, msg.width // 2, msg.step // 2)
        planes = _planes(msg, (msg.height, msg.width, msg.step), chroma, chroma)
        joined = np.concatenate([plane.reshape(-1) for plane in planes])
        return _converted(joined.reshape(msg.height * 3 // 2, msg.width), code)
    return convert


def two_planes_444(first: int) -> ToRgb:
    """Luma, then a chroma pair of every pixel, U at ``first`` (nv24: 0, nv42: 1)."""
    def convert(msg: ImageMessage) -> Uint8Array:
        luma, chroma = _planes(msg, (msg.height, msg.width, msg.step),
                               (msg.height, 2 * msg.width, 2 * msg.step))
        # OpenCV knows no such layout: each pixel is given it twice, as a 4:2:2 pair of its own.
        pairs = np.empty((msg.height, 2 * msg.width, 2), dtype=np.uint8)
        pairs[:, 0::2, 0] = chroma[:, first::2]
        pairs[:, 1::2, 0] = chroma[:, 1 - first::2]
        pairs[:, 0::2, 1] = pairs[:, 1::2, 1] = luma
        return np.ascontiguousarray(_converted(pairs, cv2.COLOR_YUV2RGB_UYVY)[:, ::2])
    return convert


YUV_ENCODINGS = {
    'yuv422': packed_422(cv2.COLOR_YUV2RGB_UYVY),
    'uyvy': packed_422(cv2.COLOR_YUV2RGB_UYVY),
    'yuv422_yuy2': packed_422(cv2.COLOR_YUV2RGB_YUYV),
    'yuyv': packed_422(cv2.COLOR_YUV2RGB_YUYV),
    'yuy2': packed_422(cv2.COLOR_YUV2RGB_YUYV),
    'yvyu': packed_422(cv2.COLOR_YUV2RGB_YVYU),
    'nv12': two_planes_420(cv2.COLOR_YUV2RGB_NV12),
    'nv21': two_planes_420(cv2.COLOR_YUV2RGB_NV21),
    'nv24': two_planes_444(0),
    'nv42': two_planes_444(1),
    'i420': three_planes_420(cv2.COLOR_YUV2RGB_I420),
    'yu12': three_planes_420(cv2.COLOR_YUV2RGB_I420),
    'yuv420': three_planes_420(cv2.COLOR_YUV2RGB_I420),
    'yv12': three_planes_420(cv2.COLOR_YUV2RGB_YV12),
}
"""Encoding to its conversion. ``sensor_msgs`` names yuv422, yuv422_yuy2, uyvy, yuyv, nv21 and
nv24; the rest are V4L2's and GStreamer's names, as drivers publish them."""


def _require_even(msg: ImageMessage, *fields: str) -> None:
    for field in fields:
        value = getattr(msg, field)
        if value % 2:
            raise BadMessageError(field, f'{value}; {msg.encoding} needs an even number')


def _planes(msg: ImageMessage, *layouts: tuple[int, int, int]) -> list[Uint8Array]:
    """A view [rows, row bytes] of each plane; a layout is rows, bytes and step of a row."""
    check_image_size(msg.height, msg.width)
    buffer = message_bytes(msg.data)
    if msg.step < layouts[0][1]:
        raise BadMessageError('step', f'{msg.step}; {msg.width} pixels of {msg.encoding} '
                                      f'need {layouts[0][1]} or more')
    begin, planes = 0, []
    for rows, row_bytes, step in layouts:
        needed = begin + (rows - 1) * step + row_bytes
        if buffer.size < needed:
            raise BadMessageError('data', f'{buffer.size} bytes; {msg.width}x{msg.height} of '
                                          f'{msg.encoding} and step {msg.step} need {needed}')
        planes.append(np.ndarray((rows, row_bytes), np.uint8, buffer.data, begin, (step, 1)))
        begin += rows * step
    return planes


def _converted(planes: Uint8Array, code: int) -> Uint8Array:
    return cv2.cvtColor(np.ascontiguousarray(planes), code).astype(np.uint8, copy=False)
