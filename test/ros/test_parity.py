# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One recording through node, session, ``segment_bag`` and evaluator: the same labels."""

from functools import partial

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image

from anymodal_seg_ros import segment_bag
from anymodal_seg_ros.bags import TOPICS, read_bag, read_label_images
from anymodal_seg_ros.bags.frames import static_lookup
from anymodal_seg_ros.extrinsics import RigKeeper
from anymodal_seg_ros.inference import build_segmenter
from anymodal_seg_ros.metrics import ConfusionMatrix
from anymodal_seg_ros.session import Session
from anymodal_seg_ros.sim.drive_bag import write_bag
from anymodal_seg_ros.sim.simulator import SimConfig
from training.bag_scores import score_recording

pytestmark = pytest.mark.slow

SIZE_PX = 96
START_NS = 1_700_000_000_000_000_000


def stamp_ns(message):
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec


@pytest.fixture(scope='module')
def drive(tmp_path_factory):
    path = tmp_path_factory.mktemp('drive') / 'street'
    write_bag(path, SimConfig(
        seed=5, street='straight', width_px=SIZE_PX, height_px=SIZE_PX, event_width_px=SIZE_PX,
        event_height_px=SIZE_PX, duration_s=3.0, start_ns=START_NS))
    return path


@pytest.fixture(scope='module')
def offline(drive, tiny_bundle, tmp_path_factory):
    """Stamp to label image, as ``segment_bag`` wrote them."""
    out = tmp_path_factory.mktemp('labels') / 'labelled'
    assert segment_bag.main([str(drive), '--out', str(out), '--bundle', str(tiny_bundle)]) == 0
    return read_label_images(out, '/anymodal_seg/label')


def test_offline_labels_every_camera_frame(offline, drive):
    assert set(read_label_images(drive)) <= set(offline)


def test_evaluator_counts_exactly_the_labels_of_segment_bag(offline, drive, tiny_bundle):
    segmenter = build_segmenter(tiny_bundle)
    truth = read_label_images(drive)
    wanted = ConfusionMatrix(segmenter.bundle.label_space.num_classes)
    stamps = np.array(sorted(truth))
    for stamp, labels in offline.items():
        nearest = stamps[np.abs(stamps - stamp).argmin()]
        if abs(nearest - stamp) <= 60_000_000:
            wanted.update(labels, truth[int(nearest)])
    found = ConfusionMatrix(wanted.num_classes)
    for by_condition in score_recording(drive, segmenter).matrices.values():
        found.merge(by_condition['all'])
    np.testing.assert_array_equal(found.counts, wanted.counts)


def test_a_session_that_learns_its_rig_on_the_way_gives_the_labels_of_segment_bag(
        offline, drive, tiny_bundle):
    """As the node does: calibrations and frames come with the messages. Nothing here waits."""
    keeper = RigKeeper(camera_frame='', lookup=static_lookup(drive))
    session = Session(build_segmenter(tiny_bundle), keeper)
    key_of = {topic: key for key, topic in TOPICS.items()}
    found = {}
    for recorded in read_bag(drive, tuple(key_of)):
        key, now_ns = key_of[recorded.topic], recorded.recorded_ns
        if key.endswith('_info'):
            keeper.on_camera_info(key.removesuffix('_info'), recorded.message())
        elif key in session.modalities:
            read = partial(segment_bag.decode_recorded, key, recorded)
            for formed in session.poll(now_ns) + session.receive(key, read, now_ns):
                prediction = session.label(session.place(formed, now_ns)).prediction
                found[prediction.stamp_ns] = prediction
    # The first sets differ: each way waits differently for sensors whose timing it has to learn.
    settled = [stamp for stamp in offline if stamp >= START_NS + 500_000_000]
    assert len(settled) >= 25
    for stamp in settled:
        assert len(found[stamp].used) == 4
        np.testing.assert_array_equal(found[stamp].labels, offline[stamp])


@pytest.mark.alone
def test_node_gives_the_labels_of_segment_bag(offline, drive, tiny_bundle, start_node, probe):
    labels = probe.subscribe(Image, '/anymodal_seg/label', qos=100)
    fusion = probe.subscribe(DiagnosticArray, '/anymodal_seg/fusion_info', qos=100)
    node = start_node('segmentation_node', params={
        'use_sim_time': True, 'bundle': str(tiny_bundle), 'extrinsics_bag': str(drive)})
    probe.spin_until(lambda: 'ready' in node.output or not node.is_running, 60.0)
    player = start_node('bag_player_node', params={
        'bag': str(drive), 'rate': 0.5, 'finish_delay_s': 0.5, 'wait_for_subscribers_s': 30.0,
        'wait_for_topics': ['/camera/image', '/lidar/points', '/depth/image', '/events']})
    probe.spin_until(lambda: not player.is_running, 60.0)
    player.stop()
    complete = {stamp_ns(info) for info in fusion
                if sum(status.level == b'\x00' and status.name != 'set'
                       and any(v.key == 'used' and v.value == 'true' for v in status.values)
                       for status in info.status) == 4}
    found = {stamp_ns(label): np.frombuffer(label.data, np.uint8).reshape(label.height, label.step)
             for label in labels}
    assert list(found) == sorted(found), 'stamps must increase'
    compared = sorted(complete & set(found) & set(offline))
    assert len(compared) >= 20, f'{len(compared)} of {len(offline)} sets could be compared'
    for stamp in compared:
        np.testing.assert_array_equal(found[stamp], offline[stamp])
