# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""No sensor of a recording is mandatory: what is missing or wrong is left out, and is said."""

import re
import struct
from types import SimpleNamespace

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from anymodal_seg_ros import bags, segment_bag
from anymodal_seg_ros.geometry import CameraModel
from anymodal_seg_ros.labels import LabelSpace
from anymodal_seg_ros.modalities import MODALITIES, LidarEncoder
from anymodal_seg_ros.segment_bag import main

START_NS = 20_000_000_000
PERIOD_NS = 100_000_000
NUM_FRAMES = 12
CAMERA = CameraModel.from_fov(64, 48, 90.0)
SPACE = LabelSpace('three', ('a', 'b', 'c'), ((9, 8, 7), (6, 5, 4), (3, 2, 1)))
SENSORS = ('rgb', 'depth', 'lidar')
# As their packages define them, in the parts that matter here.
LIVOX = 'std_msgs/Header header\nuint64 timebase\nuint32 point_num\nuint8 lidar_id\n'
EVENTS = 'std_msgs/Header header\nuint32 height\nuint32 width\n'


class FakeSegmenter:
    """A label says how many sensors there were."""

    description = 'a fake'
    bundle = SimpleNamespace(
        encoders={name: MODALITIES[name].default_settings() for name in (*SENSORS, 'event')},
        modalities=(*SENSORS, 'event'), short_side_px=32, label_space=SPACE)

    def predict(self, images, out_hw):
        return np.full(out_hw, len(images), np.uint8), np.zeros(out_hw, np.uint8)


@pytest.fixture(autouse=True)
def fake_segmenter(monkeypatch):
    monkeypatch.setattr(segment_bag, 'build_segmenter', lambda *args, **options: FakeSegmenter())
    monkeypatch.setattr(segment_bag, 'read_description', lambda path: FakeSegmenter.bundle)


def drive(camera_stamp=lambda stamp_ns: stamp_ns):
    """Topic, recorded time and message of three sensors at 10 Hz."""
    rng = np.random.default_rng(4)
    yield '/tf_static', START_NS, bags.tf_static_message(
        [('camera', 'lidar', (0, -0.2, 0), (0.5, -0.5, 0.5, -0.5))])
    for i in range(NUM_FRAMES):
        recorded_ns = START_NS + i * PERIOD_NS
        stamp_ns = camera_stamp(recorded_ns)
        rgb = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
        depth = rng.random((48, 64), dtype=np.float32) * 30 + 1
        points = np.float32([40, 40, 4, 1]) * rng.random((3000, 4), dtype=np.float32)
        points[:, :3] -= np.float32([20, 20, 2])
        for topic in ('/camera/camera_info', '/depth/camera_info'):
            yield topic, recorded_ns, bags.camera_info_message(stamp_ns, 'camera', CAMERA)
        yield '/camera/image', recorded_ns, bags.image_message(stamp_ns, 'camera', rgb, 'rgb8')
        yield '/depth/image', recorded_ns, bags.image_message(
            recorded_ns, 'camera', depth, '32FC1')
        yield '/lidar/points', recorded_ns, bags.cloud_message(recorded_ns, 'lidar', points)


def record(path, messages):
    with bags.BagWriter(path) as writer:
        for topic, recorded_ns, message in messages:
            writer.write(topic, message, recorded_ns)
    return path


def without(*topics):
    return (one for one in drive() if one[0] not in topics)


def segment(path, capsys, *arguments):
    """Exit code, sensors of the last label image, rows of the summary, all that was printed."""
    out = path.with_name('labels')
    code = main([str(path), '--out', str(out), '--bundle', 'none', *arguments])
    printed = capsys.readouterr()
    used = set()
    if code == 0:
        fusion = list(bags.read_bag(out, ['/anymodal_seg/fusion_info']))[-1].message()
        used = {status.name for status in fusion.status
                if any(v.key == 'used' and v.value == 'true' for v in status.values)}
    return code, used, printed.out, printed.err


def rows(printed):
    """Sensor to (read, used, {reason: number}) by the summary."""
    found = {}
    for line in printed.splitlines():
        match = re.fullmatch(r'(rgb|depth|lidar|event) +(/\S+) +(\d+) +(\d+)(.*)', line)
        if match:
            dropped = dict(re.findall(r'(\w+) (\d+)', match[5]))
            found[match[1]] = int(match[3]), int(match[4]), {k: int(v) for k, v in dropped.items()}
    return found


def test_a_whole_drive(tmp_path, capsys):
    code, used, out, _ = segment(record(tmp_path / 'bag', drive()), capsys)
    assert (code, used) == (0, set(SENSORS))
    table = rows(out)
    assert {name: table[name][0] for name in table} == {
        'rgb': NUM_FRAMES, 'depth': NUM_FRAMES, 'lidar': NUM_FRAMES, 'event': 0}
    for read, num_used, dropped in table.values():
        assert read == num_used + sum(dropped.values())
    assert table['rgb'][1] >= NUM_FRAMES - 1
    assert 'event: nothing on /events; another name: --topics event=TOPIC' in out


def test_messages_that_wait_for_trust_are_counted(tmp_path, capsys):
    (tmp_path / 'faults.yaml').write_text(
        'faults: [{name: dark, modality: rgb, fault: black, start_s: 0.2, end_s: 0.6}]')
    _, _, out, _ = segment(record(tmp_path / 'bag', drive()), capsys, '--faults',
                           str(tmp_path / 'faults.yaml'))
    read, used, dropped = rows(out)['rgb']
    assert {'image_black', 'probation'} <= set(dropped)
    assert read == NUM_FRAMES == used + sum(dropped.values())


def test_depth_whose_calibration_is_zero_is_seen_as_the_reference_camera_sees(
        tmp_path, capsys, caplog):
    def messages():
        for topic, recorded_ns, message in drive():
            if topic == '/depth/camera_info':
                message = bags.camera_info_message(recorded_ns, 'camera', CAMERA)
                message.k[:] = 0
                message.p[:] = 0
            yield topic, recorded_ns, message

    code, used, _, _ = segment(record(tmp_path / 'bag', messages()), capsys)
    assert (code, used) == (0, set(SENSORS))
    [line] = [r.getMessage() for r in caplog.records if 'depth_info' in r.getMessage()]
    assert 'no message can be used' in line


@pytest.mark.parametrize('others', [(), ('/depth/image', '/lidar/points')])
def test_an_uncalibrated_camera_is_labelled_alone(tmp_path, capsys, others):
    path = record(tmp_path / 'bag', without('/camera/camera_info', *others))
    code, used, out, _ = segment(path, capsys)
    assert (code, used) == (0, {'rgb'})
    if not others:
        assert rows(out)['lidar'] == (NUM_FRAMES, 0, {'no_camera_info': NUM_FRAMES})
        assert 'lidar: no_camera_info: the reference camera has no usable calibration' in out
    label = next(iter(bags.read_bag(tmp_path / 'labels', ['/anymodal_seg/label']))).message()
    assert (label.width, label.height) == (64, 48)


def test_depth_leads_without_a_camera(tmp_path, capsys):
    path = record(tmp_path / 'bag', without('/camera/camera_info', '/camera/image'))
    code, used, out, _ = segment(path, capsys)
    assert (code, used) == (0, {'depth', 'lidar'})
    assert 'rgb: nothing on /camera/image' in out


def test_lidar_without_transform(tmp_path, capsys, caplog):
    code, used, out, _ = segment(record(tmp_path / 'bag', without('/tf_static')), capsys)
    assert (code, used) == (0, {'rgb', 'depth'})
    assert rows(out)['lidar'] == (NUM_FRAMES, 0, {'no_extrinsic': NUM_FRAMES})
    assert 'lidar: no_extrinsic: ' in out and 'record /tf_static' in out
    assert "lidar in frame 'lidar' is left out" in caplog.text


def test_transforms_that_are_not_finite_cost_their_own_sensor(tmp_path, capsys, caplog):
    def messages():
        yield '/tf_static', START_NS, bags.tf_static_message(
            [('camera', 'lidar', (float('nan'), 0, 0), (0, 0, 0, 1))])
        yield from without('/tf_static')

    code, used, _, _ = segment(record(tmp_path / 'bag', messages()), capsys)
    assert (code, used) == (0, {'rgb', 'depth'})
    assert 'the pose of lidar is not used' in caplog.text


@pytest.mark.parametrize(('sensor', 'topic', 'msgtype', 'definition'), [
    ('lidar', '/lidar/points', 'livox_ros_driver2/msg/CustomMsg', LIVOX),
    ('event', '/events', 'dvs_msgs/msg/EventArray', EVENTS),
    ('depth', '/depth/camera_info', 'livox_ros_driver2/msg/CustomMsg', LIVOX),
])
def test_topic_of_a_type_that_is_not_read(tmp_path, capsys, caplog, sensor, topic, msgtype,
                                          definition):
    store = get_typestore(Stores.LATEST)
    store.register(get_types_from_msg(definition, msgtype))
    with Writer(tmp_path / 'bag', version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = {}

        def write(name, kind, stamp_ns, cdr):
            if name not in connections:
                connections[name] = writer.add_connection(name, kind, typestore=store)
            writer.write(connections[name], stamp_ns, cdr)

        for name, recorded_ns, message in without(topic):
            write(name, message.__msgtype__, recorded_ns, bags.to_cdr(message))
            if name == '/camera/image':
                stamp = struct.pack('<II', *divmod(recorded_ns, 10**9))
                write(topic, msgtype, recorded_ns, b'\0\1\0\0' + stamp + bytes(40))
    # A fault of the content would have to decode it.
    (tmp_path / 'faults.yaml').write_text(
        f'faults: [{{name: a, modality: {sensor}, fault: black, start_s: 0.0, end_s: 0.3}}]')
    code, used, out, _ = segment(tmp_path / 'bag', capsys, '--faults',
                                 str(tmp_path / 'faults.yaml'))
    lines = [r.getMessage() for r in caplog.records if msgtype in r.getMessage()]
    assert len(lines) == 1 and 'allowed: sensor_msgs/msg/' in lines[0]
    assert code == 0
    if sensor == 'depth':
        assert used == set(SENSORS)
        return
    assert used == set(SENSORS) - {sensor}
    assert rows(out)[sensor] == (NUM_FRAMES, 0, {'bad_type': NUM_FRAMES})
    assert f'{sensor}: bad_type: {topic} has {msgtype}; allowed: ' in out


def test_camera_whose_stamps_are_zero(tmp_path, capsys):
    """With other sensors the labels are theirs; alone it gives none, which is an error."""
    stopped = lambda stamp_ns: 0  # noqa: E731
    code, used, out, _ = segment(record(tmp_path / 'bag', drive(stopped)), capsys)
    assert (code, used) == (0, {'depth', 'lidar'})
    assert rows(out)['rgb'] == (NUM_FRAMES, 0, {'stamp_stale': NUM_FRAMES})
    assert 'rgb: stamp_stale: ' in out
    alone = tmp_path / 'alone'
    alone.mkdir()
    path = record(alone / 'bag', (one for one in drive(stopped) if one[0].startswith('/camera')))
    code, _, _, err = segment(path, capsys)
    assert code == 2
    [line] = [x for x in err.splitlines() if x.startswith('segment_bag: ')]
    assert 'not one label image' in line and 'rgb: stamp_stale: the header stamps' in line
    assert not (alone / 'labels').exists()


def test_nothing_that_can_be_used(tmp_path, capsys):
    path = record(tmp_path / 'bag', (one for one in drive() if one[0] == '/lidar/points'))
    code, _, _, err = segment(path, capsys)
    assert code == 2
    [line] = [x for x in err.splitlines() if x.startswith('segment_bag: ')]
    assert 'lidar: no_camera_info' in line and 'rgb: no message' in line


def test_recording_that_was_cut_is_labelled_as_far_as_it_goes(tmp_path, capsys, caplog):
    path = record(tmp_path / 'bag', drive())
    (path / 'metadata.yaml').unlink()
    file = path / 'bag.mcap'
    file.write_bytes(file.read_bytes()[:file.stat().st_size // 2])
    code, used, out, _ = segment(path, capsys)
    assert (code, used) == (0, set(SENSORS))
    assert 3 < rows(out)['rgb'][0] < NUM_FRAMES - 3
    damaged = [line for line in out.splitlines() if line.startswith('damaged: ')]
    assert 'metadata.yaml is missing' in damaged[0] and 'was cut off' in damaged[1]
    assert len([r for r in caplog.records if 'cut off' in r.getMessage()]) == 1


def test_a_sensor_whose_encoder_fails_costs_itself(tmp_path, capsys, monkeypatch):
    def fail(*args):
        raise IndexError('index 7 is out of bounds')

    monkeypatch.setattr(LidarEncoder, 'encode', fail)
    code, used, out, _ = segment(record(tmp_path / 'bag', drive()), capsys)
    assert (code, used) == (0, {'rgb', 'depth'})
    read, num_used, dropped = rows(out)['lidar']
    assert (read, num_used) == (NUM_FRAMES, 0)
    assert dropped['encoder_failed'] >= NUM_FRAMES - 2
    assert sum(dropped.values()) == NUM_FRAMES
    assert 'lidar: encoder_failed: its encoder fails, which is a defect' in out


def test_a_clock_that_was_set_in_the_midst_of_the_drive(tmp_path, capsys, monkeypatch):
    """From 1970 to the present: decades without a message are not gone through tick by tick."""
    half_ns, jump_ns = START_NS + NUM_FRAMES // 2 * PERIOD_NS, 56 * 365 * 86400 * 10**9
    polls = []
    poll = segment_bag.Session.poll
    monkeypatch.setattr(segment_bag.Session, 'poll', lambda self, now_ns: (
        polls.append(now_ns), poll(self, now_ns))[1])

    def later(stamp_ns):
        return stamp_ns + jump_ns if stamp_ns >= half_ns else stamp_ns

    messages = []
    for topic, recorded_ns, message in drive():
        if hasattr(message, 'header'):
            seconds, message.header.stamp.nanosec = divmod(later(recorded_ns), 10**9)
            message.header.stamp.sec = seconds
        messages.append((topic, later(recorded_ns), message))
    code, used, out, _ = segment(record(tmp_path / 'drive', messages), capsys)
    assert code == 0, out
    assert used
    assert polls == sorted(polls)
    assert len(polls) < 3000
