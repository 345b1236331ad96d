# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Builders of standard messages in the forms of the CARLA ROS bridge. Layer: bags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.bags.reading import NS_PER_S, default_typestore
from anymodal_seg_ros.errors import BagError
from anymodal_seg_ros.geometry import CameraModel
from anymodal_seg_ros.samples import EVENT_DTYPE

ENCODINGS: Mapping[str, tuple[type[np.generic], int]] = {
    'rgb8': (np.uint8, 3),
    'bgr8': (np.uint8, 3),
    'rgba8': (np.uint8, 4),
    'bgra8': (np.uint8, 4),
    'mono8': (np.uint8, 1),
    'mono16': (np.uint16, 1),
    '16UC1': (np.uint16, 1),
    '32FC1': (np.float32, 1),
}
"""Encodings that can be written: element type and number of channels."""

CARLA_EVENT_DTYPE = np.dtype({
    'names': ['x', 'y', 't', 'pol'],
    'formats': ['<u2', '<u2', '<f8', 'i1'],
    'offsets': [0, 2, 4, 12],
    'itemsize': 13,
})
"""One event of a CARLA event cloud; ``t`` in ns, ``pol`` 1 or 0."""

_INT8, _UINT16, _FLOAT32, _FLOAT64 = 1, 4, 7, 8


def _make(msgtype: str, **fields: Any) -> Any:  # noqa: ANN401 - one of many message classes
    return default_typestore().types[msgtype](**fields)


def _header(stamp_ns: int, frame_id: str) -> Any:  # noqa: ANN401
    sec, nanosec = divmod(stamp_ns, NS_PER_S)
    stamp = _make('builtin_interfaces/msg/Time', sec=sec, nanosec=nanosec)
    return _make('std_msgs/msg/Header', stamp=stamp, frame_id=frame_id)


def _bytes_of(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def image_message(stamp_ns: int, frame_id: str, array: npt.NDArray[Any],
                  encoding: str) -> Any:  # noqa: ANN401
    """``sensor_msgs/Image`` of [H, W] or [H, W, C] in one of ``ENCODINGS``, rows unpadded.

    Raises:
        BagError: the encoding is unknown or ``array`` does not have its dtype and channels.
    """
    if encoding not in ENCODINGS:
        raise BagError(f'encoding {encoding!r} cannot be written; allowed: {", ".join(ENCODINGS)}')
    dtype, channels = ENCODINGS[encoding]
    found = 1 if array.ndim == 2 else array.shape[-1]
    if array.ndim not in (2, 3) or found != channels or array.dtype != dtype:
        raise BagError(f'{encoding} wants {np.dtype(dtype).name} with {channels} channels, '
                       f'not {array.dtype} of shape {array.shape}')
    height, width = array.shape[:2]
    step = width * channels * np.dtype(dtype).itemsize
    return _make('sensor_msgs/msg/Image', header=_header(stamp_ns, frame_id), height=height,
                 width=width, encoding=encoding, is_bigendian=0, step=step,
                 data=_bytes_of(array.astype(np.dtype(dtype).newbyteorder('<'), copy=False)))


def compressed_image_message(stamp_ns: int, frame_id: str, data: npt.NDArray[np.uint8],
                             image_format: str) -> Any:  # noqa: ANN401
    """``sensor_msgs/CompressedImage`` of an encoded picture, uint8 [N]."""
    return _make('sensor_msgs/msg/CompressedImage', header=_header(stamp_ns, frame_id),
                 format=image_format, data=np.asarray(data, dtype=np.uint8).reshape(-1))


def camera_info_message(stamp_ns: int, frame_id: str,
                        camera: CameraModel) -> Any:  # noqa: ANN401
    """``sensor_msgs/CameraInfo`` of a single camera whose image is not rectified."""
    projection = np.zeros((3, 4))
    projection[:, :3] = camera.K
    roi = _make('sensor_msgs/msg/RegionOfInterest', x_offset=0, y_offset=0, height=0, width=0,
                do_rectify=False)
    return _make('sensor_msgs/msg/CameraInfo', header=_header(stamp_ns, frame_id),
                 height=camera.height_px, width=camera.width_px,
                 distortion_model=camera.distortion_model,
                 d=np.array(camera.D, dtype=np.float64),
                 k=np.array(camera.K, dtype=np.float64).reshape(-1), r=np.eye(3).reshape(-1),
                 p=projection.reshape(-1), binning_x=0, binning_y=0, roi=roi)


def _cloud(stamp_ns: int, frame_id: str, records: npt.NDArray[Any], point_step: int,
           fields: Sequence[tuple[str, int, int]], is_dense: bool) -> Any:  # noqa: ANN401
    point_fields = [_make('sensor_msgs/msg/PointField', name=name, offset=offset,
                          datatype=datatype, count=1) for name, offset, datatype in fields]
    width = len(records)
    return _make('sensor_msgs/msg/PointCloud2', header=_header(stamp_ns, frame_id), height=1,
                 width=width, fields=point_fields, is_bigendian=False, point_step=point_step,
                 row_step=point_step * width, data=_bytes_of(records), is_dense=is_dense)


def cloud_message(stamp_ns: int, frame_id: str,
                  xyzi: npt.NDArray[np.float32]) -> Any:  # noqa: ANN401
    """``sensor_msgs/PointCloud2`` of float32 [N, 4]: x y z in metres and intensity, step 16."""
    if xyzi.ndim != 2 or xyzi.shape[1] != 4:
        raise BagError(f'a cloud wants shape [N, 4], not {list(xyzi.shape)}')
    points = xyzi.astype('<f4', copy=False)
    fields = [(name, 4 * i, _FLOAT32) for i, name in enumerate(('x', 'y', 'z', 'intensity'))]
    return _cloud(stamp_ns, frame_id, points, 16, fields, bool(np.isfinite(points).all()))


def events_message(stamp_ns: int, frame_id: str,
                   events: npt.NDArray[Any]) -> Any:  # noqa: ANN401
    """Events [N] of ``EVENT_DTYPE`` as the ``PointCloud2`` of the CARLA bridge's DVS camera.

    Time is float64 ns there: exact to 1 ns for 104 days, to 256 ns for stamps of the present.
    """
    if events.dtype != EVENT_DTYPE or events.ndim != 1:
        raise BagError(f'events want dtype {EVENT_DTYPE} and shape [N], '
                       f'not {events.dtype} of shape {list(events.shape)}')
    packed = np.empty(len(events), CARLA_EVENT_DTYPE)
    packed['x'], packed['y'] = events['x'], events['y']
    packed['t'], packed['pol'] = events['t_ns'], events['polarity']
    fields = [('x', 0, _UINT16), ('y', 2, _UINT16), ('t', 4, _FLOAT64), ('pol', 12, _INT8)]
    return _cloud(stamp_ns, frame_id, packed, 13, fields, True)


def tf_static_message(
        transforms: Iterable[tuple[str, str, Sequence[float], Sequence[float]]],
        stamp_ns: int = 0) -> Any:  # noqa: ANN401
    """``tf2_msgs/TFMessage`` of (parent frame, child frame, xyz in metres, quaternion xyzw).

    Each one is parent_T_child: it takes points of the child frame to the parent frame.
    """
    stamped = []
    for parent, child, xyz, xyzw in transforms:
        x, y, z = (float(value) for value in xyz)
        qx, qy, qz, qw = (float(value) for value in xyzw)
        transform = _make('geometry_msgs/msg/Transform',
                          translation=_make('geometry_msgs/msg/Vector3', x=x, y=y, z=z),
                          rotation=_make('geometry_msgs/msg/Quaternion', x=qx, y=qy, z=qz, w=qw))
        stamped.append(_make('geometry_msgs/msg/TransformStamped',
                             header=_header(stamp_ns, parent), child_frame_id=child,
                             transform=transform))
    return _make('tf2_msgs/msg/TFMessage', transforms=stamped)


def diagnostics_message(
        stamp_ns: int, frame_id: str,
        statuses: Iterable[tuple[int, str, str, Mapping[str, str]]]) -> Any:  # noqa: ANN401
    """``diagnostic_msgs/DiagnosticArray`` of (level 0..3, name, message, key values)."""
    status = []
    for level, name, text, values in statuses:
        pairs = [_make('diagnostic_msgs/msg/KeyValue', key=key, value=value)
                 for key, value in values.items()]
        status.append(_make('diagnostic_msgs/msg/DiagnosticStatus', level=level, name=name,
                            message=text, hardware_id='', values=pairs))
    return _make('diagnostic_msgs/msg/DiagnosticArray', header=_header(stamp_ns, frame_id),
                 status=status)
