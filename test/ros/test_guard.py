# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a callback raises by accident is counted and shown, and the node goes on."""

import pytest
from rcl_interfaces.msg import Log
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.executors import ExternalShutdownException
from rclpy.parameter import Parameter
from rclpy.qos import (
    DurabilityPolicy,
    QoSProfile,
    ReliabilityPolicy,
    qos_profile_sensor_data,
)
from std_msgs.msg import Empty

from anymodal_seg_ros.errors import BagError
from anymodal_seg_ros.ros.lifetime import Finished, OwningNode


def fail(*args):
    raise IndexError('list index out of range')


class Node(OwningNode):
    ends_by = (BagError,)


@pytest.fixture()
def node(probe):
    node = Node('careless', context=probe.context)
    probe.executor.add_node(node)
    yield node
    node.destroy_node()


def test_whatever_the_executor_runs_is_guarded(node, probe):
    logged = probe.subscribe(Log, '/rosout', QoSProfile(
        depth=1000, reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL))
    node.create_subscription(Empty, 'words', fail, 10)
    node.create_timer(0.01, fail)
    node.create_subscription(Empty, 'offers', fail, 10, event_callbacks=SubscriptionEventCallbacks(
        incompatible_qos=fail))
    probe.publisher(Empty, 'offers', qos_profile_sensor_data)
    node.declare_parameter('speed', 1.0)
    node.add_on_set_parameters_callback(fail)
    words = probe.publisher(Empty, 'words')
    probe.spin_until(words.get_subscription_count)

    def is_counted():
        words.publish(Empty())
        return node.guard.counts['words'] >= 3 and node.guard.counts['fail'] >= 3

    probe.spin_until(is_counted)
    probe.spin_until(lambda: node.guard.counts['offers incompatible_qos'] == 1)
    [result] = node.set_parameters([Parameter('speed', value=2.0)])
    assert not result.successful
    assert result.reason == 'parameters: IndexError: list index out of range'
    assert node.get_parameter('speed').value == 1.0
    assert node.guard.counts['parameters'] == 1
    assert node.guard.is_happening()

    def told():
        return [entry.msg for entry in logged if 'a defect' in entry.msg]

    probe.spin_until(lambda: len(told()) >= 4)
    assert len(told()) == 4, 'each kind once'
    assert all('Traceback' in text and 'raise IndexError' in text for text in told())


@pytest.mark.parametrize('error', [
    Finished(7), ExternalShutdownException(), BagError('disk full'), KeyboardInterrupt(),
    SystemExit(3)])
def test_what_is_meant_to_end_the_node_passes(node, error):
    def end():
        raise error

    with pytest.raises(type(error)):
        node.guard.wrap('timer', end)()
    assert not node.guard.counts


@pytest.mark.parametrize('error', [
    RuntimeError('x'), ValueError('x'), MemoryError(), RecursionError(), StopIteration(),
    AssertionError('x')])
def test_every_accident_is_caught_and_what_follows_is_done(node, error):
    with node.guard.watch('block'):
        raise error
    assert node.guard.counts == {'block': 1}
    assert node.guard.last.startswith(f'block: {type(error).__name__}: ')


def test_what_fails_since_ros_was_shut_down_is_the_shutdown(node, probe):
    probe.context.try_shutdown()
    with pytest.raises(ExternalShutdownException), node.guard.watch('timer'):
        raise RuntimeError('the publisher is invalid')
    with node.guard.watch('timer'):
        raise IndexError('a defect all the same')
    assert node.guard.counts == {'timer': 1}
