# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
# Written by scripts/message_stubs.py.

import array
from typing import ClassVar

import numpy
import numpy.typing
import std_msgs.msg

class CameraInfo:
    header: std_msgs.msg.Header
    height: int
    width: int
    distortion_model: str
    d: array.array[float]
    k: numpy.typing.NDArray[numpy.float64]
    r: numpy.typing.NDArray[numpy.float64]
    p: numpy.typing.NDArray[numpy.float64]
    binning_x: int
    binning_y: int
    roi: RegionOfInterest
    def __init__(
        self,
        *,
        header: std_msgs.msg.Header = ...,
        height: int = ...,
        width: int = ...,
        distortion_model: str = ...,
        d: array.array[float] = ...,
        k: numpy.typing.NDArray[numpy.float64] = ...,
        r: numpy.typing.NDArray[numpy.float64] = ...,
        p: numpy.typing.NDArray[numpy.float64] = ...,
        binning_x: int = ...,
        binning_y: int = ...,
        roi: RegionOfInterest = ...,
    ) -> None: ...


class CompressedImage:
    header: std_msgs.msg.Header
    format: str
    data: array.array[int]
    def __init__(
        self,
        *,
        header: std_msgs.msg.Header = ...,
        format: str = ...,
        data: array.array[int] = ...,
    ) -> None: ...


class Image:
    header: std_msgs.msg.Header
    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: array.array[int]
    def __init__(
        self,
        *,
        header: std_msgs.msg.Header = ...,
        height: int = ...,
        width: int = ...,
        encoding: str = ...,
        is_bigendian: int = ...,
        step: int = ...,
        data: array.array[int] = ...,
    ) -> None: ...


class PointCloud2:
    header: std_msgs.msg.Header
    height: int
    width: int
    fields: list[PointField]
    is_bigendian: bool
    point_step: int
    row_step: int
    data: array.array[int]
    is_dense: bool
    def __init__(
        self,
        *,
        header: std_msgs.msg.Header = ...,
        height: int = ...,
        width: int = ...,
        fields: list[PointField] = ...,
        is_bigendian: bool = ...,
        point_step: int = ...,
        row_step: int = ...,
        data: array.array[int] = ...,
        is_dense: bool = ...,
    ) -> None: ...


class PointField:
    INT8: ClassVar[int]
    UINT8: ClassVar[int]
    INT16: ClassVar[int]
    UINT16: ClassVar[int]
    INT32: ClassVar[int]
    UINT32: ClassVar[int]
    FLOAT32: ClassVar[int]
    FLOAT64: ClassVar[int]
    name: str
    offset: int
    datatype: int
    count: int
    def __init__(
        self,
        *,
        name: str = ...,
        offset: int = ...,
        datatype: int = ...,
        count: int = ...,
    ) -> None: ...


class RegionOfInterest:
    x_offset: int
    y_offset: int
    height: int
    width: int
    do_rectify: bool
    def __init__(
        self,
        *,
        x_offset: int = ...,
        y_offset: int = ...,
        height: int = ...,
        width: int = ...,
        do_rectify: bool = ...,
    ) -> None: ...
