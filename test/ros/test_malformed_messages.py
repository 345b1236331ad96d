# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Broken messages of every kind to a running node: counted, named, dropped; the node lives."""

import array
import copy
import math
import struct
import time
import zlib
from itertools import pairwise

import numpy as np
import pytest
from ros_streams.fault_run import FaultRun, node_parameters
from ros_streams.scene import Scene, camera_info, header
from sensor_msgs.msg import CameraInfo, CompressedImage, PointField

pytestmark = [pytest.mark.slow, pytest.mark.alone]

SCENE = Scene()


def changed(message, **fields):
    message = copy.deepcopy(message)
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def clean(modality):
    return SCENE.message(modality, 1, time.time_ns())


def nan_cloud(modality):
    message = clean(modality)
    points = np.frombuffer(message.data, np.float32).copy()
    points[:] = math.nan
    message.data = array.array('B', points.tobytes())
    return message


def field(name, offset, datatype, count=1):
    return PointField(name=name, offset=offset, datatype=datatype, count=count)


def at(modality, seconds):
    message = clean(modality)
    message.header = header(int(seconds * 1e9), message.header.frame_id)
    return message


EMPTY = array.array('B')
LAST_SECOND = 2**31 - 1
"""A header's stamp cannot lie later than this, in 2038."""
IMAGES = {
    'step too small': lambda m: changed(clean(m), step=10),
    'step zero': lambda m: changed(clean(m), step=0),
    'step absurd': lambda m: changed(clean(m), step=2**32 - 1),
    'no data': lambda m: changed(clean(m), data=EMPTY),
    'short data': lambda m: changed(clean(m), data=clean(m).data[:-1]),
    'unknown encoding': lambda m: changed(clean(m), encoding='plaid9'),
    'empty encoding': lambda m: changed(clean(m), encoding=''),
    'zero height': lambda m: changed(clean(m), height=0),
    'zero width': lambda m: changed(clean(m), width=0),
    'absurd size': lambda m: changed(clean(m), height=2**32 - 1, width=2**32 - 1),
    'too large': lambda m: changed(clean(m), height=60_000, width=60_000),
    'absurd size without data': lambda m: changed(
        clean(m), height=2**31, width=0, step=0, data=EMPTY),
    'from 1970': lambda m: at(m, 0),
    'from before 1970': lambda m: at(m, -5),
    'from 2038': lambda m: at(m, LAST_SECOND),
}
CLOUDS = {
    'no fields': lambda m: changed(clean(m), fields=[]),
    'a field missing': lambda m: changed(clean(m), fields=clean(m).fields[1:]),
    'a field beyond the step': lambda m: changed(
        clean(m), fields=[*clean(m).fields[1:], field('x', 4_000_000, PointField.FLOAT32)]),
    'an unknown datatype': lambda m: changed(
        clean(m), fields=[*clean(m).fields[1:], field('x', 0, 77)]),
    'an absurd count': lambda m: changed(
        clean(m), fields=[*clean(m).fields[1:], field('x', 0, PointField.FLOAT32, 2**31)]),
    'point_step zero': lambda m: changed(clean(m), point_step=0),
    'row_step too small': lambda m: changed(clean(m), row_step=3),
    'short data': lambda m: changed(clean(m), data=clean(m).data[:-1]),
    'absurd size': lambda m: changed(clean(m), height=2**32 - 1, width=2**32 - 1),
    'from 1970': lambda m: at(m, 0),
    'from 2038': lambda m: at(m, LAST_SECOND),
}
CASES = {
    'rgb': IMAGES,
    'depth': {**IMAGES, 'an encoding of colour': lambda m: changed(clean(m), encoding='rgb8')},
    'lidar': {
        **CLOUDS,
        'only NaN': nan_cloud,
        'no points': lambda m: changed(clean(m), width=0, row_step=0, data=EMPTY),
    },
    'event': {**CLOUDS, 'from before 1970': lambda m: at(m, -5)},
}


def camera_infos():
    good = camera_info(time.time_ns())
    return [
        changed(good, k=[0.0] * 9, p=[0.0] * 12), changed(good, k=[math.nan] * 9),
        changed(good, k=[1e300] * 9), changed(good, width=0),
        changed(good, k=[32.0, 0.0, 31.5, 0.0, 5e-324, 31.5, 0.0, 0.0, 1.0], binning_y=2),
        changed(good, height=2**32 - 1), changed(good, distortion_model='mirror'),
        changed(good, d=[math.inf] * 5), changed(good, d=[1.0] * 7),
    ]


def wide_camera_info(width, height):
    """Of a sensor larger than any: possible, and all of it is set up when it comes."""
    focal = width / 2
    k = [focal, 0.0, (width - 1) / 2, 0.0, focal, (height - 1) / 2, 0.0, 0.0, 1.0]
    return changed(camera_info(time.time_ns()), width=width, height=height, k=k, p=[0.0] * 12,
                   d=[0.05, -0.02, 0.001, 0.001, 0.0])


def png_with_a_chunk_of(length):
    """A header of 64 x 64 grey pixels, then image data that says it has so many bytes."""
    size = struct.pack('>IIBBBBB', 64, 64, 16, 0, 0, 0, 0)
    head = struct.pack('>I4s', len(size), b'IHDR') + size
    return (b'\x89PNG\r\n\x1a\n' + head + struct.pack('>I', zlib.crc32(head[4:]))
            + struct.pack('>I4s', length, b'IDAT') + bytes(200))


def rejected(run, modality):
    return int(run.parts[modality]['num_rejected'])


@pytest.mark.timeout(180)
def test_every_malformed_message_is_counted_and_the_node_lives(
        start_node, ros_domain, tiny_bundle):
    node = start_node('segmentation_node', params={
        **node_parameters(tiny_bundle), 'diagnostics.rate_hz': 20.0})
    run = FaultRun(ros_domain)
    try:
        assert run.wait_until_all_ok(60), f'{run.states}\n{node.output}'
        for modality, cases in CASES.items():
            # The broken messages come alone; the other sensors go on.
            run.streams[modality].fault = 'stop'
            run.run_for(0.3)
            before = rejected(run, modality)
            for number, (name, make) in enumerate(cases.items(), start=1):
                run.publish(modality, make(modality))
                counted = run.run_until(
                    lambda m=modality, n=before + number: rejected(run, m) >= n, 5.0)
                assert counted, f'{name} of {modality} was not counted\n{node.output}'
                assert rejected(run, modality) == before + number, name
                assert node.is_running, f'{name} of {modality}\n{node.output}'
            run.streams[modality].fault = None
            assert run.run_until(lambda m=modality: run.states[m][0] == 'ok', 10.0), run.states
        for info in camera_infos():
            run.publish_camera_info(info)
            run.run_for(0.1)
        assert run.run_until(lambda: int(run.parts['rgb']['num_rejected_camera_info'])
                             == len(camera_infos()), 5.0)
        of_events = run.node.create_publisher(CameraInfo, 'events/camera_info', 10)
        assert run.run_until(lambda: of_events.get_subscription_count() > 0, 10.0)
        for width, height in ((8192, 8192), (4096, 3072)):
            of_events.publish(wide_camera_info(width, height))
            assert run.run_until(lambda size=f'{width}x{height}': size == run.parts['event'].get(
                'calibration_size'), 10.0), run.parts['event']
            num_labels = len(run.labels)
            assert run.run_until(lambda n=num_labels: len(run.labels) >= n + 5, 10.0)
        reasons = {key for part in CASES for key in run.parts[part] if key.startswith('rejected.')}
    finally:
        run.close()
    assert {'rejected.bad_step', 'rejected.bad_encoding', 'rejected.bad_data',
            'rejected.stamp_future', 'rejected.scan_empty'} <= reasons
    # The decoders know each of these by name.
    assert 'rejected.undecodable' not in reasons
    node.stop()
    arrivals = [at_s for at_s, _ in run.labels]
    assert max(b - a for a, b in pairwise(arrivals)) < 1.0


@pytest.mark.timeout(120)
def test_garbage_in_compressed_messages_is_counted(start_node, ros_domain, tiny_bundle):
    node = start_node('segmentation_node', params={
        **node_parameters(tiny_bundle), 'diagnostics.rate_hz': 20.0,
        'inputs.rgb.form': 'compressed', 'inputs.depth.form': 'compressed'})
    run = FaultRun(ros_domain)
    topics = {'rgb': 'camera/image/compressed', 'depth': 'depth/image/compressedDepth'}
    noise = np.random.default_rng(0).integers(0, 256, 500, np.uint8).tobytes()
    formats = {'rgb': 'rgb8; jpeg compressed bgr8', 'depth': '32FC1; compressedDepth png'}
    try:
        for stream in ('rgb', 'depth'):
            run.streams[stream].fault = 'stop'
        assert run.run_until(lambda: len(run.parts) >= 4, 60.0), node.output
        for modality, topic in topics.items():
            publisher = run.node.create_publisher(CompressedImage, topic, 10)
            assert run.run_until(lambda p=publisher: p.get_subscription_count() > 0, 10.0)
            bomb = png_with_a_chunk_of(0xFFFFFFD3)
            payloads = [b'', b'\x00' * 12, noise, b'\xff\xd8\xff\xe0' + noise,
                        b'\x89PNG\r\n\x1a\n' + noise, b'\x00' * 12 + b'\x89PNG\r\n\x1a\n' + noise,
                        bomb, b'\x00' * 12 + bomb]
            for number, payload in enumerate(payloads, start=1):
                publisher.publish(CompressedImage(
                    header=header(time.time_ns()), format=formats[modality],
                    data=array.array('B', payload)))
                assert run.run_until(
                    lambda m=modality, n=number: rejected(run, m) == n, 5.0), (modality, payload)
    finally:
        run.close()
    node.stop()
