# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fields out of ``sensor_msgs/PointCloud2``, whatever its layout. numpy only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.modalities.pixels import message_bytes

MAX_POINTS = 32 * 1024 * 1024
MAX_POINT_STEP = 4096

POINT_FIELD_TYPES: Mapping[int, str] = {
    1: 'i1', 2: 'u1', 3: 'i2', 4: 'u2', 5: 'i4', 6: 'u4', 7: 'f4', 8: 'f8',
}
"""``sensor_msgs/PointField`` datatype to numpy type code."""


class PointCloudMessage(Protocol):
    """What is read of a ``sensor_msgs/PointCloud2``."""

    header: Any
    height: int
    width: int
    fields: Any
    is_bigendian: bool
    point_step: int
    row_step: int
    data: Any


def cloud_points(msg: PointCloudMessage) -> npt.NDArray[Any]:
    """A structured view [height, width] of the message's memory with all its named fields.

    Padding within points and after rows is skipped, offsets may be unaligned and the byte order
    is the message's. Of a field with several elements only the first is given.

    Raises:
        BadMessageError: sizes, fields and data contradict each other.
    """
    dtype = _point_dtype(msg)
    height, width = msg.height, msg.width
    for name, value in (('height', height), ('width', width)):
        if not 0 <= value <= MAX_POINTS:
            raise BadMessageError(name, f'{value}; allowed: 0 to {MAX_POINTS}')
    if height * width > MAX_POINTS:
        raise BadMessageError('width', f'{width} x height {height}; allowed: {MAX_POINTS} '
                                       'points')
    if height * width == 0:
        return np.zeros((height, width), dtype)
    row_bytes = width * msg.point_step
    if msg.row_step < row_bytes:
        raise BadMessageError('row_step', f'{msg.row_step}; {width} points of step '
                                          f'{msg.point_step} need {row_bytes} or more')
    buffer = message_bytes(msg.data)
    needed = (height - 1) * msg.row_step + row_bytes
    if buffer.size < needed:
        raise BadMessageError('data', f'{buffer.size} bytes; {height} rows of row_step '
                                      f'{msg.row_step} need {needed}')
    return np.ndarray((height, width), dtype, buffer=buffer.data,
                      strides=(msg.row_step, msg.point_step))


def first_field(points: npt.NDArray[Any], names: tuple[str, ...]) -> str | None:
    """The first of ``names`` that the points have."""
    present = points.dtype.names or ()
    return next((name for name in names if name in present), None)


def required_field(points: npt.NDArray[Any], names: tuple[str, ...], kinds: str) -> str:
    """The first of ``names`` that the points have, of a numpy kind in ``kinds``.

    Raises:
        BadMessageError: there is none, or it is of another kind.
    """
    name = first_field(points, names)
    if name is None:
        raise BadMessageError('fields', f'{", ".join(points.dtype.names or ()) or "none"}; '
                                        f'{" or ".join(names)} is needed')
    if points.dtype[name].kind not in kinds:
        wanted = 'FLOAT32 or FLOAT64' if kinds == 'f' else 'a number'
        raise BadMessageError('fields', f'{name} is {points.dtype[name].name}; {wanted} is needed')
    return name


def _point_dtype(msg: PointCloudMessage) -> np.dtype[Any]:
    if not 1 <= msg.point_step <= MAX_POINT_STEP:
        raise BadMessageError('point_step', f'{msg.point_step}; allowed: 1 to {MAX_POINT_STEP}')
    order = '>' if msg.is_bigendian else '<'
    names: list[str] = []
    formats: list[str] = []
    offsets: list[int] = []
    for item in msg.fields:
        if not item.name or item.name in names:
            continue
        code = POINT_FIELD_TYPES.get(item.datatype)
        if code is None:
            raise BadMessageError('fields', f'{item.name} has datatype {item.datatype}; allowed '
                                            'is 1 to 8')
        size = int(code[1]) * max(int(item.count), 1)
        if item.offset < 0 or item.offset + size > msg.point_step:
            raise BadMessageError('fields', f'{item.name} ends at byte {item.offset + size}; '
                                            f'point_step is {msg.point_step}')
        names.append(item.name)
        formats.append(order + code)
        offsets.append(int(item.offset))
    return np.dtype({'names': names, 'formats': formats, 'offsets': offsets,
                     'itemsize': int(msg.point_step)})
