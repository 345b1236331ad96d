# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Builders of message look-alikes, with every field open to being wrong."""

from types import SimpleNamespace

import numpy as np
import pytest

DATATYPES = {'i1': 1, 'u1': 2, 'i2': 3, 'u2': 4, 'i4': 5, 'u4': 6, 'f4': 7, 'f8': 8}


def build_image(pixels, stored_as, /, *, padding=0, big_endian=False, **wrong):
    """A sensor_msgs/Image of ``pixels`` [H, W] or [H, W, C], ``padding`` bytes after each row."""
    stored = pixels.astype(pixels.dtype.newbyteorder('>' if big_endian else '<'))
    height, width = pixels.shape[:2]
    rows = np.frombuffer(stored.tobytes(), np.uint8).reshape(height, -1)
    padded = np.concatenate([rows, np.full((height, padding), 0xA5, np.uint8)], axis=1)
    fields = {'height': height, 'width': width, 'encoding': stored_as,
              'is_bigendian': int(big_endian), 'step': padded.shape[1], 'data': padded.tobytes()}
    return SimpleNamespace(**{**fields, **wrong})


def build_cloud(points, /, *, rows=1, row_padding=0, big_endian=False, stamp_ns=0, **wrong):
    """A sensor_msgs/PointCloud2 of a structured array [N] in its own (padded) layout."""
    order = '>' if big_endian else '<'
    native = points.dtype
    layout = np.dtype({'names': list(native.names),
                       'formats': [native[name].newbyteorder(order) for name in native.names],
                       'offsets': [native.fields[name][1] for name in native.names],
                       'itemsize': native.itemsize})
    stored = np.zeros(points.shape, layout)
    for name in native.names:
        stored[name] = points[name]
    stored_rows = np.frombuffer(stored.tobytes(), np.uint8).reshape(rows, -1)
    padded = np.concatenate([stored_rows, np.full((rows, row_padding), 0xA5, np.uint8)], axis=1)
    fields = [SimpleNamespace(name=name, offset=native.fields[name][1], count=1,
                              datatype=DATATYPES[native[name].str[1:]]) for name in native.names]
    stamp = SimpleNamespace(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    message = {'header': SimpleNamespace(stamp=stamp, frame_id='lidar'), 'height': rows,
               'width': points.size // rows, 'fields': fields, 'is_bigendian': big_endian,
               'point_step': native.itemsize, 'row_step': padded.shape[1],
               'data': padded.tobytes()}
    return SimpleNamespace(**{**message, **wrong})


@pytest.fixture(scope='session')
def image_message():
    return build_image


@pytest.fixture(scope='session')
def cloud_message():
    return build_cloud
