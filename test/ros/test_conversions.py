# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Arrays to messages and back, and how they are filled."""

import array
import json

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image, PointField

from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.labels import load_label_space
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.modalities.clouds import cloud_points
from anymodal_seg_ros.modalities.images import decode_color
from anymodal_seg_ros.ros import conversions
from anymodal_seg_ros.ros.conversions import (
    SEMANTIC_POINT,
    decode_sample,
    image_to_message,
    label_info_message,
    ns_to_stamp,
    semantic_cloud_to_message,
    semantic_points,
    stamp_to_ns,
    to_byte_array,
)


@pytest.mark.parametrize('stamp_ns', [0, 1, 999_999_999, 1_700_000_000_123_456_789, -1])
def test_a_stamp_survives_the_round_trip(stamp_ns):
    assert stamp_to_ns(ns_to_stamp(stamp_ns)) == stamp_ns


def test_a_stamp_with_too_many_nanoseconds_is_refused():
    with pytest.raises(BadMessageError, match='nanosec is 1000000000') as caught:
        stamp_to_ns(Time(sec=1, nanosec=1_000_000_000))
    assert caught.value.field == 'header.stamp'


def test_data_is_an_array_of_the_bytes_in_row_order():
    transposed = np.arange(6, dtype=np.uint8).reshape(2, 3).T
    data = to_byte_array(transposed)
    assert type(data) is array.array
    assert data.typecode == 'B'
    assert data.tolist() == [0, 3, 1, 4, 2, 5]


def test_message_data_is_never_assigned_from_an_ndarray_or_bytes(monkeypatch):
    assigned = []

    class Recorder(Image):
        def __init__(self, **fields):
            assigned.append(type(fields['data']))
            super().__init__(**fields)

    monkeypatch.setattr(conversions, 'Image', Recorder)
    image_to_message(np.zeros((4, 6), np.uint8), 'mono8', 0, 'camera')
    assert assigned == [array.array]


def test_an_rgb_image_reads_back_the_same():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    message = image_to_message(image, 'rgb8', 2_000_000_003, 'camera')
    assert (message.height, message.width, message.step) == (5, 7, 21)
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (2, 3)
    assert message.header.frame_id == 'camera'
    np.testing.assert_array_equal(decode_color(message), image)


def test_a_label_image_keeps_its_ids():
    labels = np.array([[0, 24, 255], [7, 1, 2]], np.uint8)
    message = image_to_message(labels, 'mono8', 0, 'camera')
    assert message.encoding == 'mono8'
    np.testing.assert_array_equal(np.frombuffer(message.data, np.uint8).reshape(2, 3), labels)


@pytest.mark.parametrize(('shape', 'dtype', 'encoding'), [
    ((4, 4, 3), np.uint8, 'mono8'),
    ((4, 4), np.uint8, 'rgb8'),
    ((4, 4), np.int64, 'mono8'),
])
def test_an_array_that_does_not_fit_the_encoding_is_refused(shape, dtype, encoding):
    with pytest.raises(ValueError, match='cannot hold'):
        image_to_message(np.zeros(shape, dtype), encoding, 0, '')


def test_an_organised_cloud_holds_coordinates_colour_and_label():
    palette = np.zeros((256, 3), np.uint8)
    palette[3] = (1, 2, 3)
    xyz = np.arange(18, dtype=np.float32).reshape(2, 3, 3)
    xyz[1, 2] = np.nan
    labels = np.array([[3, 0, 3], [0, 3, 255]], np.uint8)
    message = semantic_cloud_to_message(semantic_points(xyz, labels, palette), 5, 'camera')
    assert (message.height, message.width) == (2, 3)
    assert (message.point_step, message.row_step) == (20, 60)
    assert message.is_dense is False
    points = cloud_points(message)
    np.testing.assert_array_equal(points['z'].reshape(2, 3), xyz[..., 2])
    np.testing.assert_array_equal(points['label'].reshape(2, 3), labels)
    assert points['rgb'].reshape(2, 3)[0, 0].view(np.uint32) == 0x010203
    datatypes = {field.name: field.datatype for field in message.fields}
    assert datatypes['rgb'] == PointField.FLOAT32
    assert datatypes['label'] == PointField.UINT8


def test_an_empty_cloud_is_a_valid_message():
    message = semantic_cloud_to_message(np.zeros(0, SEMANTIC_POINT), 0, 'camera')
    assert (message.height, message.width, len(message.data)) == (1, 0, 0)
    assert message.is_dense is True


def test_label_info_names_every_class():
    space = load_label_space('deliver')
    message = label_info_message(space, 0, 'camera')
    if conversions.LabelInfo is None:
        content = json.loads(message.data)
        assert [entry['name'] for entry in content['classes']] == list(space.class_names)
        assert content['unlabelled'] == 255
    else:
        found = {entry.class_id: entry.class_name for entry in message.class_map}
        assert found == dict(enumerate(space.class_names))


def test_a_message_becomes_a_sample_with_both_times():
    image = np.full((4, 6, 3), 9, np.uint8)
    message = image_to_message(image, 'rgb8', 1_500_000_000, '/camera')
    sample = decode_sample('rgb', message, 1_600_000_000, MODALITIES['rgb'])
    assert (sample.modality, sample.frame_id) == ('rgb', 'camera')
    assert (sample.stamp_ns, sample.received_ns) == (1_500_000_000, 1_600_000_000)
    np.testing.assert_array_equal(sample.data, image)
