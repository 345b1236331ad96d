# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Transforms from tf2, where it is installed. Layer: ros."""

from __future__ import annotations

from rclpy.clock import JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.extrinsics import Lookup, Transform
from anymodal_seg_ros.geometry import transform_from_quaternion

try:
    import tf2_ros
except ImportError:
    tf2_ros = None


def tf_lookup(node: Node) -> Lookup | None:
    """Latest transforms of ``/tf`` and ``/tf_static``, or None where tf2_ros is not installed."""
    return None if tf2_ros is None else TfLookup(node)


class TfLookup:
    """A ``Lookup`` over a tf2 buffer that is emptied when the node's clock is set back."""

    def __init__(self, node: Node) -> None:
        # A buffer that is given a node opens the service tf2_frames, under the same name for
        # every node of a namespace; all else that it does with the node is to watch its clock.
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node)
        self._jump_handle = node.get_clock().create_jump_callback(
            JumpThreshold(min_forward=None, min_backward=Duration(seconds=-1),
                          on_clock_change=True),
            post_callback=self._on_clock_jump)

    def __call__(self, target: str, source: str) -> Transform | None:
        try:
            found = self._buffer.lookup_transform(target, source, Time()).transform
        except tf2_ros.TransformException:
            return None
        t, q = found.translation, found.rotation
        try:
            return transform_from_quaternion((t.x, t.y, t.z), (q.x, q.y, q.z, q.w))
        except ConfigError:
            return None

    def _on_clock_jump(self, jump: TimeJump) -> None:
        """Transforms of the run before would stay the latest; static ones outlive this."""
        self._buffer.clear()
