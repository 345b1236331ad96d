# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A sensor that the default bundle has not: a thermal camera through a real node."""

import itertools

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from ros_streams.fault_run import values_of
from ros_streams.tiny_bundle import write_tiny_bundle
from sensor_msgs.msg import CameraInfo, Image

from anymodal_seg_ros import bags
from anymodal_seg_ros.geometry import CameraModel
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.ros.conversions import header, image_to_message, to_byte_array

pytestmark = [pytest.mark.slow, pytest.mark.alone]

NODE = '/anymodal_seg'
PARAMETERS = {'camera.width_px': 64, 'camera.height_px': 48, 'camera.horizontal_fov_deg': 90.0,
              'model.num_threads': 1}


@pytest.fixture(scope='module')
def bundle(tmp_path_factory):
    return write_tiny_bundle(tmp_path_factory.mktemp('bundles') / 'thermal', 32,
                             modalities=('rgb', 'thermal'))


class Cameras:
    """A camera and a thermal camera with a lens of its own, at 10 Hz."""

    def __init__(self, probe):
        self.rng = np.random.default_rng(0)
        self.clock = probe.node.get_clock()
        self.rgb = probe.publisher(Image, 'camera/image')
        self.thermal = probe.publisher(Image, 'thermal/image')
        self.info = probe.publisher(CameraInfo, 'thermal/camera_info')
        self.sends_rgb = True
        probe.node.create_timer(0.1, self.send)

    def send(self):
        stamp_ns = self.clock.now().nanoseconds
        if self.sends_rgb:
            self.rgb.publish(image_to_message(
                self.rng.integers(0, 256, (48, 64, 3), np.uint8), 'rgb8', stamp_ns, 'camera'))
        focal = 90.0
        self.info.publish(CameraInfo(
            header=header(stamp_ns, 'thermal'), width=80, height=60, distortion_model='plumb_bob',
            d=[0.0] * 5, k=[focal, 0.0, 39.5, 0.0, focal, 29.5, 0.0, 0.0, 1.0]))
        counts = self.rng.integers(29_000, 31_000, (60, 80), np.uint16)
        self.thermal.publish(Image(
            header=header(stamp_ns, 'thermal'), height=60, width=80, encoding='mono16',
            step=160, data=to_byte_array(counts)))


def used_in(messages):
    return [tuple(status.name for status in message.status
                  if values_of(status).get('used') == 'true') for message in messages]


def test_it_is_labelled_with_the_camera_and_goes_on_alone(start_node, probe, bundle):
    node = start_node('segmentation_node', params={
        **PARAMETERS, 'bundle': str(bundle), 'inputs.thermal.low': 29_000.0,
        'inputs.thermal.high': 31_000.0,
        'extrinsics.thermal': [0.05, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]})
    fusion = probe.subscribe(DiagnosticArray, f'{NODE}/fusion_info')
    diagnostics = probe.subscribe(DiagnosticArray, '/diagnostics')
    labels = probe.subscribe(Image, f'{NODE}/label')
    cameras = Cameras(probe)
    probe.spin_until(lambda: ('rgb', 'thermal') in used_in(fusion), what='both')
    cameras.sends_rgb = False
    probe.spin_until(lambda: used_in(fusion[-3:]) == [('thermal',)] * 3, what='thermal alone')
    assert (labels[-1].height, labels[-1].width) == (48, 64)
    told = [values_of(status) for message in diagnostics for status in message.status
            if values_of(status).get('modality') == 'thermal']
    assert told[-1]['state'] == 'ok'
    assert told[-1]['extrinsic_source'] == 'parameters'
    assert told[-1]['intrinsics_source'] == 'camera_info'
    node.stop()


def test_a_node_without_it_takes_no_notice(start_node, probe, tiny_bundle):
    node = start_node('segmentation_node', params={**PARAMETERS, 'bundle': str(tiny_bundle)})
    probe.spin_until(lambda: probe.node.count_subscribers('/camera/image'), what=node.output)
    diagnostics = probe.subscribe(DiagnosticArray, '/diagnostics')
    told = probe.spin_until(lambda: diagnostics) or diagnostics[-1]
    row = MODALITIES['thermal']
    topics = (f'/{row.topic}{form.topic_suffix}' for form in row.forms.values())
    for topic in itertools.chain(topics, [f'/{row.camera_info_topic}']):
        assert probe.node.count_subscribers(topic) == 0, topic
    assert {values_of(status).get('modality') for status in told.status} - {None} == {
        'rgb', 'depth', 'lidar', 'event'}
    node.stop()


def test_a_bundle_without_it_reads_nothing_of_it_from_a_recording(start_node, probe, tmp_path):
    rgb_only = write_tiny_bundle(tmp_path / 'rgb', 32, modalities=('rgb',))
    with bags.BagWriter(tmp_path / 'bag') as writer:
        writer.write('/camera/camera_info', bags.camera_info_message(
            1, 'camera', CameraModel.from_fov(64, 48, 90.0)), 1)
        writer.write('/thermal/image', bags.image_message(
            1, 'thermal', np.zeros((60, 80, 3), np.uint8), 'rgb8'), 1)
    node = start_node('segmentation_node', params={
        'bundle': str(rgb_only), 'extrinsics_bag': str(tmp_path / 'bag'), 'model.num_threads': 1})
    probe.spin_until(lambda: 'ready' in node.output)
    assert 'thermal' not in node.output
    node.stop()
