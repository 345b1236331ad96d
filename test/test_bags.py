# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings: what is written is what is read, by this package and by rclpy; damage is named."""

import shutil

import numpy as np
import pytest

from anymodal_seg_ros import bags
from anymodal_seg_ros.errors import BadMessageError, BagError, ConfigError
from anymodal_seg_ros.geometry import CameraModel
from anymodal_seg_ros.samples import EVENT_DTYPE

STAMP_NS = 12_345_678_901
CAMERA = CameraModel(width_px=6, height_px=4,
                     K=np.array([[5.0, 0, 2.5], [0, 5.5, 1.5], [0, 0, 1]]),
                     D=np.array([0.1, -0.2, 0.01, 0.02, 0.3]))
# Body (x forward, z up) to optical: optical x = -body y, optical y = -body z, optical z = body x.
OPTICAL_XYZW = (-0.5, 0.5, -0.5, 0.5)
TRANSFORMS = [
    ('base_link', 'mast', (1.0, 0.0, 1.5), (0.0, 0.0, 0.0, 1.0)),
    ('mast', 'camera_optical_frame', (0.0, 0.0, 0.25), OPTICAL_XYZW),
    ('mast', 'lidar', (-0.5, 0.0, 0.75), (0.0, 0.0, 0.0, 1.0)),
    ('camera_optical_frame', 'depth_optical_frame', (0.1, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0)),
]


def sample_messages():
    rng = np.random.default_rng(3)
    events = np.zeros(5, EVENT_DTYPE)
    events['x'], events['y'] = [0, 1, 2, 500, 65535], [4, 3, 2, 1, 0]
    events['t_ns'] = STAMP_NS + np.arange(5) * 1000
    events['polarity'] = [True, False, True, True, False]
    return {
        '/camera/image': bags.image_message(
            STAMP_NS, 'camera_optical_frame',
            rng.integers(0, 256, (4, 6, 3), dtype=np.uint8), 'rgb8'),
        '/camera/camera_info': bags.camera_info_message(STAMP_NS, 'camera_optical_frame', CAMERA),
        '/depth/image': bags.image_message(
            STAMP_NS, 'depth_optical_frame', rng.random((4, 6), dtype=np.float32), '32FC1'),
        '/depth/camera_info': bags.camera_info_message(
            STAMP_NS, 'depth_optical_frame', CAMERA.resized(12, 8)),
        '/lidar/points': bags.cloud_message(
            STAMP_NS, 'lidar', rng.random((7, 4), dtype=np.float32)),
        '/events': bags.events_message(STAMP_NS, 'camera_optical_frame', events),
        '/tf_static': bags.tf_static_message(TRANSFORMS),
        '/fusion_info': bags.diagnostics_message(
            STAMP_NS, 'camera_optical_frame', [(1, 'rgb', 'late', {'used': 'true'})]),
    }


def write_bag(path, storage='mcap', leave_out=()):
    with bags.BagWriter(path, storage) as writer:
        for i, (topic, message) in enumerate(sample_messages().items()):
            if topic not in leave_out:
                writer.write(topic, message, STAMP_NS + i * 1_000_000)
    return path


def assert_same_fields(ours, theirs):
    """Every field of a rosbags message equals that of an rclpy message."""
    for name in theirs.get_fields_and_field_types():
        a, b = getattr(ours, name), getattr(theirs, name)
        if hasattr(b, 'get_fields_and_field_types'):
            assert_same_fields(a, b)
        elif isinstance(b, list) and b and hasattr(b[0], 'get_fields_and_field_types'):
            assert len(a) == len(b)
            for x, y in zip(a, b, strict=True):
                assert_same_fields(x, y)
        elif isinstance(b, bytes):
            assert bytes([a]) == b
        elif isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, np.asarray(b))
        else:
            assert a == b, name


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_written_messages_are_read_back(tmp_path, storage):
    path = write_bag(tmp_path / 'bag', storage)
    wanted = sample_messages()
    read = list(bags.read_bag(path))
    assert [m.topic for m in read] == list(wanted)
    assert [m.recorded_ns for m in read] == [STAMP_NS + i * 1_000_000 for i in range(len(wanted))]
    image = read[0].message()
    assert (image.encoding, image.step, image.width, image.height) == ('rgb8', 18, 6, 4)
    assert (image.header.stamp.sec, image.header.stamp.nanosec) == (12, 345678901)
    np.testing.assert_array_equal(image.data, wanted['/camera/image'].data)
    depth = read[2].message()
    np.testing.assert_array_equal(depth.data.view('<f4'), wanted['/depth/image'].data.view('<f4'))
    assert depth.step == 24


def test_messages_deserialise_with_rclpy(tmp_path):
    serialization = pytest.importorskip('rclpy.serialization')
    from diagnostic_msgs.msg import DiagnosticArray
    from sensor_msgs.msg import CameraInfo, Image, PointCloud2
    classes = {'sensor_msgs/msg/Image': Image, 'sensor_msgs/msg/CameraInfo': CameraInfo,
               'sensor_msgs/msg/PointCloud2': PointCloud2,
               'diagnostic_msgs/msg/DiagnosticArray': DiagnosticArray}
    compared = 0
    for recorded in bags.read_bag(write_bag(tmp_path / 'bag')):
        if recorded.msgtype in classes:
            theirs = serialization.deserialize_message(recorded.cdr, classes[recorded.msgtype])
            assert_same_fields(recorded.message(), theirs)
            compared += 1
    assert compared == 7


def test_events_have_the_carla_layout(tmp_path):
    cloud = sample_messages()['/events']
    assert [(f.name, f.offset, f.datatype, f.count) for f in cloud.fields] == [
        ('x', 0, 4, 1), ('y', 2, 4, 1), ('t', 4, 8, 1), ('pol', 12, 1, 1)]
    assert (cloud.point_step, cloud.width, cloud.row_step) == (13, 5, 65)
    last = cloud.data[-13:]
    assert int.from_bytes(last[:2].tobytes(), 'little') == 65535
    assert last[4:12].view('<f8')[0] == STAMP_NS + 4000
    assert cloud.data.reshape(5, 13)[:, 12].tolist() == [1, 0, 1, 1, 0]


def test_cloud_says_whether_it_is_dense():
    points = np.ones((2, 4), np.float32)
    assert bags.cloud_message(0, 'lidar', points).is_dense
    points[0, 1] = np.nan
    assert not bags.cloud_message(0, 'lidar', points).is_dense


@pytest.mark.parametrize(('array', 'encoding'), [
    (np.zeros((2, 2), np.uint8), 'rgb8'),
    (np.zeros((2, 2, 3), np.float32), 'rgb8'),
    (np.zeros((2, 2), np.float64), '32FC1'),
    (np.zeros((2, 2), np.uint8), 'nv12'),
])
def test_image_that_does_not_fit_its_encoding(array, encoding):
    with pytest.raises(BagError, match=encoding):
        bags.image_message(0, 'camera', array, encoding)


def test_topics_start_and_info(tmp_path):
    path = write_bag(tmp_path / 'bag')
    info = bags.bag_info(path)
    assert info.types['/events'] == 'sensor_msgs/msg/PointCloud2'
    assert set(info.topics) == set(sample_messages())
    assert set(info.counts.values()) == {1}
    assert (info.start_ns, info.end_ns) == (STAMP_NS, STAMP_NS + 7_000_000)
    assert info.duration_s == pytest.approx(0.007)
    assert [m.topic for m in bags.read_bag(path, ['/events', '/nothing'])] == ['/events']
    assert list(bags.read_bag(path, [])) == []
    assert [m.topic for m in bags.read_bag(path, start_s=0.0055)] == ['/tf_static', '/fusion_info']


def test_reader_can_be_iterated_twice_and_as_a_single_file(tmp_path):
    path = write_bag(tmp_path / 'bag')
    with bags.read_bag(path) as reader:
        assert len(list(reader)) == len(list(reader)) == 8
    assert len(list(bags.read_bag(path / 'bag.mcap'))) == 8


def test_empty_recording(tmp_path):
    with bags.BagWriter(tmp_path / 'bag'):
        pass
    assert bags.bag_info(tmp_path / 'bag') == bags.BagInfo(
        topics=(), types={}, counts={}, start_ns=0, end_ns=0)
    assert list(bags.read_bag(tmp_path / 'bag')) == []


def test_recording_without_definitions_uses_the_standard_ones(tmp_path):
    import sqlite3
    path = write_bag(tmp_path / 'bag', 'sqlite3')
    database = sqlite3.connect(next(path.glob('*.db3')))
    with database:
        database.execute('DELETE FROM message_definitions')
    database.close()
    assert len([m.message() for m in bags.read_bag(path)]) == 8


def test_static_transforms_are_chained_in_any_direction(tmp_path):
    transforms = bags.read_tf_static(write_bag(tmp_path / 'bag'))
    assert transforms['lidar'][0] == 'mast'
    camera_T_lidar = bags.lookup_transform(transforms, 'camera_optical_frame', 'lidar')
    # 10 m ahead of the LiDAR, which sits 0.5 m behind and 0.5 m above the camera.
    ahead = camera_T_lidar @ [10.0, 2.0, 0.0, 1.0]
    np.testing.assert_allclose(ahead, [-2.0, -0.5, 9.5, 1.0], atol=1e-12)
    back = bags.lookup_transform(transforms, 'lidar', 'camera_optical_frame')
    np.testing.assert_allclose(back @ camera_T_lidar, np.eye(4), atol=1e-12)
    with pytest.raises(BagError, match='elsewhere'):
        bags.lookup_transform(transforms, 'elsewhere', 'lidar')


def test_transform_loop_is_refused():
    eye = np.eye(4)
    with pytest.raises(BagError, match='loop'):
        bags.lookup_transform({'a': ('b', eye), 'b': ('a', eye)}, 'a', 'b')


def test_rig_of_a_recording(tmp_path):
    rig = bags.read_rig(write_bag(tmp_path / 'bag'))
    assert rig.camera_frame == 'camera_optical_frame'
    np.testing.assert_array_equal(rig.camera.K, CAMERA.K)
    np.testing.assert_array_equal(rig.camera.D, CAMERA.D)
    # The image is 6 x 4, whatever its CameraInfo says.
    assert (rig.cameras['depth'].width_px, rig.cameras['depth'].height_px) == (6, 4)
    np.testing.assert_allclose(rig.cameras['depth'].K, CAMERA.K)
    # The events have the camera's own frame.
    assert set(rig.camera_T) == {'lidar', 'depth', 'event'}
    np.testing.assert_array_equal(rig.camera_T['event'], np.eye(4))
    np.testing.assert_allclose(rig.camera_T['depth'][:3, 3], [0.1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(rig.camera_T['lidar'][:3, 3], [0.0, -0.5, -0.5], atol=1e-12)
    assert rig.base_z_m == pytest.approx(1.75)
    np.testing.assert_allclose(rig.up_camera, [0, -1, 0], atol=1e-12)


def test_rig_without_transforms_or_camera(tmp_path, caplog):
    placed = bags.read_recorded_rig(write_bag(tmp_path / 'a', leave_out=('/tf_static',)))
    assert set(placed.rig.camera_T) == {'event'}
    assert placed.unplaced == {'lidar': 'no_extrinsic', 'depth': 'no_extrinsic'}
    assert "lidar in frame 'lidar' is left out" in caplog.text
    with pytest.raises(BagError, match='no CameraInfo'):
        bags.read_rig(write_bag(tmp_path / 'b', leave_out=('/camera/camera_info',)))


def one_line(excinfo, *words):
    text = str(excinfo.value)
    assert '\n' not in text
    assert all(word in text for word in words), text


def test_missing_recording(tmp_path):
    with pytest.raises(BagError) as excinfo:
        list(bags.read_bag(tmp_path / 'none'))
    one_line(excinfo, 'none', 'no such recording')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(BagError) as excinfo:
        list(bags.read_bag(tmp_path / 'empty'))
    one_line(excinfo, 'metadata.yaml')


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('keep', [0, 10, 100])
def test_recording_of_which_nothing_is_left(tmp_path, storage, keep):
    path = write_bag(tmp_path / 'bag', storage)
    data = next(path.glob('bag.*'))
    data.write_bytes(data.read_bytes()[:keep])
    with pytest.raises(BagError) as excinfo:
        bags.bag_info(path)
    one_line(excinfo, 'bag', 'damaged')


@pytest.mark.parametrize('text', ['', '{', 'a: 1', 'rosbag2_bagfile_information: 3', '\0\1\2',
                                  'rosbag2_bagfile_information: {version: 99}'])
def test_damaged_metadata(tmp_path, text):
    path = write_bag(tmp_path / 'bag')
    (path / 'metadata.yaml').write_text(text)
    info = bags.bag_info(path)
    assert set(info.counts) == set(sample_messages())
    assert info.damage == ('metadata.yaml is damaged; the files are read without it',)
    assert len([m.message() for m in bags.read_bag(path)]) == 8


def test_lost_data_file(tmp_path):
    path = write_bag(tmp_path / 'bag')
    next(path.glob('*.mcap')).unlink()
    with pytest.raises(BagError):
        list(bags.read_bag(path))


def test_message_of_garbage_bytes(tmp_path):
    with bags.BagWriter(tmp_path / 'bag') as writer:
        writer.write_cdr('/camera/image', 'sensor_msgs/msg/Image', b'\0\1\0\0abc', 1)
    [recorded] = bags.read_bag(tmp_path / 'bag')
    with pytest.raises(BadMessageError, match='cdr'):
        recorded.message()


def test_label_images_of_which_one_is_garbage(tmp_path, caplog):
    ids = np.arange(12, dtype=np.uint8).reshape(3, 4)
    with bags.BagWriter(tmp_path / 'bag') as writer:
        writer.write_cdr('/label', 'sensor_msgs/msg/Image', b'\0\1\0\0abc', 1)
        writer.write('/label', bags.image_message(STAMP_NS, 'camera', ids, 'mono8'), 2)
        writer.write('/scan', sample_messages()['/lidar/points'], 3)
    [(stamp_ns, image)] = bags.read_label_images(tmp_path / 'bag', '/label').items()
    assert stamp_ns == STAMP_NS
    np.testing.assert_array_equal(image, ids)
    assert 'skipped a label image' in caplog.text
    with pytest.raises(BagError, match='/scan has sensor_msgs/msg/PointCloud2; allowed'):
        bags.read_label_images(tmp_path / 'bag', '/scan')


def test_writer_refuses(tmp_path):
    with pytest.raises(ConfigError, match='mcap, sqlite3'):
        bags.BagWriter(tmp_path / 'bag', 'rosbag1')
    path = write_bag(tmp_path / 'bag')
    with pytest.raises(BagError, match='exists'), bags.BagWriter(path):
        pass
    shutil.rmtree(path)
    with bags.BagWriter(path) as writer:
        with pytest.raises(BagError, match='object cannot be serialized'):
            writer.write('/a', object(), 0)
        with pytest.raises(BagError, match='nope'):
            writer.write_cdr('/a', 'nope/msg/Nope', b'', 0)
    with pytest.raises(BagError, match='not open'):
        writer.write_cdr('/a', 'sensor_msgs/msg/Image', b'', 0)
