# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node says of topics on which nothing comes: once, with the reason the graph gives."""

import time

import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import qos_profile_sensor_data
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from anymodal_seg_ros.ros import advice
from anymodal_seg_ros.ros.inputs import AdaptiveSubscription, NamedQos
from anymodal_seg_ros.samples import HealthReport, HealthState

pytestmark = [pytest.mark.slow, pytest.mark.alone]

WHY = {
    'rgb': '/camera/image: /{me} publishes it, but its QoS does not fit: Best effort publisher '
           'and reliable subscription',
    'depth': '/depth/image: nobody publishes it; for /depth/image/compressedDepth set '
             'inputs.depth.form to compressed',
    'lidar': '/lidar/points: nobody publishes it; sensor_msgs/msg/PointCloud2 is published on '
             '/velodyne_points',
    'event': '/events: /{me} publishes sensor_msgs/msg/Image, but sensor_msgs/msg/PointCloud2 is '
             'needed; for /events set inputs.event.form to frame',
}


def warnings(node, text):
    return [line.partition(text)[2] for line in node.output.splitlines()
            if 'WARN' in line and text in line]


def test_the_cause_of_silence_is_said_once(start_node, probe, tiny_bundle):
    messages = probe.subscribe(DiagnosticArray, '/diagnostics')
    node = start_node('segmentation_node', {
        'bundle': str(tiny_bundle), 'model.warm_up': False, 'use_sim_time': True,
        'inputs.rgb.qos': 'RELIABLE', 'diagnostics.rate_hz': 10.0})
    probe.publisher(Image, 'camera/image', qos_profile_sensor_data)
    probe.publisher(CompressedImage, 'depth/image/compressedDepth')
    probe.publisher(PointCloud2, 'velodyne_points')
    probe.publisher(Image, 'events')
    probe.spin_until(lambda: warnings(node, 'no time has come on /clock: nobody publishes it'),
                     60.0, what='the missing clock')
    assert 'never_received' not in node.output

    clock = probe.publisher(Clock, '/clock')
    begun_s = time.monotonic()

    def said(text):
        def look():
            seconds = 1000.0 + time.monotonic() - begun_s
            clock.publish(Clock(clock=Time(
                sec=int(seconds), nanosec=int(seconds % 1 * 1e9))))
            return warnings(node, text)
        return look

    for modality in WHY:
        probe.spin_until(said(f'{modality}: nothing received on '), 20.0)
    me = probe.node.get_name()
    for modality, why in WHY.items():
        assert warnings(node, f'{modality}: nothing received on ') == [why.format(me=me)]
    status = {one.name.partition(': ')[2]: one.message for one in messages[-1].status}
    assert status['rgb'] == f'nothing received on {WHY["rgb"].format(me=me)}'
    # The reasons are the lines above; the beginning of simulated time is none.
    assert 'restart' not in node.output
    assert '->' not in node.output
    assert len(warnings(node, '/clock')) == 1


def test_a_missing_camera_info_is_named_once_until_one_has_come(probe, monkeypatch, capfd):
    monkeypatch.setattr(advice, 'LASTING_NS', 0)
    source = AdaptiveSubscription(
        probe.node, 'rgb', '/front/camera_info', CameraInfo,
        NamedQos(name='BEST_AVAILABLE', depth=2), lambda modality, msg: None)
    source.set_active(True)
    advisor = advice.Advisor(probe.node, {}, {'rgb': source})
    report = HealthReport(
        modality='rgb', state=HealthState.DEGRADED, reason='no_camera_info', trusted=False,
        since_ns=0, rate_hz=10.0, expected_rate_hz=10.0, age_ms=1.0, latency_ms=1.0,
        num_received=9, num_rejected=9)

    def look():
        assert advisor.look({'rgb': report}) == {}
        return [line.partition('rgb: ')[2] for line in capfd.readouterr().err.splitlines()
                if 'rgb: ' in line]

    assert look() == []
    assert look() == ['no CameraInfo on /front/camera_info: nobody publishes it']
    assert look() == []
    publisher = probe.publisher(CameraInfo, '/front/camera_info')
    probe.spin_until(lambda: publisher.get_subscription_count()
                     and probe.node.count_publishers('/front/camera_info'))
    assert look() == []
    assert look() == [f'no CameraInfo on /front/camera_info: /{probe.node.get_name()} publishes '
                      'it, but nothing has arrived']
    publisher.publish(CameraInfo())
    probe.spin_until(lambda: source.num_received)
    assert look() == []
