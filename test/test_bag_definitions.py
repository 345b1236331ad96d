# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Definitions that a recording carries, beside the standard ones."""

import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from anymodal_seg_ros.bags.definitions import deviation
from anymodal_seg_ros.bags.reading import default_typestore

HEADER = 'std_msgs/Header header\n'
RULE = '=' * 80 + '\n'
OF_HEADER = (f'{RULE}MSG: std_msgs/Header\nbuiltin_interfaces/Time stamp\nstring frame_id\n'
             f'{RULE}MSG: builtin_interfaces/Time\nint32 sec\nuint32 nanosec\n')


@pytest.mark.parametrize(('fields', 'says'), [
    (f'{HEADER}string format\nuint8[] data\n', ''),
    (f'{HEADER}string format\nuint8[] data\nuint32 more\n', ''),
    (f'{HEADER}string fOrmat\nuint8[] data\n', 'format'),
    (f'{HEADER}string format\nuint8 data\n', 'data'),
    (f'{HEADER}uint8[] format\nuint8[] data\n', 'format'),
    ('uint32 header\nstring format\nuint8[] data\n', 'header'),
])
def test_a_standard_message_is_what_everybody_means_by_it(fields, says):
    msgtype = 'sensor_msgs/msg/CompressedImage'
    found = get_typestore(Stores.EMPTY)
    found.register(get_types_from_msg(fields + (OF_HEADER if HEADER in fields else ''), msgtype))
    assert deviation(found, default_typestore(), msgtype) == says


def test_a_deviation_within_a_part_is_found():
    msgtype = 'sensor_msgs/msg/PointCloud2'
    definition = (f'{HEADER}uint32 height\nuint32 width\nsensor_msgs/PointField[] fields\n'
                  'bool is_bigendian\nuint32 point_step\nuint32 row_step\nuint8[] data\n'
                  f'bool is_dense\n{OF_HEADER}{RULE}MSG: sensor_msgs/PointField\n'
                  'string name\nuint32 offset\nuint8 datatype\nuint32 count\n')
    for text, says in ((definition, ''),
                       (definition.replace('uint32 offset', 'uint32 at'), 'fields.offset')):
        found = get_typestore(Stores.EMPTY)
        found.register(get_types_from_msg(text, msgtype))
        assert deviation(found, default_typestore(), msgtype) == says
    assert deviation(found, default_typestore(), 'my_msgs/msg/Own') == ''
