# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Colours out of ``sensor_msgs`` Image and CompressedImage. numpy and OpenCV."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.modalities.base import Decoder, Uint8Array
from anymodal_seg_ros.modalities.compressed import SizeMemory, decode_compressed
from anymodal_seg_ros.modalities.pixels import ImageMessage, image_pixels, message_bytes
from anymodal_seg_ros.modalities.yuv import YUV_ENCODINGS, ToRgb

_MIN_BAYER_PX = 4


def _packed(sample_type: str, channels: int, code: int | None) -> ToRgb:
    """Pixels in one plane; ``code`` is OpenCV's conversion to RGB, None for RGB itself."""
    def convert(msg: ImageMessage) -> Uint8Array:
        pixels = _eight_bits(image_pixels(msg, sample_type, channels))
        return np.ascontiguousarray(pixels) if code is None else _converted(pixels, code)
    return convert


def _bayer(sample_type: str, code: int) -> ToRgb:
    def convert(msg: ImageMessage) -> Uint8Array:
        pixels = image_pixels(msg, sample_type, 1)
        for field, side in (('height', msg.height), ('width', msg.width)):
            if side < _MIN_BAYER_PX:
                raise BadMessageError(field, f'{msg.width}x{msg.height}; {msg.encoding} needs '
                                             f'{_MIN_BAYER_PX} and more')
        return _converted(_eight_bits(pixels), code)
    return convert


def _eight_bits(pixels: npt.NDArray[Any]) -> Uint8Array:
    """16 bits become 8 as in cv_bridge: 255 / 65535 of the value, rounded."""
    if pixels.dtype.itemsize == 1:
        return pixels
    native = np.ascontiguousarray(pixels, dtype=np.uint16)
    scaled = cv2.convertScaleAbs(native, alpha=255.0 / 65535.0).reshape(native.shape)
    return scaled.astype(np.uint8, copy=False)


def _converted(pixels: npt.NDArray[Any], code: int) -> Uint8Array:
    return cv2.cvtColor(pixels, code).astype(np.uint8, copy=False)


COLOR_ENCODINGS: Mapping[str, ToRgb] = {
    'rgb8': _packed('u1', 3, None),
    'bgr8': _packed('u1', 3, cv2.COLOR_BGR2RGB),
    'rgba8': _packed('u1', 4, cv2.COLOR_RGBA2RGB),
    'bgra8': _packed('u1', 4, cv2.COLOR_BGRA2RGB),
    'mono8': _packed('u1', 1, cv2.COLOR_GRAY2RGB),
    '8UC1': _packed('u1', 1, cv2.COLOR_GRAY2RGB),
    '8UC3': _packed('u1', 3, cv2.COLOR_BGR2RGB),
    '8UC4': _packed('u1', 4, cv2.COLOR_BGRA2RGB),
    'mono16': _packed('u2', 1, cv2.COLOR_GRAY2RGB),
    'rgb16': _packed('u2', 3, None),
    'bgr16': _packed('u2', 3, cv2.COLOR_BGR2RGB),
    'rgba16': _packed('u2', 4, cv2.COLOR_RGBA2RGB),
    'bgra16': _packed('u2', 4, cv2.COLOR_BGRA2RGB),
    'bayer_rggb8': _bayer('u1', cv2.COLOR_BayerRGGB2RGB),
    'bayer_bggr8': _bayer('u1', cv2.COLOR_BayerBGGR2RGB),
    'bayer_gbrg8': _bayer('u1', cv2.COLOR_BayerGBRG2RGB),
    'bayer_grbg8': _bayer('u1', cv2.COLOR_BayerGRBG2RGB),
    'bayer_rggb16': _bayer('u2', cv2.COLOR_BayerRGGB2RGB),
    'bayer_bggr16': _bayer('u2', cv2.COLOR_BayerBGGR2RGB),
    'bayer_gbrg16': _bayer('u2', cv2.COLOR_BayerGBRG2RGB),
    'bayer_grbg16': _bayer('u2', cv2.COLOR_BayerGRBG2RGB),
    **YUV_ENCODINGS,
}
"""Encoding to its conversion to RGB; 8UC3 and 8UC4 are in OpenCV's order."""

_BY_LOWER_NAME = {name.lower(): convert for name, convert in COLOR_ENCODINGS.items()}


def decode_color(msg: Any,  # noqa: ANN401 - Image or CompressedImage
                 sizes: SizeMemory | None = None) -> Uint8Array:
    """uint8 [H, W, 3], red first, of an Image or CompressedImage (jpeg or png).

    A tightly packed rgb8 image is a view of the message's memory. ``sizes`` is what is known of
    the sensor's compressed images.

    Raises:
        BadMessageError: the message contradicts itself or has an unknown encoding.
    """
    if hasattr(msg, 'format'):
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
        pixels = decode_compressed(message_bytes(msg.data), flags, sizes)
        return _converted(_eight_bits(pixels), cv2.COLOR_BGR2RGB)
    convert = _BY_LOWER_NAME.get(msg.encoding.lower())
    if convert is None:
        raise BadMessageError('encoding', f'{msg.encoding!r}; allowed: '
                                          f'{", ".join(COLOR_ENCODINGS)}')
    return convert(msg)


class ColorDecoder(Decoder):
    """The images of one camera."""

    def __init__(self) -> None:
        self._sizes = SizeMemory()

    def decode(self, msg: Any) -> Uint8Array:  # noqa: ANN401 - Image or CompressedImage
        """As :func:`decode_color`; a compressed image of an unlikely size costs nothing."""
        return decode_color(msg, self._sizes)
