# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages that are lost on their way, or in the queue, are not taken for a dying sensor."""

from types import SimpleNamespace

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy import subscription
from ros_streams.fault_run import values_of
from sensor_msgs.msg import Image
from std_msgs.msg import String

from anymodal_seg_ros.extrinsics import RigKeeper
from anymodal_seg_ros.resources import resource_path
from anymodal_seg_ros.ros import advice
from anymodal_seg_ros.ros.advice import MIN_OVERWRITTEN, Advisor
from anymodal_seg_ros.ros.diagnostics import input_values
from anymodal_seg_ros.ros.inputs import AdaptiveSubscription, NamedQos

pytestmark = pytest.mark.slow

# 768 KiB each, more than the built-in shared-memory segment of Fast DDS holds.
CAMERA = '''
import array, sys
import rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from anymodal_seg_ros.ros.lifetime import OwningNode, run_node


class Camera(OwningNode):
    def __init__(self):
        super().__init__('camera')
        self.publisher = self.create_publisher(Image, 'camera/image', qos_profile_sensor_data)
        self.image = Image(height=512, width=512, encoding='rgb8', step=1536,
                           data=array.array('B', bytes(range(256)) * 3072))
        self.image.header.frame_id = 'lens'
        self.create_timer(0.1, self.send)

    def send(self):
        self.image.header.stamp = self.get_clock().now().to_msg()
        self.image.data[:8] = array.array('B', self.image.header.stamp.nanosec.to_bytes(8, 'big'))
        self.publisher.publish(self.image)


sys.exit(run_node(Camera))
'''


@pytest.mark.alone
def test_images_lost_by_the_transport_are_named_as_such(
        start_node, probe, tiny_bundle, tmp_path, monkeypatch):
    (tmp_path / 'examples').mkdir()
    (tmp_path / 'examples' / 'camera.py').write_text(CAMERA)
    states = []

    def note(message):
        for status in message.status:
            if status.name == 'anymodal_seg: rgb':
                values = values_of(status)
                states.append((values['state'], values['reason'], int(values['messages_lost'])))

    probe.node.create_subscription(DiagnosticArray, '/diagnostics', note, 10)
    node = start_node('segmentation_node', {
        'bundle': str(tiny_bundle), 'model.num_threads': 1, 'diagnostics.rate_hz': 10.0,
        'health.rgb.skip_checks': ['image_frozen', 'image_covered'],
        **{f'inputs.{name}.enabled': False for name in ('depth', 'lidar', 'event')}})
    probe.spin_until(lambda: states, 60.0)
    with monkeypatch.context() as patch:
        patch.delenv('FASTDDS_DEFAULT_PROFILES_FILE')
        start_node('examples.camera')
    probe.spin_until(lambda: states[-1][1] == 'transport_loss', 30.0, node.output)
    num_states = len(states)
    probe.spin_until(lambda: len(states) > num_states + 30 and states[-1][2] > 20, 30.0)
    reasons = {reason for _, reason, _ in states[num_states:]}
    assert reasons == {'transport_loss'}, node.output
    advice = str(resource_path('config') / 'fastdds_shm.xml')
    assert node.output.count(advice) == 1
    assert node.output.count('rgb: messages on /camera/image are lost on their way') == 1
    # Not in and out of it: at most lost, once nothing has come through for long.
    assert sum('rgb: ' in line and '->' in line for line in node.output.splitlines()) <= 2


@pytest.fixture()
def losses(probe):
    told = []
    source = AdaptiveSubscription(
        probe.node, 'rgb', '/image', Image, NamedQos(name='RELIABLE', depth=2),
        lambda modality, msg: None, lambda modality, number: told.append(number))

    def receive(delay_ms, sent_ns=10**18):
        source._receive(Image(), {
            'source_timestamp': sent_ns,
            'received_timestamp': sent_ns and sent_ns + round(delay_ms * 1e6)})
        return len(told)

    return receive


def test_what_was_on_its_way_for_much_longer_than_usual_was_sent_again(losses):
    assert [losses(delay_ms) for delay_ms in (2, 1, 2, 3)] == [0] * 4
    assert losses(201) == 0
    assert losses(203) == 1
    assert losses(1000) == 2
    assert losses(2) == 2


def test_clocks_of_two_machines_need_not_agree(losses):
    assert [losses(delay_ms) for delay_ms in (-7200_000, -7199_900, -7200_100)] == [0] * 3
    assert losses(-7199_700) == 1


def test_a_middleware_that_gives_no_times_tells_of_no_delay(losses):
    assert [losses(delay_ms, sent_ns=0) for delay_ms in (1, 500, 1)] == [0] * 3


DEPTH = 2
MESSAGE_INFO = getattr(getattr(subscription, 'MessageInfo', None), '__annotations__', {})
numbered = pytest.mark.skipif(
    not {'publication_sequence_number', 'publisher_gid'} <= set(MESSAGE_INFO),
    reason='this rclpy gives no publication_sequence_number of each publisher')


class Events:
    """An input with a short queue, and publishers for it."""

    def __init__(self, probe):
        self.probe = probe
        self.received = []
        self.input = AdaptiveSubscription(
            probe.node, 'event', '/events', String, NamedQos(name='RELIABLE', depth=DEPTH),
            lambda modality, msg: self.received.append(msg.data))
        self.input.set_active(True)

    def publisher(self):
        one = self.probe.publisher(String, '/events', 100)
        self.send(one, 'connected')
        return one

    def send(self, publisher, *texts):
        """All at once; waits for the last of them."""
        self.received.clear()
        self.probe.spin_until(publisher.get_subscription_count)
        for text in texts:
            publisher.publish(String(data=text))
        self.probe.spin_until(lambda: texts[-1] in self.received)

    @property
    def num_missed(self):
        return self.input.events['messages_missed']


@pytest.fixture()
def events(probe):
    made = Events(probe)
    yield made
    made.input.set_active(False)


@numbered
def test_what_the_queue_overwrites_is_counted(events):
    publisher = events.publisher()
    events.send(publisher, 'a')
    events.send(publisher, 'b', 'c')
    assert events.num_missed == 0
    events.send(publisher, *map(str, range(10)))
    assert events.num_missed == events.input.num_overwritten == 10 - DEPTH
    events.send(publisher, 'after')
    assert events.num_missed == 10 - DEPTH


@numbered
def test_each_publisher_numbers_its_own(events):
    one, other = events.publisher(), events.publisher()
    for number in range(3):
        events.send(one, f'{number} of one')
        events.send(other, f'{number} of the other')
        events.send(one, f'{number} more')
    assert events.num_missed == 0


@numbered
def test_what_is_sent_while_an_input_is_off_is_not_missed(events):
    publisher = events.publisher()
    events.input.set_active(False)
    for _ in range(5):
        publisher.publish(String(data='unheard'))
    events.probe.spin_until(lambda: not publisher.get_subscription_count())
    events.input.set_active(True)
    events.send(publisher, 'heard')
    assert events.num_missed == 0


def test_a_middleware_that_gives_no_numbers_counts_nothing(events):
    events.input._receive(String(), {
        'source_timestamp': 0, 'received_timestamp': 0, 'publication_sequence_number': None})
    assert 'messages_missed' not in events.input.events
    assert events.input.num_missed is None


def test_once_a_message_had_no_number_nobody_knows_how_many_are_missing(events):
    times = {'source_timestamp': 0, 'received_timestamp': 0}
    events.input._receive(String(), {**times, 'publication_sequence_number': None})
    events.input._receive(String(), {**times, 'publication_sequence_number': 1,
                                     'publisher_gid': {'data': bytes(16)}})
    assert events.input.num_missed is None


def test_none_is_missed_before_the_first_message(events):
    keeper = RigKeeper(camera_frame='camera')
    assert input_values(events.input, keeper, 0)['messages_missed'] == 0
    publisher = events.publisher()
    events.send(publisher, *map(str, range(10)))
    assert input_values(events.input, keeper, 0)['messages_missed'] == 10 - DEPTH
    events.input._receive(String(), {'source_timestamp': 0, 'received_timestamp': 0})
    assert input_values(events.input, keeper, 0)['messages_missed'] == 'unknown'


@numbered
def test_that_a_node_is_too_busy_is_said_once(events, capfd):
    advisor = Advisor(events.probe.node, {'event': events.input}, {})
    publisher = events.publisher()

    def said():
        advisor.look({})
        return capfd.readouterr().err.count('on /events many are overwritten')

    for number in range(20):
        events.send(publisher, str(number))
    assert said() == 0
    events.send(publisher, *map(str, range(MIN_OVERWRITTEN + DEPTH)))
    assert said() == 1
    assert said() == 0


@pytest.mark.parametrize(('steps', 'told'), [
    # (seconds later, messages taken in, messages overwritten) since the look before.
    ([(3600, 100_000, 0), (30, 100, 10), (29, 80, 10)], True),
    ([(3600, 100_000, 0), (30, 100, 10), (31, 80, 10)], False),
    ([(59, 100, 19)], False),
    ([(59, 100, 20)], True),
    ([(59, 201, 20)], False),
])
def test_overwriting_is_judged_by_the_last_minute(monkeypatch, steps, told):
    said, now_ns = [], [0]
    monkeypatch.setattr(advice.time, 'monotonic_ns', lambda: now_ns[0])
    source = SimpleNamespace(
        modality='rgb', topic='/image', num_received=5, num_overwritten=5000)
    advisor = Advisor(SimpleNamespace(get_logger=lambda: SimpleNamespace(warning=said.append)),
                      {'rgb': source}, {})
    advisor.look({})
    for later_s, num_received, num_overwritten in steps:
        now_ns[0] += later_s * 10**9
        source.num_received += num_received
        source.num_overwritten += num_overwritten
        advisor.look({})
    assert bool(said) == told
