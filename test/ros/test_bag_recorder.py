# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The recorder writes what arrives and completes its file when told to stop."""

import resource

import pytest
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import String

from anymodal_seg_ros.bags import bag_info, read_bag
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.ros.bag_recorder_node import BagRecorder

pytestmark = pytest.mark.slow


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_messages_are_recorded_until_sigint(start_node, probe, tmp_path, storage):
    bag = tmp_path / 'recording'
    recorder = start_node('bag_recorder_node', params={
        'bag': str(bag), 'storage': storage,
        'topics': ['/label sensor_msgs/msg/Image', '/note std_msgs/msg/String']})
    images, notes = probe.publisher(Image, '/label'), probe.publisher(String, '/note')
    probe.spin_until(lambda: images.get_subscription_count() and notes.get_subscription_count())
    for i in range(5):
        image = Image(height=2, width=3, step=3, encoding='mono8', data=bytes(range(i, i + 6)))
        image.header.stamp.sec = i
        images.publish(image)
    assert images.wait_for_all_acked()
    for _ in range(20):
        notes.publish(String(data='still here'))
        probe.spin_for(0.02)
    recorder.stop()
    counts = bag_info(bag).counts
    assert counts['/label'] == 5
    assert counts['/note'] > 0
    recorded = [item.message() for item in read_bag(bag, ['/label'])]
    assert [image.header.stamp.sec for image in recorded] == list(range(5))
    assert [bytes(image.data) for image in recorded] == [bytes(range(i, i + 6)) for i in range(5)]
    assert {item.message().data for item in read_bag(bag, ['/note'])} == {'still here'}


@pytest.fixture()
def recorder(probe, tmp_path):
    """A recorder in the test's process, with simulated time."""
    params = {'bag': str(tmp_path / 'bag'), 'topics': ['/note std_msgs/msg/String'],
              'use_sim_time': True}
    node = BagRecorder(
        context=probe.context,
        parameter_overrides=[Parameter(name, value=value) for name, value in params.items()])
    probe.executor.add_node(node)
    yield node
    node.destroy_node()


def recorded_notes(path):
    return [(item.recorded_ns, item.message().data) for item in read_bag(path, ['/note'])]


@pytest.mark.parametrize('num_early', [3, 103])
def test_what_comes_before_the_clock_has_its_first_time(recorder, probe, tmp_path, num_early):
    notes, clock = probe.publisher(String, '/note', 200), probe.publisher(Clock, '/clock')
    probe.spin_until(lambda: notes.get_subscription_count() and clock.get_subscription_count())
    for i in range(num_early):
        notes.publish(String(data=str(i)))
        probe.spin_for(0.002)
    probe.spin_until(
        lambda: len(recorder._held) + recorder._num_overflowed == num_early)
    tick = Clock()
    tick.clock.sec = 50

    def has_begun():
        # The clock is subscribed to without guarantee of delivery.
        clock.publish(tick)
        return not recorder._held

    probe.spin_until(has_begun)
    notes.publish(String(data='late'))
    probe.spin_until(lambda: recorder._counts['/note'] == min(num_early, 100) + 1)
    recorder.destroy_node()
    expected = [*(str(i) for i in range(min(num_early, 100))), 'late']
    assert recorded_notes(tmp_path / 'bag') == [(50 * 10**9, text) for text in expected]
    assert recorder._num_overflowed == max(num_early - 100, 0)


def test_without_a_clock_nothing_is_lost(recorder, probe, tmp_path):
    notes = probe.publisher(String, '/note')
    probe.spin_until(notes.get_subscription_count)
    notes.publish(String(data='lonely'))
    probe.spin_until(lambda: recorder._held)
    recorder.destroy_node()
    assert recorded_notes(tmp_path / 'bag') == [(0, 'lonely')]


def test_a_kill_takes_no_message_that_another_was_to_save(recorder, probe, tmp_path):
    """The clock stands at 0: what a kill at any moment leaves is what is in the file then."""
    notes = probe.publisher(String, '/note')
    probe.spin_until(notes.get_subscription_count)
    for i in range(3):
        notes.publish(String(data=str(i)))
    probe.spin_until(lambda: len(recorder._held) == 3)
    recorder._write_held(0)

    def left():
        return bag_info(tmp_path / 'bag.unfinished' / 'bag').counts

    assert left() == {'/note': 1}
    probe.spin_until(lambda: left() == {'/note': 3})


def test_a_full_disk_ends_the_recorder_with_one_line(start_node, probe, tmp_path):
    """No file of the process may grow beyond 2 MB: EFBIG stands for ENOSPC."""
    bag = tmp_path / 'recordings' / 'bag'
    recorder = start_node('bag_recorder_node', params={
        'bag': str(bag), 'topics': ['/label sensor_msgs/msg/Image']})
    images = probe.publisher(Image, '/label')
    probe.spin_until(images.get_subscription_count)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.prlimit(recorder.process.pid, resource.RLIMIT_FSIZE, (2_000_000, hard))
    image = Image(height=1000, width=1000, step=1000, encoding='mono8', data=bytes(10**6))

    def has_ended():
        images.publish(image)
        return not recorder.is_running

    probe.spin_until(has_ended)
    assert recorder.wait() == 1
    assert 'Traceback' not in recorder.output, recorder.output
    [line] = [text for text in recorder.output.splitlines()
              if text.startswith('bag_recorder_node: ')]
    assert line == (f'bag_recorder_node: {bag}: cannot be written: File too large; what was '
                    f'written is in {bag}.unfinished')
    assert [path.name for path in bag.parent.iterdir()] == ['bag.unfinished']


def test_a_killed_recorder_s_messages_outlive_the_next_one(start_node, probe, tmp_path):
    folder = tmp_path / 'recordings'
    bag = folder / 'bag'
    params = {'bag': str(bag), 'topics': ['/note std_msgs/msg/String']}
    notes = probe.publisher(String, '/note')
    recorder = start_node('bag_recorder_node', params=params)
    probe.spin_until(notes.get_subscription_count)
    recorder.kill()
    assert [path.name for path in folder.iterdir()] == ['bag.unfinished']
    recorder = start_node('bag_recorder_node', params=params)
    probe.spin_until(lambda: 'is now' in recorder.output)
    recorder.stop()
    assert f'an earlier recorder was killed; what it recorded is now {bag}.cut-1' in (
        recorder.output)
    assert sorted(path.name for path in folder.iterdir()) == ['bag', 'bag.cut-1']
    assert (folder / 'bag.cut-1' / 'bag.mcap').is_file()


@pytest.mark.parametrize(('params', 'message'), [
    ({}, 'bag is'),
    ({'bag': 'x'}, 'topics is empty'),
    ({'bag': 'x', 'topics': ['/label']}, "'topic type' is needed"),
    ({'bag': 'x', 'topics': ['/label nonsense/msg/No']}, 'not installed'),
    ({'bag': 'x', 'topics': ['/a std_msgs/msg/String'], 'storage': 'tape'}, 'storage'),
])
def test_bad_parameters_end_it_with_one_line(start_node, params, message):
    recorder = start_node('bag_recorder_node', params=params)
    assert recorder.wait() == 2
    lines = [line for line in recorder.output.splitlines() if line.startswith('bag_recorder_node')]
    assert len(lines) == 1
    assert message in lines[0]


@pytest.mark.parametrize(('params', 'message'), [
    ({'latched_topics': ['/other']}, 'latched_topics has /other; topics has /note'),
    ({'topics': ['/note std_msgs/msg/String', 'note std_msgs/msg/String']}, 'has /note twice')])
def test_a_topic_that_cannot_be_recorded_so_is_named(probe, tmp_path, params, message):
    params = {'bag': str(tmp_path / 'bag'), 'topics': ['/note std_msgs/msg/String'], **params}
    with pytest.raises(ConfigError, match=message):
        BagRecorder(
            context=probe.context,
            parameter_overrides=[Parameter(name, value=value) for name, value in params.items()])
    assert not (tmp_path / 'bag').exists()
