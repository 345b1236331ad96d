# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node in a process of its own: what it publishes, its parameters, clocks and exit codes."""

import signal
from itertools import pairwise

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from ros_streams.fault_run import NODE, FaultRun, node_parameters, values_of
from ros_streams.scene import FRAME, SIZE_PX
from sensor_msgs.msg import Image, PointCloud2

from anymodal_seg_ros.extrinsics import RigKeeper
from anymodal_seg_ros.inference import build_segmenter
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.modalities.clouds import cloud_points
from anymodal_seg_ros.modalities.images import decode_color
from anymodal_seg_ros.ros.conversions import LABEL_INFO_TYPE, stamp_to_ns
from anymodal_seg_ros.ros.params import parameter_specs, settings_from_values
from anymodal_seg_ros.ros.qos import LATCHED
from anymodal_seg_ros.sim.vehicle import SENSOR_NAMES

pytestmark = pytest.mark.slow

START_S = 60.0


@pytest.fixture()
def running(start_node, ros_domain, tiny_bundle):
    """Start a node and streams for it; ``running(params, simulated_ns=...) -> (node, run)``."""
    runs = []

    def start(params=None, simulated_ns=None):
        node = start_node('segmentation_node', params={
            **node_parameters(tiny_bundle), **(params or {})})
        runs.append(FaultRun(ros_domain, simulated_ns=simulated_ns))
        return node, runs[-1]

    yield start
    for run in runs:
        run.close()


def collect(run, message_type, topic, qos=10):
    received = []
    run.node.create_subscription(message_type, topic, received.append, qos)
    return received


def stamp_of(message):
    return stamp_to_ns(message.header.stamp)


def in_phase(labels, fusion, everything):
    """A label of which every output is there, of messages of one period, and what fusion says."""
    by_stamp = {stamp_of(message): message for message in fusion}
    for label in labels:
        if all(stamp_of(label) in map(stamp_of, messages) for messages in everything):
            info = {status.name: values_of(status) for status in by_stamp[stamp_of(label)].status}
            used = [info[name] for name in SENSOR_NAMES if info[name]['used'] == 'true']
            if [round(float(each['stamp_offset_ms'])) for each in used] == [0, 4, 8, 12]:
                return label, info
    return None


@pytest.mark.alone
def test_every_output_of_a_label_belongs_together(running):
    node, run = running()
    labels = collect(run, Image, f'{NODE}/label')
    fusion = collect(run, DiagnosticArray, f'{NODE}/fusion_info')
    views = {name: collect(run, Image, f'{NODE}/{name}')
             for name in ('confidence', 'label_color', 'overlay')}
    clouds = collect(run, PointCloud2, f'{NODE}/semantic_points')
    sent = collect(run, Image, 'camera/image')
    everything = (labels, fusion, clouds, *views.values())
    assert run.wait_until_all_ok(START_S), node.output
    assert run.run_until(lambda: all(len(messages) > 5 for messages in everything), 10.0)
    # A late subscriber still learns the classes.
    label_info = collect(run, LABEL_INFO_TYPE, f'{NODE}/label_info', LATCHED)
    assert run.run_until(lambda: label_info, 5.0)

    # A message that a busy machine delays is in the next set; phases are 0, 4, 8 and 12 ms.
    assert run.run_until(lambda: in_phase(labels, fusion, everything), 10.0)
    label, info = in_phase(labels, fusion, everything)
    assert set(info) == {*SENSOR_NAMES, 'set'}
    assert all(info[name]['used'] == 'true' for name in SENSOR_NAMES)
    assert info['set']['reference'] == 'rgb'
    assert 0 < float(info['set']['latency_ms']) < 1000
    assert stamp_of(label) in {stamp_of(message) for message in sent}
    assert (label.encoding, label.height, label.width) == ('mono8', SIZE_PX, SIZE_PX)
    assert label.header.frame_id == FRAME
    ids = np.frombuffer(label.data, np.uint8)
    assert set(ids) <= set(range(25)) | {255}
    for name, messages in views.items():
        view = next(m for m in messages if stamp_of(m) == stamp_of(label))
        assert view.encoding == ('mono8' if name == 'confidence' else 'rgb8')
        assert (view.height, view.width, view.header.frame_id) == (SIZE_PX, SIZE_PX, FRAME)
    cloud = next(m for m in clouds if stamp_of(m) == stamp_of(label))
    points = cloud_points(cloud)
    assert cloud.header.frame_id == FRAME
    assert {field.name for field in cloud.fields} == {'x', 'y', 'z', 'rgb', 'label'}
    assert points.size > 50
    assert points['z'].min() > 0
    assert set(points['label'].ravel()) <= set(ids)
    node.stop(signal.SIGTERM)


@pytest.mark.alone
def test_labels_are_those_of_the_network_called_directly(running, tiny_bundle):
    only_camera = {f'inputs.{name}.enabled': False for name in ('depth', 'lidar', 'event')}
    node, run = running(only_camera)
    labels = collect(run, Image, f'{NODE}/label')
    sent = collect(run, Image, 'camera/image')
    assert run.run_until(lambda: len(labels) >= 8, START_S), node.output
    assert {run.states[name][0] for name in ('depth', 'lidar', 'event')} == {'disabled'}
    values = {spec.name: spec.default for spec in parameter_specs()}
    rig = RigKeeper(camera_frame=FRAME, cameras=settings_from_values(
        {**values, **node_parameters(tiny_bundle)}).cameras).rig
    segmenter = build_segmenter(tiny_bundle, num_threads=1)
    encoder = MODALITIES['rgb'].build_encoder(segmenter.bundle.encoders['rgb'])
    images = {stamp_of(message): message for message in sent}
    assert len({label.data.tobytes() for label in labels[:8]}) > 1
    for label in labels[:8]:
        data = decode_color(images[stamp_of(label)])
        encoded = encoder.encode(data, rig, (SIZE_PX, SIZE_PX))
        expected, _ = segmenter.predict({'rgb': encoded}, (SIZE_PX, SIZE_PX))
        np.testing.assert_array_equal(
            np.frombuffer(label.data, np.uint8).reshape(SIZE_PX, SIZE_PX), expected)


@pytest.mark.alone
def test_inputs_are_switched_and_settings_changed_at_run_time(running, probe):
    node, run = running()
    assert run.wait_until_all_ok(START_S), node.output

    def set_parameters(values):
        from rcl_interfaces.srv import SetParameters
        from rclpy.parameter import Parameter
        client = run.node.create_client(SetParameters, f'{NODE}/set_parameters')
        assert run.run_until(client.service_is_ready, 10.0)
        request = SetParameters.Request(parameters=[
            Parameter(name, value=value).to_parameter_msg() for name, value in values.items()])
        future = client.call_async(request)
        assert run.run_until(future.done, 10.0)
        return future.result().results

    assert set_parameters({'inputs.rgb.enabled': False})[0].successful
    assert run.run_until(lambda: run.states['rgb'][0] == 'disabled', 5.0)
    assert run.run_until(lambda: run.fusion[-1][1]['set']['reference'] == 'depth', 5.0)
    content = run.fusion[-1][1]
    assert content['rgb']['used'] == 'false'
    assert content['depth']['used'] == 'true'
    assert set_parameters({'inputs.rgb.enabled': True})[0].successful
    assert run.run_until(lambda: run.fusion[-1][1]['rgb']['used'] == 'true', 5.0)

    refused, = set_parameters({'sync.max_wait_s': 0.0})
    assert not refused.successful
    assert 'sync.max_wait_s' in refused.reason
    refused, = set_parameters({'bundle': '/elsewhere'})
    assert not refused.successful
    refused, = set_parameters({'health.rgb.max_latency_s': 0.01})
    assert not refused.successful
    assert 'latency' in refused.reason
    for name, value in (('health.rgb.expected_rate_hz', 1e-300),
                        ('health.depth.skip_checks', ['bogus'])):
        refused, = set_parameters({name: value})
        assert not refused.successful
        assert name in refused.reason
    assert set_parameters({'sync.max_wait_s': 0.2})[0].successful
    assert run.wait_until_all_ok(5.0)
    stamps = [stamp_ns for _, stamp_ns in run.labels]
    assert all(a < b for a, b in pairwise(stamps))


@pytest.mark.alone
def test_a_paused_simulation_is_no_dead_sensor_and_a_restart_is_survived(running):
    node, run = running({'use_sim_time': True, 'diagnostics.rate_hz': 10.0},
                        simulated_ns=1000_000_000_000)
    assert run.wait_until_all_ok(START_S), node.output
    assert run.parts['synchronization']['clock'] == 'running'
    # That simulated time begins is no news.
    assert 'restart' not in node.output
    assert run.parts['synchronization']['resets'] == '0'
    num_changes = len(run.changes)
    run.clock_rate = 0.0
    assert run.run_until(lambda: run.parts['synchronization']['clock'] == 'paused', 5.0)
    run.run_for(0.5)
    assert run.changes[num_changes:] == []
    run.clock_rate = 1.0
    assert run.run_until(lambda: run.parts['synchronization']['clock'] == 'running', 5.0)

    run.jump_to(500_000_000_000)
    num_labels = len(run.labels)
    assert run.run_until(
        lambda: sum(ns < 600_000_000_000 for _, ns in run.labels) > 10, 10.0), node.output
    assert run.wait_until_all_ok(10.0)
    after = [ns for _, ns in run.labels[num_labels:] if ns < 600_000_000_000]
    assert all(a < b for a, b in pairwise(after))
    assert int(run.parts['synchronization']['resets']) >= 1
    assert node.output.count('restart: ') == 1
    assert 'reset' not in node.output
    assert 'lost' not in node.output


@pytest.mark.parametrize(('params', 'message'), [
    ({'inputs.rgb.qos': 'BEST'}, "inputs.rgb.qos is 'BEST'; allowed:"),
    ({'sync.max_wait': 0.1}, 'sync.max_wait is not a parameter of anymodal_seg'),
    ({'inputs.rgb.qos_depth': 'two'}, 'inputs.rgb.qos_depth'),
    ({'health.rgb.expected_rate_hz': 1e-300}, 'health.rgb.expected_rate_hz is 1e-300'),
    ({'bundle': '/nowhere/at/all'}, '/nowhere/at/all'),
    ({'model.device': 'abacus'}, 'abacus'),
])
def test_a_bad_parameter_ends_it_with_one_clear_line(start_node, tiny_bundle, params, message):
    node = start_node('segmentation_node', params={'bundle': str(tiny_bundle), **params})
    assert node.wait(60) == 2
    lines = [line for line in node.output.splitlines() if line.strip()]
    assert len(lines) == 1, node.output
    assert message in lines[0]
