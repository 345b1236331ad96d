# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The recorder writes what arrives and completes its file when told to stop."""

import pytest
from sensor_msgs.msg import Image
from std_msgs.msg import String

from anymodal_seg_ros.bags import bag_info, read_bag


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
