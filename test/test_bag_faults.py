# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Faults on serialized messages: unchanged without a fault, right type, stamp and timing with."""

import math

import numpy as np
import pytest

from anymodal_seg_ros import bags
from anymodal_seg_ros.bags.faults import cdr_stamp_ns, with_cdr_stamp
from anymodal_seg_ros.bags.reading import default_typestore
from anymodal_seg_ros.corruption import FaultSchedule, ScheduledFault
from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.geometry import CameraModel
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.modalities.clouds import cloud_points
from anymodal_seg_ros.samples import EVENT_DTYPE

IMAGE, CLOUD = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/PointCloud2'
TYPES = {'rgb': IMAGE, 'depth': IMAGE, 'lidar': CLOUD, 'event': CLOUD}
S = 1_000_000_000


def sensor_data(modality, seed=0):
    rng = np.random.default_rng(seed)
    if modality == 'rgb':
        return rng.integers(1, 256, (24, 32, 3), dtype=np.uint8)
    if modality == 'depth':
        return rng.random((24, 32), dtype=np.float32) * 50 + 1
    if modality == 'lidar':
        return rng.random((200, 4), dtype=np.float32) * np.float32([20, 20, 2, 1])
    events = np.zeros(50, EVENT_DTYPE)
    events['x'], events['y'] = rng.integers(0, 32, 50), rng.integers(0, 24, 50)
    events['t_ns'] = 5 * S + np.arange(50) * 1000
    return events


def message(modality, stamp_ns, seed=0, data=None):
    data = sensor_data(modality, seed) if data is None else data
    if modality in ('rgb', 'depth'):
        built = bags.image_message(stamp_ns, 'frame', data,
                                   'rgb8' if modality == 'rgb' else '32FC1')
    elif modality == 'lidar':
        built = bags.cloud_message(stamp_ns, 'frame', data)
    else:
        built = bags.events_message(stamp_ns, 'frame', data)
    return bags.to_cdr(built)


def relay_with(modality, fault, severity=1.0, start_s=1.0, end_s=2.0):
    scheduled = ScheduledFault(name='f', modality=modality, fault=fault, start_s=start_s,
                               end_s=end_s, severity=severity)
    return bags.FaultRelay(FaultSchedule(seed=4, faults=(scheduled,)))


def decoded(modality, cdr):
    return MODALITIES[modality].decode(bags.from_cdr(cdr, TYPES[modality]))


@pytest.mark.parametrize('largest', [1.0, 255.0, 3300.0])
def test_a_faulty_scan_counts_intensities_as_the_sensor_does(largest):
    """Who listens has learnt the sensor's scale from the scans before."""
    relay = relay_with('lidar', 'sector_blockage', severity=0.5)
    rng = np.random.default_rng(1)
    scan = np.column_stack([rng.normal(0, 9, (3000, 3)), rng.random(3000) * largest])
    scan = scan.astype(np.float32)
    received = []
    for stamp_ns in range(5 * S, 8 * S, S // 10):
        cdr = bags.to_cdr(bags.cloud_message(stamp_ns, 'frame', scan))
        [out] = relay.relay('lidar', TYPES['lidar'], cdr)
        cloud = cloud_points(bags.from_cdr(out.cdr, TYPES['lidar']))
        received.append(np.sort(cloud['intensity'].ravel()))
    assert {len(one) for one in received[:10]} == {3000}
    assert all(len(one) < 3000 for one in received[10:20])
    for one in received:
        nearest = np.searchsorted(received[0], one).clip(0, 2999)
        below = np.abs(one - received[0][nearest - 1])
        assert (np.minimum(np.abs(one - received[0][nearest]), below) <= 1e-6 * largest).all()


@pytest.mark.parametrize('modality', TYPES)
def test_unchanged_before_and_after_the_fault(modality):
    relay = relay_with(modality, 'black')
    for stamp_ns in (5 * S, 5 * S + 999_999_999, 7 * S):
        cdr = message(modality, stamp_ns)
        [out] = relay.relay(modality, TYPES[modality], cdr)
        assert out.cdr is cdr
        assert out.delay_ns == 0


@pytest.mark.parametrize(('modality', 'fault', 'is_hit'), [
    ('rgb', 'black', lambda a, b: not b.any()),
    ('depth', 'black', lambda a, b: np.isnan(b).all()),
    ('lidar', 'black', lambda a, b: len(b) == 0),
    ('event', 'black', lambda a, b: len(b) == 0),
    ('rgb', 'overexposure', lambda a, b: (b == 255).mean() > 0.9),
    ('lidar', 'dropoff', lambda a, b: len(b) == 0),
    ('event', 'storm', lambda a, b: len(b) > 100_000),
])
def test_content_faults_keep_type_header_and_stamp(modality, fault, is_hit):
    relay = relay_with(modality, fault)
    relay.relay(modality, TYPES[modality], message(modality, 5 * S))
    cdr = message(modality, 6 * S + 7)
    [out] = relay.relay(modality, TYPES[modality], cdr)
    found = bags.from_cdr(out.cdr, TYPES[modality])
    assert (found.header.stamp.sec, found.header.stamp.nanosec) == (6, 7)
    assert found.header.frame_id == 'frame'
    assert is_hit(decoded(modality, cdr), decoded(modality, out.cdr))


@pytest.mark.parametrize('modality', TYPES)
def test_garbage_arrives_and_is_malformed(modality):
    relay = relay_with(modality, 'garbage', start_s=0.0)
    [out] = relay.relay(modality, TYPES[modality], message(modality, 5 * S))
    bags.from_cdr(out.cdr, TYPES[modality])
    with pytest.raises(BadMessageError):
        decoded(modality, out.cdr)


def test_frozen_sensor_repeats_content_under_new_stamps():
    relay = relay_with('rgb', 'freeze')
    outputs = []
    for i in range(25):
        [out] = relay.relay('rgb', IMAGE, message('rgb', 5 * S + i * S // 10, seed=i))
        assert cdr_stamp_ns(out.cdr) == 5 * S + i * S // 10
        outputs.append(decoded('rgb', out.cdr).tobytes())
    fresh = [sensor_data('rgb', i).tobytes() for i in range(25)]
    assert outputs == fresh[:10] + [fresh[10]] * 10 + fresh[20:]


def test_drop_silences_the_camera_info_too():
    info = bags.to_cdr(bags.camera_info_message(6 * S, 'frame', CameraModel.from_fov(8, 8, 90)))
    relay = relay_with('rgb', 'drop')
    assert len(relay.relay('rgb', IMAGE, message('rgb', 5 * S))) == 1
    assert relay.relay('rgb', IMAGE, message('rgb', 6 * S)) == []
    assert relay.relay_info('rgb', info) == []
    assert len(relay.relay_info('depth', info)) == 1
    assert len(relay.relay_info('rgb', with_cdr_stamp(info, 7 * S))) == 1


@pytest.mark.parametrize(('fault', 'delay_ns', 'shift_ns'), [
    ('delay', S // 2, 0), ('stamp_offset', 0, 5 * S)])
def test_delay_and_stamp_offset(fault, delay_ns, shift_ns):
    relay = relay_with('lidar', fault, severity=0.5)
    relay.relay('lidar', CLOUD, message('lidar', 5 * S))
    [out] = relay.relay('lidar', CLOUD, message('lidar', 6 * S))
    assert out.delay_ns == delay_ns
    assert cdr_stamp_ns(out.cdr) == 6 * S + shift_ns
    np.testing.assert_array_equal(decoded('lidar', out.cdr), sensor_data('lidar'))


def test_rate_division_passes_every_second():
    relay = relay_with('depth', 'rate_division', severity=0.5, start_s=0.0, end_s=9.0)
    passed = [len(relay.relay('depth', IMAGE, message('depth', 5 * S + i * S // 10)))
              for i in range(8)]
    assert passed == [1, 0] * 4


def test_transitions_carry_the_planned_moment():
    relay = relay_with('rgb', 'black')
    assert relay.newest_stamp_ns is None
    relay.relay('lidar', CLOUD, message('lidar', 5 * S))
    assert relay.update(5 * S) == []
    [begin] = relay.update(6 * S + 33)
    assert (begin.active, begin.stamp_ns, begin.fault.name) == (True, 6 * S, 'f')
    assert relay.update(6 * S + 66) == []
    [end] = relay.update(7 * S + 12)
    assert (end.active, end.stamp_ns) == (False, 7 * S)


def test_given_start_counts_instead_of_the_first_stamp():
    fault = ScheduledFault(name='f', modality='rgb', fault='drop', start_s=1.0, end_s=2.0)
    relay = bags.FaultRelay(FaultSchedule(faults=(fault,)), start_ns=4 * S)
    assert relay.relay('rgb', IMAGE, message('rgb', 5 * S)) == []


def test_a_fault_for_ever_ends_where_the_recording_starts_again():
    relay = relay_with('rgb', 'drop', start_s=1.0, end_s=math.inf)
    for stamp_ns in (5 * S, 7 * S):
        relay.relay('rgb', IMAGE, message('rgb', stamp_ns))
    [begin] = relay.update(7 * S)
    assert (begin.active, begin.stamp_ns) == (True, 6 * S)
    relay.relay('rgb', IMAGE, message('rgb', 5 * S))
    [end] = relay.update(5 * S)
    assert (end.active, end.stamp_ns) == (False, 5 * S)


def test_restart_of_the_recording_restarts_the_schedule():
    relay = relay_with('rgb', 'drop')
    for _ in range(2):
        passed = [len(relay.relay('rgb', IMAGE, message('rgb', 5 * S + i * S // 2)))
                  for i in range(6)]
        assert passed == [1, 1, 0, 0, 1, 1]


def test_live_faults_hold_until_replaced():
    relay = bags.FaultRelay(FaultSchedule())
    live = ScheduledFault(name='live', modality='event', fault='drop', start_s=0.0,
                          end_s=float('inf'))
    relay.set_live([live])
    assert relay.relay('event', CLOUD, message('event', 5 * S)) == []
    [transition] = relay.update(5 * S)
    assert (transition.fault, transition.active, transition.stamp_ns) == (live, True, 5 * S)
    relay.set_live([])
    assert len(relay.relay('event', CLOUD, message('event', 6 * S))) == 1
    [transition] = relay.update(6 * S)
    assert (transition.active, transition.stamp_ns) == (False, 6 * S)


def test_messages_that_cannot_be_read_pass_as_they_are(caplog):
    relay = relay_with('rgb', 'black', start_s=0.0)
    [out] = relay.relay('rgb', IMAGE, b'\0\1\0\0')
    assert out.cdr == b'\0\1\0\0'
    broken = message('rgb', 5 * S)[:60]
    [out] = relay.relay('rgb', IMAGE, broken)
    assert out.cdr == broken
    assert 'without its content faults' in caplog.text


def test_compressed_color_stays_compressed():
    import cv2
    data = cv2.imencode('.png', np.full((24, 32, 3), 200, np.uint8))[1]
    cdr = bags.to_cdr(bags.compressed_image_message(5 * S, 'frame', data, 'png'))
    relay = relay_with('rgb', 'black', start_s=0.0)
    [out] = relay.relay('rgb', 'sensor_msgs/msg/CompressedImage', cdr)
    found = bags.from_cdr(out.cdr, 'sensor_msgs/msg/CompressedImage')
    picture = MODALITIES['rgb'].decode(found)
    assert picture.shape == (24, 32, 3)
    assert not picture.any()


def test_stamps_are_limited_to_what_the_field_holds():
    cdr = message('rgb', 5 * S)
    assert cdr_stamp_ns(with_cdr_stamp(cdr, -3)) == 0
    assert cdr_stamp_ns(with_cdr_stamp(cdr, 2**62)) == 2**31 * S - 1
    with pytest.raises(BadMessageError, match='header'):
        cdr_stamp_ns(b'\0\1\0\0')


def test_definitions_are_read_before_the_first_fault():
    default_typestore.cache_clear()
    bags.FaultRelay(FaultSchedule())
    assert default_typestore.cache_info().currsize == 1
