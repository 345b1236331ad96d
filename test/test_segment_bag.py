# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Labelling a recording offline: which sets, which labels, what is written, and bad input."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from anymodal_seg_ros import bags, segment_bag
from anymodal_seg_ros.bundle import Bundle
from anymodal_seg_ros.bundle.weights import save_bundle
from anymodal_seg_ros.corruption import FaultSchedule, ScheduledFault
from anymodal_seg_ros.errors import BadMessageError, BagError
from anymodal_seg_ros.geometry import CameraModel, Rig
from anymodal_seg_ros.labels import LabelSpace
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.models import build_model
from anymodal_seg_ros.placement import PlacedRig
from anymodal_seg_ros.samples import EVENT_DTYPE
from anymodal_seg_ros.segment_bag import main, recorded_sets, segment_recording
from anymodal_seg_ros.session import Session
from anymodal_seg_ros.sim.vehicle import SENSOR_NAMES

pytestmark = pytest.mark.slow

START_NS = 20_000_000_000
PERIOD_NS = 100_000_000
NUM_FRAMES = 30
CAMERA = CameraModel.from_fov(64, 48, 90.0)
SPACE = LabelSpace('three', ('a', 'b', 'c'), ((9, 8, 7), (6, 5, 4), (3, 2, 1)))
ENCODERS = {name: MODALITIES[name].default_settings() for name in SENSOR_NAMES}


@pytest.fixture(scope='module')
def recording(tmp_path_factory):
    """3 s of four sensors at 10 Hz, each with its own phase; recorded 5 ms after the stamp."""
    rng = np.random.default_rng(1)
    path = tmp_path_factory.mktemp('recordings') / 'bag'
    writes = []
    for i in range(NUM_FRAMES):
        stamp_ns = START_NS + i * PERIOD_NS
        rgb = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
        depth = rng.random((48, 64), dtype=np.float32) * 30 + 1
        points = np.float32([40, 40, 4, 1]) * rng.random((3000, 4), dtype=np.float32)
        points[:, :3] -= np.float32([20, 20, 2])
        events = np.zeros(400, EVENT_DTYPE)
        events['x'], events['y'] = rng.integers(0, 64, 400), rng.integers(0, 48, 400)
        events['t_ns'] = np.sort(stamp_ns - rng.integers(0, PERIOD_NS, 400))
        events['polarity'] = rng.random(400) < 0.5
        writes += [
            (stamp_ns, 'rgb_info', bags.camera_info_message(stamp_ns, 'camera', CAMERA)),
            (stamp_ns, 'depth_info', bags.camera_info_message(stamp_ns, 'camera', CAMERA)),
            (stamp_ns, 'rgb', bags.image_message(stamp_ns, 'camera', rgb, 'rgb8')),
            (stamp_ns, 'depth', bags.image_message(stamp_ns, 'camera', depth, '32FC1')),
            (stamp_ns, 'event', bags.events_message(stamp_ns, 'camera', events)),
            (stamp_ns - 20_000_000, 'lidar',
             bags.cloud_message(stamp_ns - 20_000_000, 'lidar', points))]
    with bags.BagWriter(path) as writer:
        writer.write('/tf_static', bags.tf_static_message(
            [('camera', 'lidar', (0, -0.2, 0), (0.5, -0.5, 0.5, -0.5))]), START_NS - PERIOD_NS)
        for stamp_ns, key, message in sorted(writes, key=lambda item: item[0]):
            writer.write(bags.TOPICS[key], message, stamp_ns + 5_000_000)
    return path


class FakeSegmenter:
    """Labels say how many sensors there were, confidence the mean of the first image."""

    bundle = SimpleNamespace(encoders=ENCODERS, short_side_px=32, label_space=SPACE)

    def predict(self, images, out_hw):
        first = images[sorted(images)[0]]
        return (np.full(out_hw, len(images), np.uint8),
                np.full(out_hw, int(first.mean()), np.uint8))


def session_of(path, topics=bags.TOPICS):
    return Session(FakeSegmenter(), bags.read_recorded_rig(path, topics))


def session_with(rig, **options):
    return Session(FakeSegmenter(), PlacedRig(rig=rig), **options)


@pytest.fixture()
def session(recording):
    return session_of(recording)


def stamps(results):
    return [labelled.sample_set.stamp_ns for labelled in results]


def test_every_frame_is_labelled_once_with_all_sensors(recording, session):
    results = list(segment_recording(recording, session))
    assert stamps(results) == sorted(set(stamps(results)))
    assert len(results) >= NUM_FRAMES - 1
    settled = [r for r in results if r.sample_set.stamp_ns >= START_NS + 10 * PERIOD_NS]
    assert len(settled) == NUM_FRAMES - 10
    for labelled in settled:
        prediction = labelled.prediction
        assert prediction.used == ('depth', 'event', 'lidar', 'rgb')
        assert prediction.stamp_ns == labelled.sample_set.stamp_ns
        assert prediction.labels.shape == (48, 64)
        assert (prediction.labels == 4).all()


def frames_with_infos(path, rgb_info, depth_info):
    """Five frames of 64x48 beside camera infos of other sizes."""
    rng = np.random.default_rng(2)
    with bags.BagWriter(path) as writer:
        for i in range(5):
            stamp_ns = START_NS + i * PERIOD_NS
            rgb = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
            depth = rng.random((48, 64), dtype=np.float32) * 30 + 1
            messages = {'rgb': bags.image_message(stamp_ns, 'camera', rgb, 'rgb8'),
                        'depth': bags.image_message(stamp_ns, 'camera', depth, '32FC1')}
            for key, size in (('rgb_info', rgb_info), ('depth_info', depth_info)):
                messages[key] = bags.camera_info_message(
                    stamp_ns, 'camera', CameraModel.from_fov(*size, 90.0))
            for key, message in messages.items():
                writer.write(bags.TOPICS[key], message, stamp_ns)
    return path


@pytest.mark.parametrize(('rgb_info', 'depth_info', 'used'), [
    ((128, 96), (32, 24), {('depth', 'rgb')}),
    ((60, 40), (64, 48), {('rgb',)}),
    ((64, 48), (60, 40), {('rgb',)}),
])
def test_labels_have_the_images_size_whatever_the_camera_infos_say(
        tmp_path, caplog, rgb_info, depth_info, used):
    path = frames_with_infos(tmp_path / 'bag', rgb_info, depth_info)
    session = session_of(path)
    reports = [record.getMessage() for record in caplog.records]
    results = list(segment_recording(path, session))
    assert len(results) >= 4
    assert {one.prediction.labels.shape for one in results} == {(48, 64)}
    assert {one.prediction.used for one in results} <= used | {('rgb',)}
    assert results[-1].prediction.used in used
    outcome = {(128, 96): 'rescaled', (32, 24): 'rescaled', (60, 40): 'not used'}
    for size in (rgb_info, depth_info):
        told = [text for text in reports if f' {size[0]}x{size[1]} ' in text]
        assert len(told) == (size in outcome)
        assert all(outcome[size] in text for text in told)


def test_images_that_the_rig_does_not_fit_are_counted_and_in_no_set(tmp_path):
    path = frames_with_infos(tmp_path / 'bag', (64, 48), (64, 48))
    other = CameraModel.from_fov(60, 40, 90.0)
    session = session_with(Rig(camera=CAMERA, cameras={'depth': other}))
    assert {tuple(one.sample_set.samples) for one in recorded_sets(path, session)} == {('rgb',)}
    assert session.pipeline.health.reports(0)['depth'].rejected == {'calibration_mismatch': 5}
    session = session_with(Rig(camera=other, cameras={'depth': CAMERA}))
    sets = [placed.sample_set for placed in recorded_sets(path, session)]
    assert {tuple(one.samples) for one in sets} == {('rgb',)}
    assert sets[-1].absent['depth'] == 'no_camera_info'


def test_images_that_no_camera_has_are_counted_and_in_no_set(tmp_path):
    strip = np.zeros((8, 256, 3), np.uint8)
    with bags.BagWriter(tmp_path / 'bag') as writer:
        for stamp_ns in range(START_NS, START_NS + 3 * PERIOD_NS, PERIOD_NS):
            image = bags.image_message(stamp_ns, 'camera', strip, 'rgb8')
            writer.write(bags.TOPICS['rgb'], image, stamp_ns)
    session = session_with(Rig(camera=CAMERA))
    assert list(recorded_sets(tmp_path / 'bag', session)) == []
    assert session.pipeline.health.reports(0)['rgb'].rejected == {'bad_height': 3}


def test_two_runs_are_identical(recording):
    runs = []
    for _ in range(2):
        session = session_of(recording)
        runs.append([(p.stamp_ns, p.used, p.labels.tobytes(), p.confidence.tobytes())
                     for p in (one.prediction for one in segment_recording(recording, session))])
    assert runs[0] == runs[1]


def test_faults_of_a_schedule_reach_the_sets(recording, session):
    schedule = FaultSchedule(faults=(
        ScheduledFault(name='no camera', modality='rgb', fault='drop', start_s=1.0, end_s=2.0),
        ScheduledFault(name='torn', modality='depth', fault='garbage', start_s=1.0, end_s=2.0)))
    results = list(segment_recording(recording, session, schedule=schedule))
    # The schedule starts with the first stamp, which is the LiDAR's, 20 ms before the camera's.
    during = [one.prediction for one in results
              if START_NS + PERIOD_NS * 10 <= one.sample_set.stamp_ns < START_NS + PERIOD_NS * 19]
    assert during
    assert all(not {'rgb', 'depth'} & set(p.used) for p in during)
    assert any(p.used == ('event', 'lidar') for p in during)
    assert session.pipeline.health.reports(START_NS + 3 * 10**9)['depth'].num_rejected > 5
    assert results[-1].prediction.used == ('depth', 'event', 'lidar', 'rgb')


def test_delayed_messages_arrive_later_than_recorded(recording, session):
    schedule = FaultSchedule(faults=(ScheduledFault(
        name='slow', modality='lidar', fault='delay', start_s=1.0, end_s=9.0, severity=0.04),))
    sets = [placed.sample_set
            for placed in recorded_sets(recording, session, schedule=schedule)]
    late = [s.samples['lidar'] for s in sets
            if s.stamp_ns > START_NS + 15 * PERIOD_NS and 'lidar' in s.samples]
    assert late
    assert all(sample.received_ns - sample.stamp_ns == 45_000_000 for sample in late)


def test_part_of_a_recording_and_other_topics(recording, session):
    results = list(segment_recording(recording, session, topics={'rgb': '/camera/image'},
                                     start_s=0.5, max_seconds=1.0))
    assert all(one.prediction.used == ('rgb',) for one in results)
    assert stamps(results)[0] >= START_NS + 4 * PERIOD_NS
    assert stamps(results)[-1] <= START_NS + 15 * PERIOD_NS
    with pytest.raises(BagError, match='/nothing'):
        list(segment_recording(recording, session, topics={'rgb': '/nothing'}))


@pytest.fixture(scope='module')
def quarter_millimetres(tmp_path_factory):
    """Depth alone, 2 m and 15 m in steps of 0.25 mm and none at all, five times in 0.4 s."""
    path = tmp_path_factory.mktemp('quarter') / 'bag'
    counts = np.zeros((48, 64), np.uint16)
    counts[:, :20], counts[:, 40:] = 8000, 60000
    with bags.BagWriter(path) as writer:
        for i in range(5):
            stamp_ns = START_NS + i * PERIOD_NS
            writer.write('/depth/image', bags.image_message(stamp_ns, 'camera', counts, '16UC1'),
                         stamp_ns)
    return path


@pytest.mark.parametrize('faulty', [False, True])
def test_raw_depth_in_another_unit(quarter_millimetres, recording, faulty):
    """A fault that ends sight at 10 m measures in the same unit."""
    schedule = FaultSchedule(faults=(ScheduledFault(
        name='haze', modality='depth', fault='black', start_s=0.0, end_s=9.0, severity=0.9),))
    session = session_with(bags.read_rig(recording), decoding={'depth': {'unit_m': 0.00025}})
    sets = list(recorded_sets(quarter_millimetres, session,
                              schedule=schedule if faulty else None))
    depth_m = sets[-1].sample_set.samples['depth'].data
    assert np.allclose(depth_m[:, :20], 2.0)
    assert np.isnan(depth_m[:, 20:40]).all()
    assert np.isnan(depth_m[:, 40:]).all() if faulty else np.allclose(depth_m[:, 40:], 15.0)


def test_malformed_recorded_message():
    image = bags.image_message(0, 'camera', np.zeros((2, 2), np.uint8), 'mono8')
    recorded = SimpleNamespace(recorded_ns=1, message_of=lambda types: image)
    with pytest.raises(BadMessageError):
        segment_bag.decode_recorded('depth', recorded, MODALITIES['depth'])


@pytest.fixture(scope='module')
def bundle_path(tmp_path_factory):
    torch.manual_seed(0)
    config = {'num_classes': 3, 'modalities': tuple(ENCODERS)}
    path = tmp_path_factory.mktemp('bundles') / 'tiny'
    bundle = Bundle(model_name='m_segformer', model_config=config, encoders=ENCODERS,
                    label_space=SPACE, short_side_px=32)
    save_bundle(path, bundle, build_model('m_segformer', config).state_dict())
    return path


def test_command_line_writes_a_recording(recording, bundle_path, tmp_path, capsys):
    (tmp_path / 'faults.yaml').write_text(
        'faults: [{name: gone, modality: lidar, fault: drop, start_s: 0.5, end_s: 9.0}]')
    out = tmp_path / 'out'
    code = main([str(recording), '--out', str(out), '--bundle', str(bundle_path), '--color',
                 '--faults', str(tmp_path / 'faults.yaml'), '--storage', 'sqlite3',
                 '--max-seconds', '2', '--device', 'cpu', '--precision', 'bf16'])
    printed = capsys.readouterr().out
    assert code == 0, printed
    info = bags.bag_info(out)
    assert set(info.counts) == {f'/anymodal_seg/{name}' for name in (
        'label', 'confidence', 'label_color', 'fusion_info')}
    [number] = set(info.counts.values())
    assert number >= 18
    assert f'{number} label images of {number} sets' in printed
    assert 'x real time; torch' in printed and 'on cpu, bf16' in printed
    by_topic = {m.topic: m.message() for m in bags.read_bag(out)}
    label, color = by_topic['/anymodal_seg/label'], by_topic['/anymodal_seg/label_color']
    assert (label.encoding, label.width, label.height) == ('mono8', 64, 48)
    assert label.header.frame_id == 'camera'
    assert label.data.max() < 3
    np.testing.assert_array_equal(color.data.reshape(-1, 3), SPACE.palette()[label.data])
    fusion = by_topic['/anymodal_seg/fusion_info']
    assert fusion.header.stamp == label.header.stamp
    used = {s.name: {v.key: v.value for v in s.values}['used'] for s in fusion.status}
    assert used == {'rgb': 'true', 'depth': 'true', 'lidar': 'false', 'event': 'true'}


@pytest.mark.parametrize(('arguments', 'words'), [
    (['/nowhere/bag', '--out', 'out'], 'no such recording'),
    (['BAG', '--out', 'out', '--topics', 'nose=/x'], "'nose=/x'"),
    (['BAG', '--out', 'out', '--topics', 'lidar=/camera/image'], 'both rgb and lidar'),
    (['BAG', '--out', 'out', '--faults', '/nowhere.yaml'], '/nowhere.yaml'),
    (['BAG', '--out', 'out', '--bundle', '/nowhere'], '/nowhere'),
    (['BAG', '--out', 'BAG', '--bundle', 'BUNDLE'], 'exists'),
    (['BAG', '--out', 'out', '--bundle', 'BUNDLE', '--precision', 'int8'], "precision is 'int8'"),
    (['BAG', '--out', 'out', '--start-s', '1000'], '--start-s 1000'),
    (['BAG', '--out', 'out', '--start-s', '-1'], '--start-s -1'),
    (['BAG', '--out', 'out', '--max-seconds', 'nan'], '--max-seconds nan'),
])
def test_bad_input_costs_one_line(recording, bundle_path, arguments, words, capsys, tmp_path,
                                  monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {'BAG': str(recording), 'BUNDLE': str(bundle_path)}
    assert main([names.get(argument, argument) for argument in arguments]) == 2
    [line] = [x for x in capsys.readouterr().err.splitlines() if x.startswith('segment_bag: ')]
    assert words in line


def test_an_interrupted_command_leaves_its_labels_under_an_unfinished_name(
        recording, bundle_path, tmp_path, capsys, monkeypatch):
    arguments = [str(recording), '--out', str(tmp_path / 'out'), '--bundle', str(bundle_path),
                 '--max-seconds', '1', '--device', 'cpu']
    write, written = segment_bag.write_prediction, []

    def interrupt_after_three(writer, *rest, **options):
        write(writer, *rest, **options)
        written.append(rest)
        if len(written) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(segment_bag, 'write_prediction', interrupt_after_three)
    assert main(arguments) == 130
    [folder] = tmp_path.iterdir()
    assert folder == tmp_path / 'out.unfinished'
    assert capsys.readouterr().err.splitlines()[-1] == (
        f'segment_bag: interrupted; {folder} is what an interrupted command left')
    assert bags.bag_info(folder / 'out').counts['/anymodal_seg/label'] == 3
    monkeypatch.setattr(segment_bag, 'write_prediction', write)
    assert main(arguments) == 0
    assert list(tmp_path.iterdir()) == [tmp_path / 'out']
    assert bags.bag_info(tmp_path / 'out').counts['/anymodal_seg/label'] > 3
