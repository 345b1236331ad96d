# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Quality of service of the inputs, chosen by name, and what to do when a publisher differs."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSProfile,
    ReliabilityPolicy,
    qos_profile_default,
    qos_profile_sensor_data,
    qos_profile_system_default,
)

from anymodal_seg_ros import limits
from anymodal_seg_ros.errors import ConfigError

QOS_NAMES = ('BEST_AVAILABLE', 'RELIABLE', 'SENSOR_DATA', 'SYSTEM_DEFAULT', 'DEFAULT')


def input_qos(name: str, depth: int) -> QoSProfile:
    """The profile for ``name``, keeping the last ``depth`` messages.

    ``BEST_AVAILABLE`` is here the same as ``RELIABLE``: the subscriber asks for every message
    and falls back, by ``fallback_qos``, when a publisher cannot give that. The profile of that
    name in rclpy asks for reliable *and transient local* as long as no publisher is known, which
    matches hardly any sensor driver that starts later.

    Raises:
        ConfigError: unknown name or a depth below 1.
    """
    limits.one_of('QoS', name, QOS_NAMES)
    if depth < 1:
        raise ConfigError.of('QoS depth', depth, '1 and more')
    presets = {
        'SENSOR_DATA': qos_profile_sensor_data,
        'SYSTEM_DEFAULT': qos_profile_system_default,
        'DEFAULT': qos_profile_default,
    }
    reliability = presets[name].reliability if name in presets else ReliabilityPolicy.RELIABLE
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=reliability,
        durability=DurabilityPolicy.VOLATILE,
    )


def fallback_qos(depth: int) -> QoSProfile:
    """Matches every publisher; takes what arrives."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.VOLATILE,
    )


def has_best_effort_publisher(node: Node, topic: str) -> bool:
    """Whether a publisher known now on the resolved ``topic`` does not offer reliability."""
    return any(
        info.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
        for info in node.get_publishers_info_by_topic(topic)
    )


LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
OUTPUT = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=2,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)
