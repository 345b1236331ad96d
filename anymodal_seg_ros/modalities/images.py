# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pixels out of ``sensor_msgs`` Image and CompressedImage. numpy and OpenCV.

Every size is checked before anything is allocated or indexed. ``data`` may be bytes,
``array.array('B')`` (rclpy) or a uint8 ndarray (rosbags).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.geometry import MAX_IMAGE_PIXELS, MAX_IMAGE_SIDE_PX
from anymodal_seg_ros.modalities.base import Uint8Array

_PNG_MAGIC = b'\x89PNG\r\n\x1a\n'
_JPEG_MAGIC = b'\xff\xd8\xff'
# Start-of-frame markers of JPEG; C4, C8 and CC in their midst are tables and a reserved one.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_MIN_BAYER_PX = 4


class ImageMessage(Protocol):
    """What is read of a ``sensor_msgs/Image``."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


class CompressedImageMessage(Protocol):
    """What is read of a ``sensor_msgs/CompressedImage``."""

    format: str
    data: Any


def _same(pixels: npt.NDArray[Any]) -> Uint8Array:
    return np.ascontiguousarray(pixels)


def _by_opencv(code: int) -> Callable[[npt.NDArray[Any]], Uint8Array]:
    def convert(pixels: npt.NDArray[Any]) -> Uint8Array:
        return cv2.cvtColor(pixels, code).astype(np.uint8, copy=False)
    return convert


def _high_byte(then: Callable[[npt.NDArray[Any]], Uint8Array]
               ) -> Callable[[npt.NDArray[Any]], Uint8Array]:
    def convert(pixels: npt.NDArray[Any]) -> Uint8Array:
        return then((pixels >> 8).astype(np.uint8))
    return convert


_GRAY = _by_opencv(cv2.COLOR_GRAY2RGB)
_BGR = _by_opencv(cv2.COLOR_BGR2RGB)
_BGRA = _by_opencv(cv2.COLOR_BGRA2RGB)
_RGBA = _by_opencv(cv2.COLOR_RGBA2RGB)
_UYVY = _by_opencv(cv2.COLOR_YUV2RGB_UYVY)
_YUYV = _by_opencv(cv2.COLOR_YUV2RGB_YUYV)

COLOR_ENCODINGS: Mapping[str, tuple[str, int, Callable[[npt.NDArray[Any]], Uint8Array]]] = {
    'rgb8': ('u1', 3, _same),
    'bgr8': ('u1', 3, _BGR),
    'rgba8': ('u1', 4, _RGBA),
    'bgra8': ('u1', 4, _BGRA),
    'mono8': ('u1', 1, _GRAY),
    '8UC1': ('u1', 1, _GRAY),
    '8UC3': ('u1', 3, _BGR),
    '8UC4': ('u1', 4, _BGRA),
    'mono16': ('u2', 1, _high_byte(_GRAY)),
    'rgb16': ('u2', 3, _high_byte(_same)),
    'bgr16': ('u2', 3, _high_byte(_BGR)),
    'rgba16': ('u2', 4, _high_byte(_RGBA)),
    'bgra16': ('u2', 4, _high_byte(_BGRA)),
    'bayer_rggb8': ('u1', 1, _by_opencv(cv2.COLOR_BayerRGGB2RGB)),
    'bayer_bggr8': ('u1', 1, _by_opencv(cv2.COLOR_BayerBGGR2RGB)),
    'bayer_gbrg8': ('u1', 1, _by_opencv(cv2.COLOR_BayerGBRG2RGB)),
    'bayer_grbg8': ('u1', 1, _by_opencv(cv2.COLOR_BayerGRBG2RGB)),
    'yuv422': ('u1', 2, _UYVY),
    'uyvy': ('u1', 2, _UYVY),
    'yuv422_yuy2': ('u1', 2, _YUYV),
    'yuyv': ('u1', 2, _YUYV),
}
"""Encoding to (sample type, channels, conversion to RGB); 8UC3 and 8UC4 are OpenCV's order."""


def decode_color(msg: Any) -> Uint8Array:  # noqa: ANN401 - Image or CompressedImage
    """uint8 [H, W, 3], red first, of an Image or CompressedImage (jpeg or png).

    A tightly packed rgb8 image is a view of the message's memory.

    Raises:
        BadMessageError: the message contradicts itself or has an unknown encoding.
    """
    if hasattr(msg, 'format'):
        pixels = decode_compressed(message_bytes(msg.data), cv2.IMREAD_COLOR)
        return _BGR(pixels)
    name = msg.encoding
    if name not in COLOR_ENCODINGS:
        raise BadMessageError('encoding', f'{name!r}; allowed are {", ".join(COLOR_ENCODINGS)}')
    sample_type, channels, convert = COLOR_ENCODINGS[name]
    pixels = image_pixels(msg, sample_type, channels)
    if channels == 2 and msg.width % 2:
        raise BadMessageError('width', f'{msg.width}; {name} needs an even number')
    if name.startswith('bayer') and min(pixels.shape[:2]) < _MIN_BAYER_PX:
        raise BadMessageError('height' if msg.height < _MIN_BAYER_PX else 'width',
                              f'{msg.width}x{msg.height}; {name} needs {_MIN_BAYER_PX} and more')
    return convert(pixels)


def image_pixels(msg: ImageMessage, sample_type: str, channels: int) -> npt.NDArray[Any]:
    """A view [H, W] or [H, W, C] of the message's memory, row padding cropped.

    ``sample_type`` is a numpy type code; ``is_bigendian`` sets its byte order. ``step`` may be
    any number of bytes that holds a row.

    Raises:
        BadMessageError: size, step and data contradict each other.
    """
    check_image_size(msg.height, msg.width)
    dtype = np.dtype(('>' if msg.is_bigendian else '<') + sample_type)
    pixel_bytes = dtype.itemsize * channels
    row_bytes = msg.width * pixel_bytes
    if msg.step < row_bytes:
        raise BadMessageError('step', f'{msg.step}; {msg.width} pixels of {msg.encoding} '
                                      f'need {row_bytes} or more')
    buffer = message_bytes(msg.data)
    needed = (msg.height - 1) * msg.step + row_bytes
    if buffer.size < needed:
        raise BadMessageError('data', f'{buffer.size} bytes; {msg.height} rows of step '
                                      f'{msg.step} need {needed}')
    shape: tuple[int, ...] = (msg.height, msg.width)
    strides: tuple[int, ...] = (msg.step, pixel_bytes)
    if channels > 1:
        shape, strides = (*shape, channels), (*strides, dtype.itemsize)
    return np.ndarray(shape, dtype, buffer=buffer.data, strides=strides)


def decode_compressed(buffer: Uint8Array, flags: int) -> npt.NDArray[Any]:
    """JPEG or PNG bytes through ``cv2.imdecode``, as stored (no turning by EXIF).

    Raises:
        BadMessageError: neither JPEG nor PNG, too large (read before decoding), or cut short.
    """
    head = buffer[:32].tobytes()
    if head.startswith(_PNG_MAGIC):
        size_hw, end = _png_size(head), b'IEND'
    elif head.startswith(_JPEG_MAGIC):
        size_hw, end = _jpeg_size(buffer), b'\xff\xd9'
    else:
        raise BadMessageError('data', f'begins with {head[:8].hex()}; a JPEG or PNG is needed')
    check_image_size(*size_hw, field='data')
    if end not in buffer[-256:].tobytes():
        raise BadMessageError('data', f'{buffer.size} bytes; the compressed image is cut short')
    try:
        pixels = cv2.imdecode(buffer, flags | cv2.IMREAD_IGNORE_ORIENTATION
                              if flags >= 0 else flags)
    except cv2.error as error:
        raise BadMessageError('data', f'OpenCV cannot decode it ({error.err})') from error
    if pixels is None or pixels.shape[:2] != size_hw:
        raise BadMessageError('data', f'{buffer.size} bytes; the compressed image is damaged')
    return pixels


def check_image_size(height: int, width: int, field: str = '') -> None:
    """Raise BadMessageError unless the image is neither empty nor absurdly large."""
    for name, side in (('height', height), ('width', width)):
        if not 1 <= side <= MAX_IMAGE_SIDE_PX:
            raise BadMessageError(field or name,
                                  f'{name} {side}; allowed is 1 to {MAX_IMAGE_SIDE_PX}')
    if height * width > MAX_IMAGE_PIXELS:
        raise BadMessageError(field or 'height', f'{width}x{height}; allowed are '
                                                 f'{MAX_IMAGE_PIXELS} pixels')


def message_bytes(data: Any) -> Uint8Array:  # noqa: ANN401 - anything with a buffer
    """A uint8 view [N] of a message's ``data``, whatever holds it.

    Raises:
        BadMessageError: it has no contiguous buffer.
    """
    try:
        return np.frombuffer(memoryview(data).cast('B'), dtype=np.uint8)
    except (TypeError, ValueError, BufferError):
        if hasattr(data, '__len__') and len(data) == 0:
            return np.zeros(0, dtype=np.uint8)
        raise BadMessageError('data', f'a {type(data).__name__}; contiguous bytes are needed'
                              ) from None


def _png_size(head: bytes) -> tuple[int, int]:
    if len(head) < 24 or head[12:16] != b'IHDR':
        raise BadMessageError('data', 'a PNG without its header')
    width, height = struct.unpack('>II', head[16:24])
    return height, width


def _jpeg_size(buffer: Uint8Array) -> tuple[int, int]:
    """(height, width) of the first frame header, found by walking from marker to marker."""
    position = 2
    while position + 9 <= buffer.size:
        marker, following = int(buffer[position]), int(buffer[position + 1])
        if marker != 0xFF:
            break
        if following == 0xFF:
            position += 1
        elif following in _JPEG_WITHOUT_LENGTH:
            position += 2
        elif following in _JPEG_FRAMES:
            height, width = struct.unpack('>HH', buffer[position + 5:position + 9].tobytes())
            return height, width
        else:
            length = struct.unpack('>H', buffer[position + 2:position + 4].tobytes())[0]
            if length < 2:
                break
            position += 2 + length
    raise BadMessageError('data', 'a JPEG without a frame header')
