# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every row of MODALITIES promises, and the same messages from rclpy and rosbags."""

import json

import numpy as np
import pytest

from anymodal_seg_ros.calibration import read_camera_info
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.geometry import CameraModel, Rig, optical_T_body
from anymodal_seg_ros.modalities import MODALITIES, network_size
from anymodal_seg_ros.samples import EVENT_DTYPE, Payload

RIG = Rig(camera=CameraModel.from_fov(60, 40, 90.0), camera_T={
    name: optical_T_body for name, row in MODALITIES.items() if row.payload is Payload.CLOUD})
CLOUD = np.dtype([(axis, '<f4') for axis in ('x', 'y', 'z', 'intensity')])
EVENTS = np.dtype([('x', '<u2'), ('y', '<u2'), ('t', '<i4'), ('p', 'u1')])
# By payload: pixels and encoding, or points, of a message with nothing and of one with something.
MESSAGES = {
    Payload.IMAGE: ((np.zeros((40, 60), np.uint8), 'mono8'),
                    (np.full((40, 60), 90, np.uint8), 'mono8')),
    Payload.DEPTH: ((np.zeros((40, 60), np.float32), '32FC1'),
                    (np.full((40, 60), 9.0, np.float32), '32FC1')),
    Payload.CLOUD: ((np.zeros(0, CLOUD),), (np.array([(9.0, 0.0, 0.0, 0.5)], CLOUD),)),
    Payload.EVENTS: ((np.zeros(0, EVENTS),),
                     (np.array([(i, i, i, 0) for i in range(30)], EVENTS),)),
}
DTYPES = {Payload.IMAGE: np.uint8, Payload.DEPTH: np.float32, Payload.CLOUD: np.float32,
          Payload.EVENTS: EVENT_DTYPE}
every_modality = pytest.mark.parametrize('name', MODALITIES)


def decoded(name, index, image_message, cloud_message):
    row = MODALITIES[name]
    message = MESSAGES[row.payload][index]
    return row.decode(image_message(*message) if len(message) > 1 else cloud_message(*message))


@pytest.fixture
def nothing(name, image_message, cloud_message):
    """What a message of this sensor without any measurement holds."""
    return decoded(name, 0, image_message, cloud_message)


@pytest.fixture
def something(name, image_message, cloud_message):
    return decoded(name, 1, image_message, cloud_message)


def test_the_modalities_begin_with_those_of_the_default_bundle_in_its_order():
    assert list(MODALITIES)[:4] == ['rgb', 'depth', 'lidar', 'event']
    assert [MODALITIES[name].is_camera_plane for name in list(MODALITIES)[:4]] \
        == [True, True, False, True]


@every_modality
def test_topics_and_forms(name):
    row = MODALITIES[name]
    others = [other for other in MODALITIES.values() if other is not row]
    assert row.argument not in [other.argument for other in others]
    topics = [form.topic_suffix for form in row.forms.values()]
    assert topics[0] == '', 'the first form is on the topic itself'
    assert len({*row.forms.values()}) == len(row.forms)
    if row.is_camera_plane:
        assert row.camera_info_topic == f'{row.topic.partition("/")[0]}/camera_info'
    else:
        assert row.camera_info_topic == ''


@every_modality
def test_settings_of_the_decoder_are_its_own(name):
    row = MODALITIES[name]
    given = {setting.name: setting.default for setting in row.decoder_settings}
    row.decoder_type(**given)
    for setting in row.decoder_settings:
        setting.range.check(setting.name, setting.default)
        with pytest.raises(ConfigError, match=setting.name):
            row.decoder_type(**{**given, setting.name: -1.0})
    assert set(row.shared_settings) <= set(row.default_settings())
    row.decoder_type(**{key: row.default_settings()[key] for key in row.shared_settings})


@every_modality
def test_data_have_the_form_of_the_payload(name, nothing, something):
    for data in (nothing, something):
        assert data.dtype == DTYPES[MODALITIES[name].payload]


@every_modality
def test_name_and_channels(name):
    modality = MODALITIES[name]
    assert modality.name == name
    assert all(kind.startswith('sensor_msgs/msg/') for kind in modality.message_types)
    assert len(set(modality.build_encoder({}).channel_names)) == 3


@every_modality
def test_settings_are_plain_json_and_build_the_same_encoder(name):
    modality = MODALITIES[name]
    defaults = modality.default_settings()
    assert json.loads(json.dumps(defaults)) == defaults
    changed = {key: value * 2 if key.startswith('max_') else value
               for key, value in defaults.items()}
    encoder = modality.build_encoder(json.loads(json.dumps(changed)))
    assert encoder.settings() == changed
    assert modality.build_encoder(encoder.settings()) == encoder


@every_modality
def test_left_out_settings_have_their_defaults(name):
    modality = MODALITIES[name]
    for key, value in modality.default_settings().items():
        assert modality.build_encoder({key: value}).settings() == modality.default_settings()


@every_modality
@pytest.mark.parametrize('key', ['gain', '_views', '_pixels', 'channel_names'])
def test_unknown_setting(name, key):
    with pytest.raises(ConfigError, match=rf"unknown setting '{key}' of the {name} encoder"):
        MODALITIES[name].build_encoder({key: 1})


@every_modality
@pytest.mark.parametrize('size_hw', [(32, 64), (40, 60), (96, 96)])
def test_encoded_shape_and_type(name, size_hw, nothing, something):
    encoder = MODALITIES[name].build_encoder({})
    for data in (nothing, something):
        image = encoder.encode(data, RIG, size_hw)
        assert image.shape == (*size_hw, 3)
        assert image.dtype == np.uint8
    assert image.any()


@every_modality
def test_nothing_is_black(name, nothing):
    assert not MODALITIES[name].build_encoder({}).encode(nothing, RIG, (32, 32)).any()


@every_modality
def test_encoding_leaves_its_input_alone_and_repeats(name, something):
    encoder = MODALITIES[name].build_encoder({})
    data = something.copy()
    data.setflags(write=False)
    first = encoder.encode(data, RIG, (32, 64))
    np.testing.assert_array_equal(encoder.encode(data, RIG, (32, 64)), first)
    np.testing.assert_array_equal(data, something)


@every_modality
def test_one_encoder_serves_changing_rigs_and_sizes(name, something):
    used = MODALITIES[name].build_encoder({})
    bent = CameraModel(width_px=60, height_px=40, K=RIG.camera.K, D=np.array([0.3, 0, 0, 0]))
    other = Rig(camera=bent, cameras={
        name: RIG.camera for name, row in MODALITIES.items() if row.is_camera_plane},
                camera_T=RIG.camera_T, base_z_m=0.7)
    for rig, size_hw in ((RIG, (32, 64)), (other, (32, 64)), (RIG, (64, 64)), (RIG, (32, 64))):
        fresh = MODALITIES[name].build_encoder({})
        np.testing.assert_array_equal(used.encode(something, rig, size_hw),
                                      fresh.encode(something, rig, size_hw))


@every_modality
def test_after_a_restart_nothing_from_before_is_gathered(name, nothing, something):
    decoder = MODALITIES[name].decoder_type()
    for data in (nothing, something, nothing):
        gathered = decoder.gather(data)
    assert gathered.dtype == something.dtype
    decoder.restart()
    np.testing.assert_array_equal(decoder.gather(nothing), nothing)


@pytest.mark.parametrize(('camera_hw', 'short_side_px', 'expected'), [
    ((512, 512), 256, (256, 256)), ((1042, 1042), 1024, (1024, 1024)),
    ((480, 640), 256, (256, 352)), ((1080, 1920), 256, (256, 448)),
    ((1920, 1080), 256, (448, 256)), ((400, 1600), 100, (96, 416)), ((10, 10), 5, (32, 32))])
def test_network_size(camera_hw, short_side_px, expected):
    assert network_size(camera_hw, short_side_px) == expected


def test_network_size_refuses_nothing():
    with pytest.raises(ConfigError, match='camera size'):
        network_size((0, 10), 256)
    with pytest.raises(ConfigError, match='long side'):
        network_size((2, 16384), 256)


def test_rclpy_image_is_decoded_without_a_copy():
    messages = pytest.importorskip('sensor_msgs.msg')
    rgb = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    message = messages.Image(height=4, width=6, encoding='rgb8', step=18, data=rgb.tobytes())
    decoded = MODALITIES['rgb'].decode(message)
    np.testing.assert_array_equal(decoded, rgb)
    assert np.shares_memory(decoded, np.frombuffer(message.data, np.uint8))


def test_rclpy_cloud_and_camera_info():
    messages = pytest.importorskip('sensor_msgs.msg')
    fields = [messages.PointField(name=name, offset=4 * index, datatype=7, count=1)
              for index, name in enumerate(('x', 'y', 'z', 'intensity'))]
    cloud = np.array([[1, 2, 3, 0.5], [4, 5, 6, 1.0]], np.float32)
    message = messages.PointCloud2(height=1, width=2, fields=fields, point_step=16, row_step=32,
                                   data=cloud.tobytes())
    np.testing.assert_array_equal(MODALITIES['lidar'].decode(message), cloud)
    info = messages.CameraInfo(height=40, width=60, distortion_model='plumb_bob', d=[0.0] * 5,
                               k=RIG.camera.K.reshape(-1))
    np.testing.assert_array_equal(read_camera_info(info).K, RIG.camera.K)


def test_rosbags_messages():
    typesys = pytest.importorskip('rosbags.typesys')
    store = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)
    types = store.types
    stamp = types['builtin_interfaces/msg/Time'](sec=5, nanosec=0)
    header = types['std_msgs/msg/Header'](stamp=stamp, frame_id='camera')
    depth_m = np.array([[1.0, 0.0], [2.5, np.inf]], np.float32)
    message = types['sensor_msgs/msg/Image'](
        header=header, height=2, width=2, encoding='32FC1', is_bigendian=0, step=8,
        data=depth_m.reshape(-1).view(np.uint8))
    kind = 'sensor_msgs/msg/Image'
    read = store.deserialize_cdr(store.serialize_cdr(message, kind), kind)
    np.testing.assert_array_equal(MODALITIES['depth'].decode(read), [[1, np.nan], [2.5, np.nan]])
    field = types['sensor_msgs/msg/PointField']
    events = np.zeros(2, [('x', '<u2'), ('y', '<u2'), ('t', '<f8'), ('pol', 'i1')])
    events['t'] = [4.9e9, 5e9]
    kind = 'sensor_msgs/msg/PointCloud2'
    message = types[kind](
        header=header, height=1, width=2, is_bigendian=False, point_step=13, row_step=26,
        is_dense=True, data=np.frombuffer(events.tobytes(), np.uint8),
        fields=[field(name=name, offset=offset, datatype=datatype, count=1)
                for name, offset, datatype in (('x', 0, 4), ('y', 2, 4), ('t', 4, 8),
                                               ('pol', 12, 1))])
    read = store.deserialize_cdr(store.serialize_cdr(message, kind), kind)
    decoded = MODALITIES['event'].decode(read)
    assert decoded['t_ns'].tolist() == [4_900_000_000, 5_000_000_000]
