# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether what is published will be heard, so that nothing starts before its listener."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher

ANYBODY = ''


def listener_name(node: Node, name: str) -> str:
    """A node's full name; ``name`` is relative to the namespace of ``node``. '' stays ''."""
    if not name or name.startswith('/'):
        return name
    return f'{node.get_namespace().rstrip("/")}/{name}'


def is_heard(node: Node, publisher: Publisher[Any], by: str = ANYBODY) -> bool:
    """Whether a subscriber is connected to ``publisher``, and ``by`` (a full name) is one."""
    if not publisher.get_subscription_count():
        return False
    return not by or any(
        f'{info.node_namespace.rstrip("/")}/{info.node_name}' == by
        for info in node.get_subscriptions_info_by_topic(publisher.topic_name))
