# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Simulated recordings: topics, frames, times and content come back."""

import numpy as np
import pytest

from anymodal_seg_ros.bags import TOPICS, bag_info, read_bag, read_rig
from anymodal_seg_ros.bags.frames import read_tf_static
from anymodal_seg_ros.errors import AnymodalError
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.sim.__main__ import main
from anymodal_seg_ros.sim.drive_bag import write_bag
from anymodal_seg_ros.sim.simulator import SimConfig, Simulator
from anymodal_seg_ros.sim.vehicle import SENSOR_NAMES, load_sensors

CONFIG = SimConfig(seed=6, street='curve', width_px=96, height_px=64, event_width_px=96,
                   event_height_px=64, duration_s=0.25)


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    path = tmp_path_factory.mktemp('bags') / 'drive'
    write_bag(path, CONFIG)
    return path


def _stamp_ns(message):
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def test_topics_types_and_counts(bag):
    info = bag_info(bag)
    assert dict(info.types) == {
        '/tf_static': 'tf2_msgs/msg/TFMessage',
        '/camera/image': 'sensor_msgs/msg/Image',
        '/camera/camera_info': 'sensor_msgs/msg/CameraInfo',
        '/depth/image': 'sensor_msgs/msg/Image',
        '/depth/camera_info': 'sensor_msgs/msg/CameraInfo',
        '/lidar/points': 'sensor_msgs/msg/PointCloud2',
        '/events': 'sensor_msgs/msg/PointCloud2',
        '/ground_truth/label': 'sensor_msgs/msg/Image',
    }
    assert {topic: count for topic, count in info.counts.items() if count != 3} == {
        '/tf_static': 1}


def test_recorded_in_the_order_of_arrival(bag):
    latency_ms = {TOPICS[name]: spec.latency_ms for name, spec in load_sensors().items()}
    frames = {TOPICS[name]: spec.frame_id for name, spec in load_sensors().items()}
    recorded = list(read_bag(bag))
    assert recorded[0].topic == '/tf_static'
    times = [message.recorded_ns for message in recorded]
    assert times == sorted(times)
    for message in recorded[1:]:
        if message.topic in latency_ms:
            decoded = message.message()
            assert message.recorded_ns - _stamp_ns(decoded) == latency_ms[message.topic] * 1e6
            assert decoded.header.frame_id == frames[message.topic]


def test_transforms_are_of_its_sensors_alone(bag):
    assert set(read_tf_static(bag)) == {load_sensors()[name].frame_id for name in SENSOR_NAMES}


def test_what_is_read_is_what_was_measured(bag):
    simulator = Simulator(CONFIG)
    for name in SENSOR_NAMES:
        modality = MODALITIES[name]
        for index, recorded in enumerate(read_bag(bag, [TOPICS[name]])):
            data = modality.decode(recorded.message())
            expected = simulator.measure(name, index).sample.data
            if name == 'event':
                assert np.array_equal(data[['x', 'y', 'polarity']],
                                      expected[['x', 'y', 'polarity']])
                assert np.abs(data['t_ns'] - expected['t_ns']).max() <= 256
            else:
                assert np.array_equal(data, expected, equal_nan=name == 'depth')


def test_labels_have_the_camera_s_stamps(bag):
    images = [_stamp_ns(m.message()) for m in read_bag(bag, [TOPICS['rgb']])]
    simulator = Simulator(CONFIG)
    for index, recorded in enumerate(read_bag(bag, [TOPICS['label']])):
        label = recorded.message()
        assert (label.encoding, _stamp_ns(label)) == ('mono8', images[index])
        assert np.array_equal(label.data.reshape(64, 96), simulator.labels(index))


def test_the_rig_comes_back(bag):
    true, read = Simulator(CONFIG).rig(), read_rig(bag)
    assert np.array_equal(read.camera.K, true.camera.K)
    assert read.base_z_m == pytest.approx(true.base_z_m)
    assert read.up_camera == pytest.approx([0.0, -1.0, 0.0], abs=1e-12)
    for name in ('depth', 'lidar', 'event'):
        assert read.extrinsic(name) == pytest.approx(true.extrinsic(name), abs=1e-9)


@pytest.mark.slow
def test_sqlite3_holds_the_same_bytes(bag, tmp_path):
    write_bag(tmp_path / 'drive', CONFIG, storage='sqlite3')
    assert list((tmp_path / 'drive').glob('*.db3'))
    first = [(m.topic, m.recorded_ns, m.cdr) for m in read_bag(bag)]
    second = [(m.topic, m.recorded_ns, m.cdr) for m in read_bag(tmp_path / 'drive')]
    assert sorted(first) == sorted(second)


def test_an_existing_recording_is_left_alone(bag):
    with pytest.raises(AnymodalError):
        write_bag(bag, CONFIG)


@pytest.mark.parametrize(('arguments', 'words'), [
    (['bag', 'x', '--then', 'night'], 'night@20'),
    (['bag', 'x', '--size', '4'], '32 to 4096'),
    (['bag', 'x', '--then', 'hail@2'], 'hail'),
    (['dataset', 'x', '--failure-share', '3'], '0 to 1'),
    (['dataset', '/proc/nothing/x', '--quiet'], '/proc/nothing'),
    (['preview', 'x.png', '--frame', '-1'], 'frame is -1'),
    (['benchmark', '--frames', '0'], '1 to 95'),
    (['benchmark', '--frames', '20', '--duration', '2'], '1 to 15'),
])
def test_the_command_line_names_what_is_wrong(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count('\n') == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_preview_has_a_row_for_each_condition(tmp_path):
    import cv2
    path = tmp_path / 'street.png'
    assert main(['preview', str(path), '--size', '32', '--frame', '2']) == 0
    sheet = cv2.imread(str(path))
    assert sheet.shape == (5 * 32, 5 * 32, 3)
    assert all(sheet[32 * r:32 * r + 32, 32 * c:32 * c + 32].std() > 5
               for r in range(5) for c in range(5))
