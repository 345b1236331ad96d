# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The memory of ``sensor_msgs`` Image and CompressedImage messages as arrays. numpy only.

Every size is checked before anything is allocated or indexed. ``data`` may be bytes,
``array.array('B')`` (rclpy) or a uint8 ndarray (rosbags).
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.geometry import MAX_IMAGE_PIXELS, MAX_IMAGE_SIDE_PX
from anymodal_seg_ros.modalities.base import Uint8Array


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


def check_image_size(height: int, width: int, field: str = '') -> None:
    """Raise BadMessageError unless the image is neither empty nor absurdly large."""
    for name, side in (('height', height), ('width', width)):
        if not 1 <= side <= MAX_IMAGE_SIDE_PX:
            raise BadMessageError(field or name,
                                  f'{name} {side}; allowed: 1 to {MAX_IMAGE_SIDE_PX}')
    if height * width > MAX_IMAGE_PIXELS:
        raise BadMessageError(field or 'height', f'{width}x{height}; allowed: '
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
