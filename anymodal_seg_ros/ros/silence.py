# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Why nothing is heard on a topic, from what the graph says. Layer: ros."""

from __future__ import annotations

from collections.abc import Collection

from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible
from rclpy.topic_endpoint_info import TopicEndpointInfo

MOST_NAMES = 5


def why_silent(
    node: Node, topic: str, msgtype: str, qos: QoSProfile | None, taken: Collection[str] = ()
) -> str:
    """One clause: nobody publishes, another type, a QoS that does not fit, or no reason seen.

    Args:
        topic: resolved.
        msgtype: what is expected there, for example ``'sensor_msgs/msg/Image'``.
        qos: what is asked for; None where nothing is subscribed.
        taken: topics not to propose instead, beside those of the node itself.
    """
    publishers = node.get_publishers_info_by_topic(topic)
    if not publishers:
        return f'nobody publishes it{_elsewhere(node, msgtype, {topic, *taken})}'
    fitting = [one for one in publishers if one.topic_type == msgtype]
    if not fitting:
        types = ', '.join(sorted({one.topic_type for one in publishers}))
        return f'{_names(publishers)} publishes {types}, but {msgtype} is needed'
    if qos is not None:
        verdicts = [qos_check_compatible(one.qos_profile, qos) for one in fitting]
        if all(verdict == QoSCompatibility.ERROR for verdict, _ in verdicts):
            reasons = sorted({reason.strip().rstrip(';').removeprefix('ERROR: ')
                              for _, reason in verdicts})
            return (f'{_names(fitting)} publishes it, but its QoS does not fit: '
                    + '; '.join(reasons))
    return f'{_names(fitting)} publishes it, but nothing has arrived'


def publisher_names(node: Node, topic: str) -> str:
    """Who publishes a resolved topic, for a sentence."""
    return _names(node.get_publishers_info_by_topic(topic))


def _names(publishers: list[TopicEndpointInfo]) -> str:
    names = {f'{one.node_namespace.rstrip("/")}/{one.node_name}' for one in publishers}
    # A name may become known later than its publishers.
    return _few(sorted(name for name in names if 'UNKNOWN' not in name)) or 'a node'


def _elsewhere(node: Node, msgtype: str, taken: Collection[str]) -> str:
    own = f'{node.get_fully_qualified_name()}/'
    topics = sorted(
        topic for topic, types in node.get_topic_names_and_types()
        if msgtype in types and topic not in taken and not topic.startswith(own)
        and any(one.topic_type == msgtype for one in node.get_publishers_info_by_topic(topic)))
    return f'; {msgtype} is published on {_few(topics)}' if topics else ''


def _few(names: list[str]) -> str:
    shown = ', '.join(names[:MOST_NAMES])
    return shown if len(names) <= MOST_NAMES else f'{shown} and {len(names) - MOST_NAMES} more'
