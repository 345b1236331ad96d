# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Between numpy arrays and ROS messages. Sensor messages are read by ``modalities``, not here.

An ``array.array`` filled with ``frombytes`` is the one form of ``data`` that is fast with and
without field checks; assigning an ndarray costs hundreds of milliseconds for one image.
"""

from __future__ import annotations

import array
import json
import sys
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image, PointCloud2, PointField
from std_msgs.msg import Header, String

from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.intrinsics import image_size
from anymodal_seg_ros.labels import UNLABELLED, LabelSpace
from anymodal_seg_ros.modalities import Decoder
from anymodal_seg_ros.samples import Sample

try:
    from vision_msgs.msg import LabelInfo, VisionClass
except ImportError:
    LabelInfo = VisionClass = None

RosMessage: TypeAlias = Any
"""A message of one of several types; message classes carry no type annotations."""
LABEL_INFO_TYPE: type[Any] = String if LabelInfo is None else LabelInfo
"""``vision_msgs/LabelInfo`` where it is installed, else ``std_msgs/String`` holding JSON."""

NS_PER_S = 1_000_000_000
IMAGE_LAYOUT = {'mono8': (np.uint8, 1), 'rgb8': (np.uint8, 3)}
SEMANTIC_POINT = np.dtype(
    {
        'names': ['x', 'y', 'z', 'rgb', 'label'],
        'formats': ['<f4', '<f4', '<f4', '<u4', 'u1'],
        'offsets': [0, 4, 8, 12, 16],
        'itemsize': 20,
    }
)
"""One labelled point: metres in the camera's optical frame, 0x00RRGGBB, class id or 255."""

_POINT_FIELDS = (
    ('x', 0, PointField.FLOAT32),
    ('y', 4, PointField.FLOAT32),
    ('z', 8, PointField.FLOAT32),
    ('rgb', 12, PointField.FLOAT32),
    ('label', 16, PointField.UINT8),
)


def stamp_to_ns(stamp: Time) -> int:
    """A header's time in ns.

    Raises:
        BadMessageError: nanoseconds outside 0..999999999.
    """
    if not 0 <= stamp.nanosec < NS_PER_S:
        raise BadMessageError('header.stamp', f'nanosec is {stamp.nanosec}; below 1e9 allowed')
    return int(stamp.sec) * NS_PER_S + int(stamp.nanosec)


def ns_to_stamp(stamp_ns: int) -> Time:
    """Inverse of ``stamp_to_ns``."""
    sec, nanosec = divmod(stamp_ns, NS_PER_S)
    return Time(sec=sec, nanosec=nanosec)


def header(stamp_ns: int, frame_id: str) -> Header:
    return Header(stamp=ns_to_stamp(stamp_ns), frame_id=frame_id)


def to_byte_array(values: npt.NDArray[Any]) -> array.array[int]:
    """The bytes of ``values`` in C order as ``array.array('B')``; one copy."""
    data = array.array('B')
    data.frombytes(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
    return data


def image_to_message(
    image: npt.NDArray[np.uint8], encoding: str, stamp_ns: int, frame_id: str
) -> Image:
    """A ``sensor_msgs/Image`` of ``mono8`` [H, W] or ``rgb8`` [H, W, 3].

    Raises:
        ValueError: the array does not have the encoding's shape or dtype.
    """
    dtype, channels = IMAGE_LAYOUT[encoding]
    if image.dtype != dtype or image.shape[2:] != ((channels,) if channels > 1 else ()):
        raise ValueError(f'{encoding} cannot hold {image.dtype} {image.shape}')
    height, width = image.shape[:2]
    return Image(
        header=header(stamp_ns, frame_id),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=width * channels,
        data=to_byte_array(image),
    )


def semantic_cloud_to_message(
    points: npt.NDArray[np.void], stamp_ns: int, frame_id: str
) -> PointCloud2:
    """A ``sensor_msgs/PointCloud2`` of ``SEMANTIC_POINT``; [H, W] gives an organised cloud."""
    height, width = points.shape if points.ndim == 2 else (1, points.shape[0])
    fields = [
        PointField(name=name, offset=offset, datatype=datatype, count=1)
        for name, offset, datatype in _POINT_FIELDS
    ]
    return PointCloud2(
        header=header(stamp_ns, frame_id),
        height=height,
        width=width,
        fields=fields,
        is_bigendian=sys.byteorder == 'big',
        point_step=points.dtype.itemsize,
        row_step=points.dtype.itemsize * width,
        data=to_byte_array(points),
        is_dense=bool(points.size == 0 or np.isfinite(points['x']).all()),
    )


def semantic_points(
    xyz: npt.NDArray[np.floating[Any]], labels: npt.NDArray[np.uint8], palette: npt.NDArray[Any]
) -> npt.NDArray[np.void]:
    """``SEMANTIC_POINT`` [...] from coordinates [..., 3] and class ids [...]."""
    points = np.zeros(labels.shape, SEMANTIC_POINT)
    for axis, name in enumerate('xyz'):
        points[name] = xyz[..., axis]
    red, green, blue = palette.astype(np.uint32).T
    points['rgb'] = ((red << 16) | (green << 8) | blue)[labels]
    points['label'] = labels
    return points


def label_info_message(space: LabelSpace, stamp_ns: int, frame_id: str) -> RosMessage:
    """Class ids, names and (in JSON) colours, as ``LABEL_INFO_TYPE``."""
    if LabelInfo is None:
        return String(data=json.dumps({**space.to_dict(), 'unlabelled': UNLABELLED}))
    return LabelInfo(
        header=header(stamp_ns, frame_id),
        class_map=[
            VisionClass(class_id=i, class_name=name) for i, name in enumerate(space.class_names)
        ],
    )


def decode_sample(modality: str, msg: RosMessage, received_ns: int, decoder: Decoder,
                  received_steady_ns: int = 0) -> Sample:
    """A sensor message (or camera-plane frame of one) as a ``Sample``.

    Raises:
        BadMessageError: a field of the message is malformed, or no camera has such an image.
    """
    data = decoder.decode(msg)
    image_size(modality, data)
    return Sample(
        modality=modality,
        stamp_ns=stamp_to_ns(msg.header.stamp),
        received_ns=received_ns,
        frame_id=msg.header.frame_id.lstrip('/'),
        data=data,
        received_steady_ns=received_steady_ns,
    )
