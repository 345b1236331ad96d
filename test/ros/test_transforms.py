# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How tf2 is used, shown with a stand-in that does to a node what ``tf2_ros.Buffer`` does."""

from types import SimpleNamespace

import numpy as np
import pytest
from rcl_interfaces.srv import ListParameters
from rclpy.time import Time

from anymodal_seg_ros.ros import transforms

S = 10**9


class NoTransformError(Exception):
    pass


class Buffer:
    """As in geometry2: a service of the node, if one is given, and transforms until ``clear``."""

    def __init__(self, cache_time=None, node=None):
        self.transforms = {}
        if node is not None:
            node.create_service(ListParameters, 'tf2_frames', lambda request, answer: answer)

    def lookup_transform(self, target_frame, source_frame, time, timeout=None):
        try:
            return SimpleNamespace(transform=self.transforms[target_frame, source_frame])
        except KeyError:
            raise NoTransformError from None

    def clear(self):
        self.transforms.clear()


class TransformListener:
    def __init__(self, buffer, node, *, spin_thread=False, qos=None, static_qos=None):
        assert not spin_thread
        self.node = node
        # What would arrive on /tf.
        node.send_transform = buffer.transforms.__setitem__


@pytest.fixture()
def lookup(probe, monkeypatch):
    monkeypatch.setattr(transforms, 'tf2_ros', SimpleNamespace(
        Buffer=Buffer, TransformListener=TransformListener,
        TransformException=NoTransformError))
    return transforms.tf_lookup(probe.node)


def pose(x_m, norm=1.0):
    return SimpleNamespace(translation=SimpleNamespace(x=x_m, y=0.0, z=0.0),
                           rotation=SimpleNamespace(x=0.0, y=0.0, z=0.0, w=norm))


def test_no_service_is_opened_that_other_nodes_open_too(probe, lookup):
    services = [name for name, _ in probe.node.get_service_names_and_types_by_node(
        probe.node.get_name(), probe.node.get_namespace())]
    assert services
    assert not [name for name in services if 'tf2_frames' in name]


def test_a_transform_is_found_or_unknown(probe, lookup):
    assert lookup('camera', 'lidar') is None
    probe.node.send_transform(('camera', 'lidar'), pose(2.0))
    expected = np.eye(4)
    expected[0, 3] = 2.0
    np.testing.assert_array_equal(lookup('camera', 'lidar'), expected)
    probe.node.send_transform(('camera', 'lidar'), pose(2.0, norm=0.0))
    assert lookup('camera', 'lidar') is None


def test_a_clock_set_back_forgets_what_was_sent_before(probe, lookup):
    clock = probe.node.get_clock()
    clock._set_ros_time_is_active(True)
    clock.set_ros_time_override(Time(nanoseconds=100 * S))
    probe.node.send_transform(('camera', 'lidar'), pose(2.0))
    clock.set_ros_time_override(Time(nanoseconds=200 * S))
    assert lookup('camera', 'lidar') is not None
    clock.set_ros_time_override(Time(nanoseconds=50 * S))
    assert lookup('camera', 'lidar') is None


def test_without_tf2_there_is_no_lookup(probe, monkeypatch):
    monkeypatch.setattr(transforms, 'tf2_ros', None)
    assert transforms.tf_lookup(probe.node) is None
