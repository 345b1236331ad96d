# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node inside the test's process, around a network that answers as the test wants."""

import logging
import threading
import time
from collections import Counter
from dataclasses import replace
from itertools import count
from operator import attrgetter

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import Log
from rclpy.logging import LoggingSeverity
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from ros_streams.fault_run import values_of
from ros_streams.scene import LIDAR_POSE, SIZE_PX, Scene, camera_info, image_message
from rosgraph_msgs.msg import Clock as ClockMessage
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from anymodal_seg_ros.bundle.weights import load_bundle
from anymodal_seg_ros.geometry import CameraModel, Rig, transform_from_quaternion
from anymodal_seg_ros.labels import load_label_space
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.ros import guard, outputs, segmentation_node
from anymodal_seg_ros.ros.clock_watch import ClockPhase, ClockState
from anymodal_seg_ros.ros.conversions import LABEL_INFO_TYPE, decode_sample, ns_to_stamp
from anymodal_seg_ros.ros.diagnostics import modality_status
from anymodal_seg_ros.ros.inputs import AdaptiveSubscription, NamedQos
from anymodal_seg_ros.ros.outputs import OutputPublishers, labelled_cloud, overlay
from anymodal_seg_ros.ros.qos import LATCHED, fallback_qos, input_qos
from anymodal_seg_ros.samples import HealthReport, HealthState, Prediction, SampleSet
from anymodal_seg_ros.session import Labelled, PlacedSet

pytestmark = [pytest.mark.slow, pytest.mark.alone]

SCENE = Scene()
NODE = '/anymodal_seg'
PALETTE = load_label_space('deliver').palette()


class FakeSegmenter:
    """Labels everything 7; raises while ``error`` is set; waits while ``busy`` is."""

    description = 'fake'

    def __init__(self, bundle):
        self.bundle = bundle
        self.error = None
        self.seen = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.warmed_up = []

    def warm_up(self, size_hw, out_hw):
        self.warmed_up.append((size_hw, out_hw))

    def forget(self):
        """Has nothing to forget."""

    def predict(self, images, out_hw):
        self.go_on.wait(20)
        if self.error is not None:
            raise self.error
        self.seen.append(frozenset(images))
        return np.full(out_hw, 7, np.uint8), np.full(out_hw, 200, np.uint8)


class Bench:
    """A node, its network and a probe that share one executor."""

    def __init__(self, probe, node, segmenter):
        self.probe, self.node, self.segmenter = probe, node, segmenter
        self.parts, self.labels, self.fusion = {}, [], []
        probe.node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        probe.node.create_subscription(Image, f'{NODE}/label', self.labels.append, 10)
        probe.node.create_subscription(
            DiagnosticArray, f'{NODE}/fusion_info', self.fusion.append, 10)
        self.publishers = {
            'rgb': probe.publisher(Image, 'camera/image'),
            'depth': probe.publisher(Image, 'depth/image'),
            'lidar': probe.publisher(PointCloud2, 'lidar/points'),
            'rgb_info': probe.publisher(CameraInfo, 'camera/camera_info'),
            'depth_info': probe.publisher(CameraInfo, 'depth/camera_info'),
        }
        probe.executor.add_node(node)
        off = {name for name in MODALITIES
               if not node.get_parameter(f'inputs.{name}.enabled').value}
        probe.spin_until(lambda: all(
            publisher.get_subscription_count()
            for name, publisher in self.publishers.items() if name not in off))

    def _on_diagnostics(self, message):
        for status in message.status:
            self.parts[status.name.partition(': ')[2]] = (status, values_of(status))

    def count(self, name):
        return int(self.parts.get('inference', (None, {}))[1].get(name, 0))

    def send(self, modality, step=0):
        self.publishers[modality].publish(SCENE.message(modality, step, time.time_ns()))

    def send_until(self, modality, predicate):
        """Keep a sensor speaking until something comes true."""
        step = 0
        while not predicate():
            assert step < 200
            self.send(modality, step)
            self.probe.spin_for(0.02)
            step += 1


@pytest.fixture()
def bench(probe, tiny_bundle, monkeypatch):
    nodes = []

    def start(**params):
        segmenter = FakeSegmenter(load_bundle(tiny_bundle)[0])
        monkeypatch.setattr(segmentation_node, 'build_segmenter', lambda *a, **k: segmenter)
        params = {'bundle': str(tiny_bundle), 'diagnostics.rate_hz': 20.0, **params}
        node = segmentation_node.SegmentationNode(
            context=probe.context,
            parameter_overrides=[Parameter(name, value=value) for name, value in params.items()])
        nodes.append((node, segmenter))
        return Bench(probe, node, segmenter)

    yield start
    defects = Counter()
    for node, segmenter in nodes:
        segmenter.go_on.set()
        defects += node.guard.counts
        node.destroy_node()
    assert not defects


def test_a_sensor_that_began_switched_off_is_switched_on_with_all_that_was_set_with_it(bench):
    bench = bench(**{'inputs.depth.enabled': False})
    node = bench.node
    done = node.set_parameters_atomically([
        Parameter('inputs.depth.enabled', value=True), Parameter('sync.max_wait_s', value=0.3)])
    assert done.successful
    assert node._session.pipeline.synchronizer._max_wait_ns == 300_000_000
    bench.publishers['depth_info'].publish(camera_info(time.time_ns()))
    bench.send_until('depth', lambda: bench.parts.get('depth', (None, {}))[1].get('state') == 'ok')


DEFECTS = {
    'the rig': ('_keeper', 'on_sample', 'lidar'),
    'health': ('_session.pipeline.health', 'observe', 'lidar'),
    'a calibration': ('_keeper', 'on_camera_info', 'rgb camera info'),
    'advice': ('_reporter.advisor', 'look', 'advice'),
    'the log': ('_state_log', 'write', 'state log'),
    'a silent input': ('_keeper', 'refresh', 'once in a while'),
    'the passing of time': ('_session.pipeline.synchronizer', 'expire', 'poll'),
    'a status': ('_keeper', 'calibration_error', 'diagnostics'),
}


def concerns(source, arguments):
    """Whether a call is about that sensor; those without a sensor are about all."""
    return source not in MODALITIES or source == getattr(arguments[0], 'modality', arguments[0])


def test_a_defect_in_the_receiving_thread_is_counted_and_shown_and_labels_go_on(
        bench, monkeypatch):
    bench = bench(**{'camera.width_px': SIZE_PX, 'camera.height_px': SIZE_PX,
                     'camera.horizontal_fov_deg': 90.0, 'extrinsics.lidar': LIDAR_POSE})
    node = bench.node
    bench.send_until('rgb', lambda: len(bench.labels) >= 2 and 'receiving' in bench.parts)
    for name, (owner, method, source) in DEFECTS.items():
        target = attrgetter(owner)(node)
        whole = getattr(target, method)

        def fail(*arguments, whole=whole, source=source):
            if concerns(source, arguments):
                raise IndexError('list index out of range')
            return whole(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(target, method, fail)
            num_labels = len(bench.labels)

            def is_shown(key=f'failures.{source}', num_labels=num_labels):
                bench.send('lidar', len(bench.labels))
                bench.publishers['rgb_info'].publish(camera_info(time.time_ns()))
                shown = bench.parts['receiving'][1].get(key, '0')
                return int(shown) >= 2 and len(bench.labels) >= num_labels + 2

            bench.send_until('rgb', is_shown)
            status, values = bench.parts['receiving']
            assert status.level == DiagnosticStatus.ERROR, name
            assert 'IndexError: list index out of range' in values['last_failure'], name
            if source == 'lidar':
                bench.send_until('lidar', lambda: bench.parts['lidar'][1]['reason'] == 'defect')
        assert node.guard.counts[source] >= 2, name
    received, rejected = (int(bench.parts['lidar'][1][key])
                          for key in ('num_received', 'rejected.defect'))
    assert 2 <= rejected <= received
    assert set(node.guard.counts) == {source for _, _, source in DEFECTS.values()}
    monkeypatch.setattr(guard, 'RECENT_NS', 0)
    bench.probe.spin_until(
        lambda: bench.parts['receiving'][0].level == DiagnosticStatus.OK)
    node.guard.counts.clear()


def test_a_defect_in_one_set_costs_that_set(bench, monkeypatch):
    bench = bench()
    bench.send_until('rgb', lambda: len(bench.labels) >= 2)
    with monkeypatch.context() as patch:
        patch.setattr(bench.node._session, 'place', lambda *args: {}['rgb'])
        bench.send_until('rgb', lambda: bench.count('sets_discarded') >= 2)
    assert bench.node.guard.counts['set'] >= bench.count('sets_discarded')
    num_labels = len(bench.labels)
    bench.send_until('rgb', lambda: len(bench.labels) >= num_labels + 2)
    bench.node.guard.counts.clear()


class FailingEncoder:
    def encode(self, *args):
        raise IndexError('index 7 is out of bounds')


def test_an_encoder_that_fails_costs_its_sensor_and_is_shown(bench):
    bench = bench()
    node, session = bench.node, bench.node._session
    encoders = session.pipeline.encoders
    whole, encoders['lidar'] = dict(encoders), FailingEncoder()
    done = labelled('rgb', 'lidar')

    def infer(*stamps_ns):
        for stamp_ns in stamps_ns:
            samples = {name: replace(sample, stamp_ns=stamp_ns)
                       for name, sample in done.sample_set.samples.items()}
            node._labelling._infer(PlacedSet(
                sample_set=replace(done.sample_set, samples=samples, stamp_ns=stamp_ns),
                rig=done.rig, reports=session.pipeline.health.reports(0), epoch=0))
        statuses = node._reporter.sensor_statuses(1, ClockState(ClockPhase.RUNNING))
        return {status.name.partition(': ')[2]: status for status in statuses}

    statuses = infer(1, 2, 3)
    assert statuses['lidar'].level == DiagnosticStatus.ERROR
    assert statuses['lidar'].message.endswith('; IndexError: index 7 is out of bounds')
    values = values_of(statuses['lidar'])
    assert values['encoder_failure'] == 'IndexError: index 7 is out of bounds'
    assert values['rejected.encoder_failed'] == '3'
    assert 'encoder_failure' not in values_of(statuses['rgb'])
    assert bench.segmenter.seen == [frozenset({'rgb'})] * 3
    bench.probe.spin_until(lambda: len(bench.fusion) == len(bench.labels) == 3)
    content = {status.name: values_of(status) for status in bench.fusion[-1].status}
    assert (content['lidar']['used'], content['lidar']['reason']) == ('false', 'encoder_failed')
    encoders['rgb'] = FailingEncoder()
    infer(4, 5)
    status = node._stats.to_status('', '')
    assert status.level == DiagnosticStatus.ERROR
    assert status.message == 'inference fails: RuntimeError: no sensor of the set could be encoded'
    assert values_of(status)['failures'] == '2'
    encoders.update(whole)
    assert 'encoder_failure' not in values_of(infer(6, 7, 8)['lidar'])
    assert bench.segmenter.seen[3:] == [frozenset({'rgb', 'lidar'})] * 3


def test_a_parameter_that_cannot_be_applied_is_refused_and_not_kept(bench, monkeypatch):
    bench = bench()
    with monkeypatch.context() as patch:
        patch.setattr(bench.node._session.pipeline, 'reconfigure', lambda *args, **kwargs: 1 / 0)
        [result] = bench.node.set_parameters([Parameter('sync.max_wait_s', value=0.2)])
    assert not result.successful
    assert 'ZeroDivisionError' in result.reason
    assert bench.node.get_parameter('sync.max_wait_s').value != 0.2
    [result] = bench.node.set_parameters([Parameter('sync.max_wait_s', value=0.2)])
    assert result.successful
    bench.node.guard.counts.clear()


def test_a_failing_network_is_counted_and_reported_and_the_node_goes_on(bench):
    bench = bench()
    bench.segmenter.error = RuntimeError('out of memory\nand a long story')
    bench.send_until('rgb', lambda: bench.count('failures') >= 3)
    status, values = bench.parts['inference']
    assert status.level == DiagnosticStatus.ERROR
    assert values['last_failure'] == 'RuntimeError: out of memory'
    assert not bench.labels
    bench.segmenter.error = None
    bench.send_until('rgb', lambda: len(bench.labels) >= 2)
    bench.probe.spin_until(lambda: bench.parts['inference'][0].level == DiagnosticStatus.OK)
    assert bench.count('failures') >= 3


def test_a_busy_network_gets_the_newest_set_and_the_rest_is_counted(bench):
    bench = bench()
    bench.send_until('rgb', lambda: len(bench.labels) >= 1)
    bench.segmenter.go_on.clear()
    bench.send_until('rgb', lambda: bench.count('sets_superseded') >= 3)
    assert bench.parts['inference'][0].level == DiagnosticStatus.OK
    bench.send_until('rgb', lambda: bench.parts['inference'][0].message.startswith(
        'inference hangs'))
    assert bench.parts['inference'][0].level == DiagnosticStatus.ERROR
    bench.segmenter.go_on.set()
    bench.probe.spin_until(lambda: len(bench.labels) >= 2)
    bench.probe.spin_until(lambda: bench.parts['inference'][0].level == DiagnosticStatus.OK)
    values = bench.parts['inference'][1]
    assert values['total_dropped_frames'] == values['sets_superseded']


def test_before_the_intrinsics_are_known_only_the_camera_is_used(bench):
    bench = bench(**{'extrinsics.lidar': LIDAR_POSE})
    assert bench.segmenter.warmed_up == [((64, 64), (512, 512))]
    bench.send_until('depth', lambda: bench.parts.get('depth', (None, {}))[1].get(
        'rejected.no_camera_info', '0') != '0')
    bench.send_until('rgb', lambda: len(bench.labels) >= 2)
    assert set(bench.segmenter.seen) == {frozenset({'rgb'})}
    assert (bench.labels[-1].height, bench.labels[-1].width) == (SIZE_PX, SIZE_PX)
    assert bench.parts['rgb'][1]['intrinsics_source'] == 'none'
    bench.publishers['rgb_info'].publish(camera_info(time.time_ns()))
    bench.send_until('depth', lambda: frozenset({'depth'}) in bench.segmenter.seen)
    bench.probe.spin_until(
        lambda: bench.parts['rgb'][1]['intrinsics_source'] == 'camera_info')


def test_without_an_rgb_camera_the_depth_camera_carries_the_labels(bench):
    bench = bench(**{'extrinsics.lidar': LIDAR_POSE})
    bench.publishers['depth_info'].publish(camera_info(time.time_ns()))
    bench.send_until('depth', lambda: len(bench.labels) >= 2)
    bench.send_until('lidar', lambda: frozenset({'lidar'}) in bench.segmenter.seen)
    assert (bench.labels[-1].height, bench.labels[-1].width) == (SIZE_PX, SIZE_PX)
    bench.probe.spin_until(
        lambda: bench.parts['depth'][1]['extrinsic_source'] == 'reference camera')
    assert bench.parts['depth'][1]['intrinsics_source'] == 'camera_info'
    assert bench.parts['rgb'][1]['intrinsics_source'] == 'none'
    bench.publishers['rgb_info'].publish(camera_info(time.time_ns()))
    bench.probe.spin_until(lambda: bench.parts['rgb'][1]['intrinsics_source'] == 'camera_info')
    bench.send_until('rgb', lambda: frozenset({'rgb'}) in bench.segmenter.seen)


def info_of(width_px, height_px):
    info = camera_info(time.time_ns())
    info.width, info.height = width_px, height_px
    return info


def test_labels_have_the_images_size_whatever_the_camera_info_says(bench):
    bench = bench()
    bench.publishers['rgb_info'].publish(info_of(3 * SIZE_PX, 2 * SIZE_PX))
    bench.send_until('rgb', lambda: bench.parts.get('rgb', (None, {}))[1].get(
        'calibration') == 'calibration_mismatch')
    status, values = bench.parts['rgb']
    assert (status.level, values['intrinsics_source']) == (DiagnosticStatus.ERROR, 'none')
    assert status.message.endswith(
        'calibration_mismatch: the camera info of 192x128 is not used: its aspect is not that of '
        'the images, 64x64')
    bench.send_until('depth', lambda: bench.parts['depth'][1]['reason'] == 'no_camera_info')
    bench.publishers['rgb_info'].publish(info_of(2 * SIZE_PX, 2 * SIZE_PX))
    bench.send_until('rgb', lambda: bench.parts['rgb'][1]['calibration'] == 'rescaled')
    status, values = bench.parts['rgb']
    assert (status.level, values['intrinsics_source']) == (DiagnosticStatus.OK, 'camera_info')
    assert (values['calibration_size'], values['image_size']) == ('128x128', '64x64')
    bench.send_until('depth', lambda: frozenset({'depth'}) in bench.segmenter.seen)
    assert len(bench.labels) >= 3
    assert {(label.height, label.width) for label in bench.labels} == {(SIZE_PX, SIZE_PX)}


def test_what_the_package_logs_is_in_the_nodes_log_once(bench):
    bench = bench()
    # A queue of one would lose it to whatever is logged next.
    logged = bench.probe.subscribe(Log, '/rosout', QoSProfile(
        depth=1000, reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL))
    for _ in range(3):
        bench.publishers['rgb_info'].publish(info_of(2 * SIZE_PX, 2 * SIZE_PX))
        num_labels = len(bench.labels)
        bench.send_until('rgb', lambda n=num_labels: len(bench.labels) > n)
    text = 'rgb: the camera info of 128x128 is rescaled to the images of 64x64'
    bench.probe.spin_until(lambda: [entry for entry in logged if entry.msg == text])
    assert [(entry.name, entry.level) for entry in logged if entry.msg == text] == [
        ('anymodal_seg', LoggingSeverity.WARN)]
    package = logging.getLogger('anymodal_seg_ros')
    assert len(package.handlers) == 1
    bench.node.destroy_node()
    assert not package.handlers


def test_a_depth_calibration_that_does_not_fit_costs_depth_alone(bench):
    bench = bench()
    bench.publishers['rgb_info'].publish(camera_info(time.time_ns()))
    bench.publishers['depth_info'].publish(info_of(3 * SIZE_PX, 2 * SIZE_PX))
    bench.send_until('depth', lambda: bench.parts.get('depth', (None, {}))[1].get(
        'reason') == 'calibration_mismatch')
    status, values = bench.parts['depth']
    assert status.level == DiagnosticStatus.ERROR
    assert values['state'] == 'degraded'
    assert values['rejected.calibration_mismatch'] == values['num_received']
    bench.send_until('rgb', lambda: len(bench.labels) >= 2)
    bench.send_until('rgb', lambda: bench.parts['rgb'][0].level == DiagnosticStatus.OK)
    assert set(bench.segmenter.seen) == {frozenset({'rgb'})}


def test_a_calibration_or_an_image_that_cannot_be_ends_nothing(bench):
    bench = bench()
    absurd = camera_info(0)
    absurd.k, absurd.binning_y = [32.0, 0.0, 31.5, 0.0, 5e-324, 31.5, 0.0, 0.0, 1.0], 2
    bench.publishers['rgb_info'].publish(absurd)
    bench.probe.spin_until(lambda: bench.parts.get('rgb', (None, {}))[1].get(
        'calibration') == 'bad_k')
    strip = image_message(time.time_ns(), np.zeros((8, 256, 3), np.uint8), 'rgb8')
    bench.publishers['rgb'].publish(strip)
    bench.probe.spin_until(lambda: 'rejected.bad_height' in bench.parts['rgb'][1])
    assert bench.parts['rgb'][1]['num_rejected_camera_info'] == '1'
    bench.send_until('rgb', lambda: len(bench.labels) >= 2)
    assert {(label.height, label.width) for label in bench.labels} == {(SIZE_PX, SIZE_PX)}


@pytest.mark.parametrize(('description', 'num_sizes'), [('torch on cuda', 2), ('torch on cpu', 1)])
def test_another_network_size_is_warmed_up_once_where_that_matters(
        bench, monkeypatch, description, num_sizes):
    bench = bench()
    bench.segmenter.description = description
    monkeypatch.setattr(SCENE, 'message', lambda modality, step, stamp_ns: image_message(
        stamp_ns, np.tile(SCENE.rgb(step), (1, 2, 1)), 'rgb8'))
    bench.send_until('rgb', lambda: len(bench.labels) >= 3)
    sizes = [((64, 64), (512, 512)), ((64, 128), (SIZE_PX, 2 * SIZE_PX))]
    assert bench.segmenter.warmed_up == sizes[:num_sizes]


def test_a_sample_of_a_wrong_frame_teaches_nothing(bench):
    bench = bench(**{'health.rgb.frame_id': 'another'})
    bench.send_until('rgb', lambda: bench.parts.get('rgb', (None, {}))[1].get(
        'rejected.wrong_frame', '0') != '0')
    assert bench.node._keeper.rig.camera_frame == 'camera_optical_frame'
    assert bench.node._keeper.rig.camera.width_px == 512
    assert not bench.labels


def test_a_scan_without_a_pose_is_refused_by_name(bench):
    bench = bench(**{'camera.width_px': SIZE_PX, 'camera.height_px': SIZE_PX,
                     'camera.horizontal_fov_deg': 90.0})
    bench.send_until('lidar', lambda: bench.parts.get('lidar', (None, {}))[1].get(
        'rejected.no_extrinsic', '0') != '0')
    assert bench.parts['lidar'][1]['extrinsic_source'] == 'none'
    assert bench.segmenter.seen == []
    bench.send_until('lidar', lambda: bench.parts['lidar'][1]['reason'] == 'no_extrinsic')


def test_a_clock_set_back_after_a_change_of_parameters_stops_no_labels(bench, monkeypatch):
    bench = bench()
    bench.send_until('rgb', lambda: len(bench.labels) >= 2)
    bench.node.set_parameters([Parameter('sync.max_wait_s', value=0.2)])
    bench.send_until('rgb', lambda: len(bench.labels) >= 4)
    hour_ns, real_ns = 3600 * 10**9, time.time_ns
    monkeypatch.setattr(bench.node, '_now_ns', lambda: real_ns() - hour_ns)
    monkeypatch.setattr(time, 'time_ns', lambda: real_ns() - hour_ns)
    num_before = len(bench.labels)
    bench.send_until('rgb', lambda: len(bench.labels) >= num_before + 2)


def test_two_clocks_are_told_of_and_labels_come_when_one_is_left(bench):
    bench = bench(use_sim_time=True)
    logged = bench.probe.subscribe(Log, '/rosout', QoSProfile(depth=1000))
    clocks = [bench.probe.publisher(ClockMessage, '/clock') for _ in range(2)]
    bench.probe.spin_until(lambda: all(clock.get_subscription_count() for clock in clocks))
    steps = count()

    def tick(clock, offset_s):
        now_ns = offset_s * 10**9 + time.monotonic_ns()
        clock.publish(ClockMessage(clock=ns_to_stamp(now_ns)))
        bench.publishers['rgb'].publish(SCENE.message('rgb', next(steps), now_ns))
        bench.probe.spin_for(0.02)

    def are_told_of():
        for clock, offset_s in zip(clocks, (100, 9000), strict=True):
            tick(clock, offset_s)
        return bench.parts.get('synchronization', (None, {}))[1].get('clock', '').startswith(
            'unsteady')

    bench.probe.spin_until(are_told_of)
    status, values = bench.parts['synchronization']
    assert status.level == DiagnosticStatus.ERROR
    assert values['clock'].endswith('2 publishers of /clock')

    def one_is_left():
        tick(clocks[0], 100)
        clock = bench.parts['synchronization'][1]['clock']
        return len(bench.labels) > num_labels and not clock.startswith('unsteady')

    bench.probe.node.destroy_publisher(clocks[1])
    num_labels = len(bench.labels)
    bench.probe.spin_until(one_is_left)
    told = [entry.msg for entry in logged if entry.msg.startswith('the time on /clock')]
    assert told == ['the time on /clock jumps back and forth, so nothing can be labelled; it '
                    f'comes from /{bench.probe.node.get_name()}: stop all but one, or set '
                    'use_sim_time to false']


def without_a_quarter(points):
    azimuth = np.arctan2(points['y'], points['x'])
    return points[~((azimuth > 0) & (azimuth < np.pi / 2))]


@pytest.mark.parametrize('changes', [
    {'sync.max_wait_s': 0.2, 'sync.max_misses': 3, 'inputs.lidar.tolerance_s': 0.1},
    {'health.lidar.timeout_floor_s': 0.5, 'health.rgb.frame_id': 'camera_optical_frame'},
])
def test_other_settings_at_run_time_forget_nothing(bench, probe, monkeypatch, changes):
    bench = bench(**{'camera.width_px': SIZE_PX, 'camera.height_px': SIZE_PX,
                     'camera.horizontal_fov_deg': 90.0, 'extrinsics.lidar': LIDAR_POSE})

    def lidar(name, default=''):
        return bench.parts.get('lidar', (None, {}))[1].get(name, default)

    def count(part, name):
        return int(bench.parts[part][1][name])

    bench.send_until('lidar', lambda: int(lidar('num_received', '0')) >= 16)
    assert lidar('state') == 'ok'
    whole = SCENE.lidar
    monkeypatch.setattr(SCENE, 'lidar', lambda step: without_a_quarter(whole(step)))
    bench.send_until('lidar', lambda: lidar('reason') == 'scan_sector_blocked')
    counts = [('lidar', 'num_received'), ('synchronization', 'sets'), ('inference', 'sets_in')]
    before = {key: count(*key) for key in counts}
    num_labels = len(bench.labels)
    since = probe.subscribe(DiagnosticArray, '/diagnostics')
    results = bench.node.set_parameters(
        [Parameter(name, value=value) for name, value in changes.items()])
    assert all(result.successful for result in results)
    bench.send_until('lidar', lambda: len(bench.labels) >= num_labels + 8 and len(since) >= 5)
    found = [values_of(status) for message in since for status in message.status
             if status.name.endswith(': lidar')]
    assert {(values['state'], values['reason']) for values in found} == {
        ('degraded', 'scan_sector_blocked')}
    assert all(count(*key) > before[key] for key in counts)


def test_a_scan_alone_makes_labels(bench):
    bench = bench(**{'camera.width_px': SIZE_PX, 'camera.height_px': SIZE_PX,
                     'camera.horizontal_fov_deg': 90.0, 'extrinsics.lidar': LIDAR_POSE})
    bench.send_until('lidar', lambda: len(bench.labels) >= 2)
    content = {status.name: values_of(status) for status in bench.fusion[-1].status}
    assert content['set']['reference'] == 'lidar'
    assert content['lidar']['used'] == 'true'
    assert content['rgb']['used'] == 'false'
    assert content['rgb']['reason']
    assert bench.labels[-1].header.frame_id == 'camera_optical_frame'


def test_only_stamps_that_do_not_increase_are_counted_as_such():
    report = HealthReport(
        modality='rgb', state=HealthState.OK, reason='', trusted=True, since_ns=0, rate_hz=10.0,
        expected_rate_hz=10.0, age_ms=1.0, latency_ms=1.0, num_received=99, num_rejected=15,
        rejected={'stamp_backwards': 1, 'stamp_frozen': 2, 'stamp_stale': 4, 'stamp_future': 8})
    values = values_of(modality_status('node', '', report, {}))
    assert values['num_non_increasing_msg'] == '3'


def test_raw_depth_counts_in_the_unit_that_was_set(bench):
    started = bench(**{'inputs.depth.unit_m': 0.00025})
    counts = np.full((4, 6), 8000, '<u2')
    message = Image(height=4, width=6, encoding='16UC1', step=12, data=counts.tobytes())
    received = []
    started.node._keeper.problem = lambda modality: ''
    started.node._session.pipeline.push = lambda sample, now_ns: received.append(sample) or []
    started.node._on_message('depth', message)
    assert np.allclose(received[0].data, 2.0)


@pytest.mark.parametrize(('params', 'expected'), [
    ({}, ('255.000', 'learnt', 1 / 255)),
    ({'inputs.lidar.intensity_scale': 100.0}, ('100.000', 'given', 1 / 100))])
def test_the_scale_of_intensities_is_stated(bench, monkeypatch, params, expected):
    """The bench's scans have 0.5 everywhere; here they count to 255."""
    bench = bench(**{'camera.width_px': SIZE_PX, 'camera.height_px': SIZE_PX,
                     'camera.horizontal_fov_deg': 90.0, 'extrinsics.lidar': LIDAR_POSE, **params})
    whole = SCENE.lidar

    def counting(step):
        points = whole(step)
        points['intensity'] = np.arange(len(points)) % 256
        return points

    monkeypatch.setattr(SCENE, 'lidar', counting)
    seen = []
    pipeline = bench.node._session.pipeline
    push = pipeline.push
    monkeypatch.setattr(pipeline, 'push', lambda sample, now_ns: (
        seen.append(sample), push(sample, now_ns))[1])

    def known():
        values = bench.parts.get('lidar', (None, {}))[1]
        return values.get('intensity_scale'), values.get('intensity_scale_source')

    bench.send_until('lidar', lambda: known() == expected[:2] and len(seen) >= 2)
    assert seen[1].data[1, 3] == pytest.approx(expected[2])


def labelled(*modalities):
    samples = {name: decode_sample(name, SCENE.message(name, 0, 10**9), 10**9,
                                   MODALITIES[name])
               for name in modalities}
    camera = CameraModel.from_fov(SIZE_PX, SIZE_PX, 90.0)
    rig = Rig(camera=camera, camera_T={
        'lidar': transform_from_quaternion(LIDAR_POSE[:3], LIDAR_POSE[3:])})
    labels = np.tile(np.arange(SIZE_PX, dtype=np.uint8) // 16, (SIZE_PX, 1))
    prediction = Prediction(stamp_ns=10**9, labels=labels, confidence=labels,
                            used=tuple(sorted(modalities)))
    sample_set = SampleSet(
        stamp_ns=10**9, reference=modalities[0], samples=samples, complete=True)
    return Labelled(prediction=prediction, sample_set=sample_set, rig=rig)


def test_views_are_made_only_for_subscribers(probe, monkeypatch):
    publishers = OutputPublishers(probe.node, load_label_space('deliver'), 0.5)
    with monkeypatch.context() as patch:
        for name in ('image_to_message', 'overlay', 'labelled_cloud'):
            patch.setattr(outputs, name, lambda *args: pytest.fail('made for nobody'))
        publishers.publish_views(labelled('rgb', 'lidar'))
    overlays = probe.subscribe(Image, f'/{probe.node.get_name()}/overlay')
    probe.spin_until(lambda: publishers._overlay.get_subscription_count() == 1)
    with monkeypatch.context() as patch:
        patch.setattr(outputs, 'labelled_cloud', lambda *args: pytest.fail('made for nobody'))
        publishers.publish_views(labelled('rgb', 'lidar'))
        probe.spin_until(lambda: overlays)


def test_label_info_has_the_header_of_the_first_label(probe, monkeypatch):
    sent = []
    monkeypatch.setattr(outputs, 'label_info_message', lambda space, stamp_ns, frame_id: (
        sent.append((stamp_ns, frame_id)), LABEL_INFO_TYPE())[1])
    publishers = OutputPublishers(probe.node, load_label_space('deliver'), 0.5)
    assert sent == []

    def publish(stamp_ns, frame):
        done = labelled('rgb')
        publishers.publish_label(replace(
            done, prediction=replace(done.prediction, stamp_ns=stamp_ns),
            rig=replace(done.rig, camera_frame=frame)))

    for stamp_ns, frame in ((5, 'lens'), (6, 'lens'), (7, 'other'), (8, 'other'), (2, 'other')):
        publish(stamp_ns, frame)
    assert sent == [(5, 'lens'), (7, 'other'), (2, 'other')]
    # Latched: whoever comes later learns the last of them.
    received = probe.subscribe(
        LABEL_INFO_TYPE, f'/{probe.node.get_name()}/label_info', LATCHED)
    probe.spin_until(lambda: len(received) == 1)


def test_the_cloud_of_a_scan_has_the_label_under_each_point():
    done = labelled('lidar')
    cloud = labelled_cloud(done, PALETTE)
    uv, in_view = done.rig.camera.project(
        np.stack([cloud['x'], cloud['y'], cloud['z']], axis=-1))
    assert in_view.all()
    columns = np.floor(uv[:, 0] + 0.5).astype(int)
    np.testing.assert_array_equal(cloud['label'], columns // 16)
    assert len(np.unique(cloud['label'])) == 4


def test_without_a_scan_the_cloud_is_organised_like_the_label_image():
    done = labelled('depth')
    cloud = labelled_cloud(done, PALETTE)
    assert cloud.shape == (SIZE_PX, SIZE_PX)
    depth_m = done.sample_set.samples['depth'].data
    np.testing.assert_allclose(cloud['z'], depth_m, rtol=1e-5)
    np.testing.assert_array_equal(cloud['label'], done.prediction.labels)
    assert labelled_cloud(labelled('rgb'), PALETTE) is None


def test_the_overlay_shows_the_camera_where_nothing_is_labelled():
    done = labelled('rgb')
    done.prediction.labels[:8] = 255
    image = done.sample_set.samples['rgb'].data
    mixed = overlay(done, PALETTE, 0.5)
    np.testing.assert_array_equal(mixed[:8], image[:8])
    expected = (image[20, 20].astype(float) + PALETTE[done.prediction.labels[20, 20]]) / 2
    np.testing.assert_allclose(mixed[20, 20], expected, atol=1)
    np.testing.assert_array_equal(
        overlay(labelled('depth'), PALETTE, 1.0)[30, 30], PALETTE[30 // 16])


def test_a_best_effort_publisher_that_comes_later_is_heard(probe):
    received = []
    source = AdaptiveSubscription(
        probe.node, 'rgb', '/late/image', Image, NamedQos(name='BEST_AVAILABLE', depth=2),
        lambda modality, msg: received.append(modality))
    source.set_active(True)
    assert source.qos_in_use == 'RELIABLE'
    publisher = probe.publisher(Image, '/late/image', QoSProfile(
        depth=5, reliability=ReliabilityPolicy.BEST_EFFORT, durability=DurabilityPolicy.VOLATILE))
    probe.spin_until(lambda: source.events['incompatible_qos'] > 0)
    source.adapt()
    assert source.qos_in_use == 'BEST_EFFORT'
    probe.spin_until(lambda: publisher.get_subscription_count() > 0)

    def heard():
        publisher.publish(SCENE.message('rgb', 0, 10**9))
        return received

    probe.spin_until(heard)
    source.set_active(False)
    assert not source.active


def test_qos_names():
    assert input_qos('SENSOR_DATA', 3).reliability == ReliabilityPolicy.BEST_EFFORT
    assert input_qos('RELIABLE', 3).reliability == ReliabilityPolicy.RELIABLE
    assert input_qos('BEST_AVAILABLE', 3).durability == DurabilityPolicy.VOLATILE
    assert (input_qos('DEFAULT', 3).depth, fallback_qos(4).depth) == (3, 4)
