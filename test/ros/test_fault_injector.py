# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The injector over a real ROS graph: what goes in, what comes out, and what it reports."""

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.serialization import deserialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from anymodal_seg_ros import bags
from anymodal_seg_ros.geometry import CameraModel
from anymodal_seg_ros.samples import EVENT_DTYPE

pytestmark = pytest.mark.slow

S = 1_000_000_000
START_NS = 50 * S
TOPICS = {'rgb': ('camera/image', Image), 'depth': ('depth/image', Image),
          'lidar': ('lidar/points', PointCloud2), 'event': ('events', PointCloud2),
          'rgb_info': ('camera/camera_info', CameraInfo)}
SCHEDULE = '''
seed: 1
faults:
  - {name: camera dark, modality: rgb, fault: black, start_s: 1.0, end_s: 2.0}
  - {name: lidar unplugged, modality: lidar, fault: drop, start_s: 1.5, end_s: 2.5}
  - {name: camera gone, modality: rgb, fault: drop, start_s: 3.0, end_s: 4.0}
  - {name: depth torn, modality: depth, fault: garbage, start_s: 1.0, end_s: 2.0}
'''
LATCHED = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def build(key, stamp_ns):
    if key == 'rgb':
        return bags.image_message(stamp_ns, 'camera', np.full((24, 32, 3), 90, np.uint8), 'rgb8')
    if key == 'depth':
        return bags.image_message(stamp_ns, 'depth', np.full((24, 32), 9, np.float32), '32FC1')
    if key == 'lidar':
        return bags.cloud_message(stamp_ns, 'lidar', np.ones((30, 4), np.float32))
    if key == 'event':
        return bags.events_message(stamp_ns, 'event', np.zeros(5, EVENT_DTYPE))
    return bags.camera_info_message(stamp_ns, 'camera', CameraModel.from_fov(32, 24, 90.0))


class Sensors:
    """Publishes to the injector's inputs and collects its outputs, by stamp."""

    def __init__(self, probe):
        self.probe = probe
        self.publishers = {}
        self.received = {}
        for key, (topic, msg_type) in TOPICS.items():
            self.publishers[key] = probe.publisher(msg_type, f'raw/{topic}')
            self.received[key] = probe.subscribe(msg_type, topic)
        probe.spin_until(lambda: all(
            p.get_subscription_count() for p in self.publishers.values()))
        probe.spin_until(lambda: all(
            probe.node.count_publishers(topic) for topic, _ in TOPICS.values()))

    def send(self, key, t_s):
        cdr = bags.to_cdr(build(key, START_NS + round(t_s * S)))
        self.publishers[key].publish(cdr)
        return deserialize_message(cdr, TOPICS[key][1])

    def round_trip(self, key, t_s):
        """What comes out for one message."""
        before = len(self.received[key])
        self.send(key, t_s)
        self.probe.spin_until(lambda: len(self.received[key]) > before, what=(key, t_s))
        return self.received[key][-1]

    def is_silent(self, key, t_s):
        """Whether nothing comes out although a message of another sensor sent later does."""
        before = len(self.received[key])
        self.send(key, t_s)
        self.round_trip('event', t_s)
        return len(self.received[key]) == before


@pytest.fixture()
def states(probe):
    return probe.subscribe(DiagnosticArray, '/fault_injector/state', LATCHED)


def described(states):
    return [(s.status[0].name, s.status[0].level,
             {v.key: v.value for v in s.status[0].values}['active'],
             s.header.stamp.sec + s.header.stamp.nanosec * 1e-9 - 50) for s in states]


def test_schedule(start_node, probe, states, tmp_path):
    (tmp_path / 'faults.yaml').write_text(SCHEDULE)
    start_node('fault_injector_node', {'faults_file': str(tmp_path / 'faults.yaml')})
    sensors = Sensors(probe)
    for key in TOPICS:
        sent = sensors.send(key, 0.0)
        probe.spin_until(lambda key=key: sensors.received[key])
        assert sensors.received[key] == [sent]
    dark = sensors.round_trip('rgb', 1.0)
    assert (dark.encoding, dark.height, dark.width, dark.step) == ('rgb8', 24, 32, 96)
    assert dark.header.frame_id == 'camera'
    assert dark.header.stamp.sec == 51
    assert len(dark.data) == 24 * 96
    assert not any(dark.data)
    torn = sensors.round_trip('depth', 1.1)
    assert (torn.height, torn.width, torn.step) == (24, 32, 128)
    assert len(torn.data) != 24 * 128
    assert sensors.is_silent('lidar', 1.6)
    assert sensors.round_trip('rgb_info', 1.7).width == 32
    assert any(sensors.round_trip('rgb', 2.1).data)
    assert sensors.round_trip('lidar', 2.5).width == 30
    assert sensors.is_silent('rgb', 3.2)
    assert sensors.is_silent('rgb_info', 3.2)
    assert sensors.round_trip('rgb_info', 4.0).width == 32
    warn, ok = DiagnosticStatus.WARN, DiagnosticStatus.OK
    wanted = [('camera dark', warn, 'true', 1.0), ('depth torn', warn, 'true', 1.0),
              ('lidar unplugged', warn, 'true', 1.5), ('camera dark', ok, 'false', 2.0),
              ('depth torn', ok, 'false', 2.0), ('lidar unplugged', ok, 'false', 2.5),
              ('camera gone', warn, 'true', 3.0), ('camera gone', ok, 'false', 4.0)]
    sensors.round_trip('event', 4.1)
    probe.spin_until(lambda: len(states) == len(wanted))
    assert [s[:3] for s in described(states)] == [w[:3] for w in wanted]
    assert [s[3] for s in described(states)] == pytest.approx([w[3] for w in wanted])


def test_live_faults(start_node, probe, states):
    start_node('fault_injector_node', {'live.rgb.fault': 'drop'})
    sensors = Sensors(probe)
    assert sensors.is_silent('rgb', 0.0)
    [result] = probe.set_parameters('fault_injector', {'live.rgb.fault': ''})
    assert result.successful
    assert sensors.round_trip('rgb', 0.1).height == 24
    results = probe.set_parameters('fault_injector', {'live.depth.severity': 0.5})
    results += probe.set_parameters('fault_injector', {'live.depth.fault': 'stamp_offset'})
    assert all(result.successful for result in results)
    assert sensors.round_trip('depth', 0.2).header.stamp.sec == 55
    for name, value in (('live.lidar.fault', 'overexposure'), ('live.rgb.fault', 'gremlins'),
                        ('live.rgb.severity', 2.0), ('depth', 3)):
        [result] = probe.set_parameters('fault_injector', {name: value})
        assert not result.successful
        assert result.reason
    assert sensors.round_trip('lidar', 0.3).width == 30
    probe.spin_until(lambda: len(states) == 3)
    assert [s[:3] for s in described(states)] == [
        ('live_rgb_drop', DiagnosticStatus.WARN, 'true'),
        ('live_rgb_drop', DiagnosticStatus.OK, 'false'),
        ('live_depth_stamp_offset', DiagnosticStatus.WARN, 'true')]


def test_delayed_messages_come_later_and_in_order(start_node, probe):
    start_node('fault_injector_node', {'live.lidar.fault': 'delay', 'live.lidar.severity': 0.4})
    sensors = Sensors(probe)
    sent_ns = probe.node.get_clock().now().nanoseconds
    for i in range(3):
        sensors.send('lidar', 0.1 * i)
    assert sensors.round_trip('event', 0.0).width == 5
    probe.spin_until(lambda: len(sensors.received['lidar']) == 3)
    assert probe.node.get_clock().now().nanoseconds - sent_ns >= 0.4 * S
    assert [m.header.stamp.nanosec for m in sensors.received['lidar']] == [
        0, 100_000_000, 200_000_000]


def test_a_clock_set_back_clears_what_is_held(start_node, probe):
    node = start_node('fault_injector_node', {
        'use_sim_time': True, 'live.lidar.fault': 'delay', 'live.lidar.severity': 0.4})
    clock = probe.publisher(Clock, '/clock')
    sensors = Sensors(probe)
    probe.spin_until(clock.get_subscription_count)

    def set_clock(second):
        tick = Clock()
        tick.clock.sec = second
        # The clock is subscribed to without guarantee of delivery.
        for _ in range(10):
            clock.publish(tick)
            probe.spin_for(0.05)

    set_clock(100)
    sensors.send('lidar', 0.0)
    sensors.round_trip('event', 0.0)
    sensors.round_trip('event', 0.1)
    set_clock(50)
    probe.spin_until(lambda: '1 held messages are dropped' in node.output)
    set_clock(200)
    sensors.send('lidar', 0.2)
    sensors.round_trip('event', 0.2)
    sensors.round_trip('event', 0.3)
    set_clock(201)
    probe.spin_until(lambda: sensors.received['lidar'])
    assert [m.header.stamp.nanosec for m in sensors.received['lidar']] == [200_000_000]


@pytest.mark.parametrize(('params', 'words'), [
    ({'faults_file': '/nowhere/faults.yaml'}, '/nowhere/faults.yaml'),
    ({'live.rgb.fault': 'gremlins'}, 'gremlins'),
    ({'live.rgb.severity': 0.0, 'live.rgb.fault': 'black'}, 'severity'),
    ({'inputs.rgb': 'camera/image'}, 'inputs.rgb'),
    ({'inputs.sonar': 'sonar'}, 'inputs.sonar'),
    ({'thermal_low': 5.0}, 'thermal_low is 5.0; allowed: 0 while high is not given'),
    ({'live.lidar.falt': 'drop'}, 'did you mean live.lidar.fault?'),
    ({'types.depth': 'sensor_msgs/msg/CompressedImage'}, 'types.depth'),
])
def test_bad_parameters(start_node, params, words):
    node = start_node('fault_injector_node', params)
    assert node.wait() == 2
    [line] = [x for x in node.output.splitlines() if x.startswith('fault_injector_node: ')]
    assert words in line
    assert 'Traceback' not in node.output
