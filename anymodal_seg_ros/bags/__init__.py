# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""rosbag2 recordings without a ROS installation, over the ``rosbags`` library. Below ros and demo.

``reading`` and ``writing`` open recordings, ``messages`` builds messages in the forms of the
CARLA bridge, ``frames`` gets transforms and the sensor rig out of a recording.
"""

from anymodal_seg_ros.bags.faults import (
    MAX_STAMP_NS,
    WRITABLE,
    FaultRelay,
    FaultTransition,
    Relayed,
)
from anymodal_seg_ros.bags.frames import (
    TOPICS,
    decode_message,
    lookup_transform,
    read_recorded_rig,
    read_rig,
    read_tf_static,
)
from anymodal_seg_ros.bags.messages import (
    camera_info_message,
    cloud_message,
    compressed_image_message,
    diagnostics_message,
    events_message,
    image_message,
    tf_static_message,
)
from anymodal_seg_ros.bags.reading import (
    BagInfo,
    BagMessage,
    BagReader,
    bag_info,
    from_cdr,
    read_bag,
    to_cdr,
)
from anymodal_seg_ros.bags.truth import read_label_images
from anymodal_seg_ros.bags.writing import BagWriter

__all__ = [
    'MAX_STAMP_NS',
    'TOPICS',
    'WRITABLE',
    'BagInfo',
    'BagMessage',
    'BagReader',
    'BagWriter',
    'FaultRelay',
    'FaultTransition',
    'Relayed',
    'bag_info',
    'camera_info_message',
    'cloud_message',
    'compressed_image_message',
    'decode_message',
    'diagnostics_message',
    'events_message',
    'from_cdr',
    'image_message',
    'lookup_transform',
    'read_bag',
    'read_label_images',
    'read_recorded_rig',
    'read_rig',
    'read_tf_static',
    'tf_static_message',
    'to_cdr',
]
