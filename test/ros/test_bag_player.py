# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Replay over a real ROS graph: every message unchanged, in order, with a clock that runs."""

import itertools
import re

import numpy as np
import pytest
import rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from anymodal_seg_ros import bags
from anymodal_seg_ros.geometry import CameraModel

pytestmark = pytest.mark.slow

START_NS = 5_000_000_000
PERIOD_NS = 50_000_000
NUM_FRAMES = 20
CAMERA = CameraModel.from_fov(64, 48, 90.0)


@pytest.fixture()
def bag_path(tmp_path):
    """20 camera frames at 20 Hz with their CameraInfo, 10 scans, one /tf_static."""
    rng = np.random.default_rng(0)
    path = tmp_path / 'bag'
    with bags.BagWriter(path) as writer:
        writer.write('/tf_static', bags.tf_static_message(
            [('base_link', 'lidar', (0, 0, 1), (0, 0, 0, 1))]), START_NS)
        for i in range(NUM_FRAMES):
            stamp_ns = START_NS + i * PERIOD_NS
            image = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
            writer.write('/camera/camera_info',
                         bags.camera_info_message(stamp_ns, 'camera', CAMERA), stamp_ns)
            writer.write('/camera/image',
                         bags.image_message(stamp_ns, 'camera', image, 'rgb8'), stamp_ns)
            if i % 2 == 0:
                points = rng.random((100, 4), dtype=np.float32)
                writer.write('/lidar/points', bags.cloud_message(stamp_ns, 'lidar', points),
                             stamp_ns + 7_000_000)
    return path


def stamp_ns(message):
    stamp = message.clock if isinstance(message, Clock) else message.header.stamp
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def settings(path, **params):
    return {'bag': str(path), 'wait_for_subscribers_s': 20.0, 'rate': 4.0,
            'wait_for_topics': ['/camera/image', '/camera/camera_info', '/lidar/points'], **params}


def subscribe_all(probe):
    return (probe.subscribe(Image, '/camera/image', 50),
            probe.subscribe(CameraInfo, '/camera/camera_info', 50),
            probe.subscribe(PointCloud2, '/lidar/points', 50),
            probe.subscribe(Clock, '/clock', 1000))


@pytest.mark.alone
def test_every_message_arrives_unchanged(start_node, probe, bag_path):
    images, infos, clouds, clock = subscribe_all(probe)
    player = start_node('bag_player_node', settings(bag_path, finish_delay_s=0.4))
    probe.spin_until(lambda: not player.is_running)
    probe.spin_until(lambda: len(images) == len(infos) == NUM_FRAMES and len(clouds) == 10, 5.0)
    assert player.wait() == 0
    recorded = [m.message() for m in bags.read_bag(bag_path, ['/camera/image'])]
    for ours, theirs in zip(recorded, images, strict=True):
        assert stamp_ns(theirs) == stamp_ns(ours)
        assert bytes(theirs.data) == ours.data.tobytes()
    times = [stamp_ns(message) for message in clock]
    assert times == sorted(times)
    assert times[0] >= START_NS
    last_ns = START_NS + (NUM_FRAMES - 1) * PERIOD_NS
    assert {START_NS + i * PERIOD_NS for i in range(NUM_FRAMES)} <= set(times)
    assert last_ns + 350_000_000 <= times[-1] <= last_ns + 400_000_000
    assert re.search(r'played 50 messages of .*, at most \d+\.\d ms late', player.output)
    [warning] = [line for line in player.output.splitlines() if 'WARN' in line]
    assert '/tf_static (tf2_msgs/msg/TFMessage)' in warning


def test_topics_start_and_remapping(start_node, probe, bag_path):
    images = probe.subscribe(Image, '/elsewhere', 50)
    clouds = probe.subscribe(PointCloud2, '/lidar/points', 50)
    player = start_node(
        'bag_player_node',
        settings(bag_path, topics=['/camera/image'], wait_for_topics=['/camera/image'],
                 start_offset_s=0.74),
        remaps={'/camera/image': '/elsewhere'})
    probe.spin_until(lambda: not player.is_running)
    probe.spin_until(lambda: len(images) == 5, 5.0)
    assert player.wait() == 0
    assert stamp_ns(images[0]) == START_NS + 15 * PERIOD_NS
    assert clouds == []


@pytest.mark.alone
def test_loop_restarts_the_clock_until_a_signal(start_node, probe, bag_path):
    images, _, _, clock = subscribe_all(probe)
    player = start_node('bag_player_node', settings(
        bag_path, loop=True, rate=20.0, finish_delay_s=9.0))
    probe.spin_until(lambda: len(images) > 2 * NUM_FRAMES)
    player.stop()
    times = [stamp_ns(message) for message in clock]
    jumps = [b - a for a, b in itertools.pairwise(times) if b < a]
    assert jumps
    assert all(jump == START_NS - (START_NS + 19 * PERIOD_NS) for jump in jumps)


def test_latched_topic_reaches_a_late_subscriber_after_a_skip(start_node, probe, bag_path):
    qos = QoSProfile(depth=50, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    player = start_node('bag_player_node', settings(
        bag_path, latched_topics=['/camera/camera_info'], wait_for_topics=['/camera/image'],
        start_offset_s=0.9, finish_delay_s=3600.0, rate=1.0))
    images = probe.subscribe(Image, '/camera/image', 50)
    probe.spin_until(lambda: images)
    infos = probe.subscribe(CameraInfo, '/camera/camera_info', qos)
    probe.spin_until(lambda: infos and stamp_ns(infos[-1]) == START_NS + 19 * PERIOD_NS)
    # Its last ten include some from before the start offset of 18 periods.
    assert stamp_ns(infos[0]) < START_NS + 18 * PERIOD_NS
    player.stop()


def test_best_effort_and_missing_subscriber(start_node, probe, bag_path):
    player = start_node('bag_player_node', settings(
        bag_path, reliability='best_effort', wait_for_subscribers_s=0.1, rate=1.0,
        topics=['/camera/image'], wait_for_topics=['/camera/image'], finish_delay_s=3600.0))

    def offered():
        return probe.node.get_publishers_info_by_topic('/camera/image')
    probe.spin_until(offered)
    assert offered()[0].qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
    line = 'starting after 0.1 s without a subscriber on /camera/image'
    probe.spin_until(lambda: line in player.output)
    player.stop()


def test_another_node_is_not_the_one_that_is_awaited(start_node, probe, bag_path):
    """Who watches from the start must not start the drive before the node is there."""
    onlooker = probe.subscribe(Image, '/camera/image', 50)
    player = start_node('bag_player_node', settings(
        bag_path, topics=['/camera/image'], wait_for_topics=['/camera/image'],
        wait_for_node='segmenter'))
    line = 'waiting up to 20 s for /segmenter on /camera/image'
    probe.spin_until(lambda: line in player.output)
    probe.spin_until(lambda: probe.node.count_publishers('/camera/image'))
    node = rclpy.create_node('segmenter', context=probe.context)
    images = []
    node.create_subscription(Image, '/camera/image', images.append, 50)
    probe.executor.add_node(node)
    assert onlooker == []
    probe.spin_until(lambda: len(images) == NUM_FRAMES)
    assert player.wait() == 0
    node.destroy_node()


@pytest.mark.alone
def test_topics_that_nobody_wants_do_not_hold_up_the_others(start_node, probe, bag_path):
    """Where no topic is named: who listens to one has soon said what else is wanted."""
    player = start_node('bag_player_node', settings(bag_path, wait_for_topics=['']))
    probe.spin_until(lambda: 'waiting up to 20 s for a subscriber on /camera/camera_info, '
                             '/camera/image, /lidar/points' in player.output)
    images = probe.subscribe(Image, '/camera/image', 50)
    probe.spin_until(lambda: not player.is_running)
    assert ('starting without a subscriber on /camera/camera_info, /lidar/points'
            in player.output)
    assert len(images) == NUM_FRAMES, 'not one is lost'
    assert player.wait() == 0


@pytest.mark.alone
def test_the_injector_listens_once_it_is_heard(start_node, probe, bag_path):
    """So the player waits for the whole chain, and not one message is lost on the way."""
    player = start_node('bag_player_node', settings(
        bag_path, topics=['/camera/image'], wait_for_topics=['/camera/image'],
        wait_for_node='fault_injector'), remaps={'/camera/image': 'raw/camera/image'})
    injector = start_node('fault_injector_node')
    probe.spin_until(lambda: probe.node.count_publishers('/camera/image'))
    probe.spin_until(lambda: 'waiting up to' in player.output)
    assert injector.is_running
    assert probe.node.count_subscribers('/raw/camera/image') == 0
    images = probe.subscribe(Image, '/camera/image', 50)
    probe.spin_until(lambda: not player.is_running)
    probe.spin_until(lambda: len(images) == NUM_FRAMES, 5.0)
    assert stamp_ns(images[0]) == START_NS


@pytest.mark.parametrize(('params', 'words'), [
    ({}, "bag is ''"),
    ({'bag': '/nowhere/bag'}, 'no such recording'),
    ({'bag': 'bag', 'rate': 0.0}, 'rate'),
    ({'bag': 'bag', 'rate': 'fast'}, 'rate'),
    ({'bag': 'bag', 'start_offset_s': 1000.0}, 'start_offset_s'),
    ({'bag': 'bag', 'topics': ['/nose']}, '/nose'),
    ({'bag': 'bag', 'reliability': 'perfect'}, 'allowed: reliable, best_effort'),
    ({'bag': 'bag', 'topics': ['/tf_static']}, 'nothing to play'),
])
def test_bad_parameters(start_node, bag_path, params, words):
    player = start_node('bag_player_node', params)
    assert player.wait() == 2
    [line] = [line for line in player.output.splitlines() if line.startswith('bag_player_node: ')]
    assert words in line
    assert 'Traceback' not in player.output


def test_damage_costs_only_the_messages_that_it_hit(start_node, tmp_path):
    image = bags.image_message(0, 'camera', np.zeros((128, 192, 3), np.uint8), 'rgb8')
    with bags.BagWriter(tmp_path / 'bag') as writer:
        for i in range(40):
            writer.write('/camera/image', image, i * 20_000_000)
    data = next((tmp_path / 'bag').glob('*.mcap'))
    content = bytearray(data.read_bytes())
    # The first image is saved at once. The chunks after it are closed beyond 1 MiB, at 15 each;
    # this is over the heads of the last two in the one, and over the start of the other.
    content[1_000_000:1_300_000] = bytes(300_000)
    data.write_bytes(content)
    player = start_node('bag_player_node', {'bag': str(tmp_path / 'bag'), 'rate': 50.0})
    assert player.wait() == 0
    assert player.output.count('damaged at byte') == 2
    assert 'played 23 messages' in player.output
    assert 'Traceback' not in player.output


def test_a_name_that_no_parameter_has_is_warned_about_once(start_node):
    node = start_node('bag_player_node', {
        'bagg': '/drive', 'wheel_radius_m': 0.3, 'use_sim_time': True,
        'start_type_description_service': False,
        'qos_overrides./camera/image.publisher.reliability': 'best_effort'})
    assert node.wait() == 2
    warnings = [line.partition('ignored: ')[2] for line in node.output.splitlines()
                if 'WARN' in line]
    assert sorted(warnings) == [
        'bagg is not a parameter of bag_player; did you mean bag?',
        'wheel_radius_m is not a parameter of bag_player']
