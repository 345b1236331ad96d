# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A drive without ROS: what is refused, placed and labelled; restarts and other settings."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from anymodal_seg_ros.bundle import Bundle
from anymodal_seg_ros.errors import BadMessageError, ConfigError
from anymodal_seg_ros.extrinsics import RigKeeper
from anymodal_seg_ros.geometry import CameraModel, Rig, optical_T_body
from anymodal_seg_ros.health import HealthConfig
from anymodal_seg_ros.labels import LabelSpace
from anymodal_seg_ros.placement import PlacedRig
from anymodal_seg_ros.samples import HealthState, Sample
from anymodal_seg_ros.session import Session, SessionSettings
from anymodal_seg_ros.sync import SyncConfig, SyncInputConfig

MS = 1_000_000
OFF = HealthConfig(enabled=False)
CAMERA = CameraModel.from_fov(64, 48, 90.0)
RIG = Rig(camera=CAMERA, camera_frame='camera', camera_T={'lidar': optical_T_body})


class Segmenter:
    """A label says how many sensors there were."""

    bundle = Bundle(
        model_name='m_segformer', model_config={'num_classes': 1, 'modalities': ['rgb', 'lidar']},
        encoders={'rgb': {}, 'lidar': {}}, label_space=LabelSpace('one', ('road',), ((1, 2, 3),)),
        short_side_px=32)

    def __init__(self):
        self.calls = []

    def predict(self, images, out_hw):
        self.calls.append('predict')
        return np.full(out_hw, len(images), np.uint8), np.zeros(out_hw, np.uint8)

    def forget(self):
        self.calls.append('forget')


def session_of(placement=None, **options):
    return Session(Segmenter(), placement or PlacedRig(rig=RIG), **options)


def sample(modality, stamp_ms, received_ms, **changes):
    rng = np.random.default_rng(abs(stamp_ms))
    data = rng.integers(0, 256, (48, 64, 3), np.uint8)
    if modality == 'lidar':
        data = rng.random((100, 4), np.float32) + np.float32([2, 0, 0, 0])
    made = Sample(modality=modality, stamp_ns=stamp_ms * MS, received_ns=received_ms * MS,
                  frame_id=modality, data=data, received_steady_ns=received_ms + 7)
    return replace(made, **changes)


def receive(session, one):
    """The sets that a sample makes ready on its arrival."""
    return session.receive(one.modality, lambda decoder: one, one.received_ns)


def drive(session, first_ms=1000, number=10, **changes):
    """Both sensors at 10 Hz, the camera 10 ms and the scan 60 ms late; the sets, as placed."""
    placed = []
    for stamp_ms in range(first_ms, first_ms + 100 * number, 100):
        for modality, late_ms in (('rgb', 10), ('lidar', 60)):
            one = sample(modality, stamp_ms, stamp_ms + late_ms, **changes)
            sets = session.poll(one.received_ns) + receive(session, one)
            placed += [session.place(formed, one.received_ns) for formed in sets]
    return placed


def members(placed):
    return set(placed.sample_set.samples)


def stamps_ms(all_placed):
    return [placed.sample_set.stamp_ns // MS for placed in all_placed]


def test_a_set_carries_what_was_known_when_it_was_formed():
    session = session_of()
    last = drive(session)[-1]
    assert members(last) == {'rgb', 'lidar'}
    assert last.sample_set.stamp_ns == 1900 * MS
    assert last.received_steady_ns == 1960 + 7, 'the later of the two'
    assert last.reports['rgb'].state is HealthState.OK
    assert last.reports['rgb'].num_received == 10
    drive(session, first_ms=2000, number=1)
    assert last.reports['rgb'].num_received == 10, 'as it was then'
    labelled = session.label(last)
    assert labelled.prediction.used == ('lidar', 'rgb')
    assert labelled.prediction.labels.shape == (48, 64) and (labelled.prediction.labels == 2).all()
    assert (labelled.sample_set, labelled.rig) == (last.sample_set, last.rig)


def test_stages_are_told_in_order_and_only_when_they_are_done():
    session = session_of()
    told = []
    last = drive(session)[-1]
    session.label(last, told.append)
    assert told == ['encode', 'predict']
    session.pipeline.encoders.update(dict.fromkeys(('rgb', 'lidar'), Failing()))
    assert session.label(last, told.append) is None
    assert told == ['encode', 'predict']


def test_stamps_of_sets_increase_through_late_repeated_and_refused_messages_and_new_settings():
    session = session_of()
    placed = drive(session)
    placed += [session.place(one, 0) for one in (
        *receive(session, sample('rgb', 1850, 1990)), *receive(session, sample('rgb', 1900, 1991)),
        *session.reject('lidar', 'bad_data', 1992 * MS),
        *session.reconfigure(SessionSettings(sync=SyncConfig(max_wait_s=0.001)), 1993 * MS))]
    placed += drive(session, first_ms=2000)
    assert all(a < b for a, b in pairwise(stamps_ms(placed)))
    assert stamps_ms(placed)[-1] == 2900
    assert {1850, 1900} & set(stamps_ms(placed)) == {1900}


def test_a_restart_discards_what_was_formed_before_and_stamps_may_begin_anew():
    session = session_of()
    before = drive(session)
    receive(session, sample('rgb', 2000, 2010))
    assert session.next_deadline() is not None and session.is_current(before[-1])
    session.restart(500 * MS, 'the clock jumped')
    assert session.next_deadline() is None
    assert not any(session.is_current(placed) for placed in before)
    after = drive(session, first_ms=500)
    assert stamps_ms(after)[0] == 500 and all(session.is_current(placed) for placed in after)
    assert 2000 not in stamps_ms(after)
    assert session.pipeline.reports(0)['rgb'].num_received == 21, 'counts go on'
    assert session.pipeline.synchronizer.stats().resets == 1


@pytest.mark.parametrize('jump', ['told', 'forward', 'stamps'])
def test_the_network_forgets_what_was_before_time_restarted(jump):
    session = session_of()
    before = drive(session, number=2)
    if jump != 'stamps':
        session.restart(500 * MS, 'the clock jumped')
    after = drive(session, first_ms=9000 if jump == 'forward' else 500, number=2)
    if jump == 'stamps':
        after = [replace(one, sample_set=replace(
            one.sample_set, stamp_ns=one.sample_set.stamp_ns - 600 * MS)) for one in before]
    for placed in (*before, *after):
        session.label(placed)
    assert session.pipeline.segmenter.calls == [
        *['predict'] * len(before), 'forget', *['predict'] * len(after)]
    assert before and after


def test_a_recording_that_begins_anew_is_taken_without_being_told():
    """Its stamps run back, its clock does not."""
    session = session_of()
    before = drive(session, first_ms=5000)
    looped = []
    for stamp_ms in range(1000, 3000, 100):
        for modality in ('rgb', 'lidar'):
            now_ms = stamp_ms + 5010
            looped += [session.place(one, now_ms * MS) for one in receive(
                session, sample(modality, stamp_ms, now_ms))]
    assert stamps_ms(before)[-1] == 5900
    assert all(session.is_current(placed) for placed in looped)
    assert session.pipeline.synchronizer.stats().resets <= 1
    assert all(a < b for a, b in pairwise(stamps_ms(looped)))


def test_other_settings_keep_what_waits_and_what_was_learnt():
    session = session_of()
    drive(session)
    assert receive(session, sample('rgb', 2000, 2010)) == []
    pipeline = session.pipeline
    before = pipeline.synchronizer.stats(), pipeline.reports(2011 * MS)
    learnt = before[0].inputs['lidar']
    assert (learnt.period_ms, learnt.latency_ms) == (100.0, 60.0)
    assert session.reconfigure(SessionSettings(
        sync=SyncConfig(max_wait_s=0.2), inputs={'depth': SyncInputConfig()},
        health={'rgb': HealthConfig(stale_s=2.0)}), 2011 * MS) == []
    assert (pipeline.synchronizer.stats(), pipeline.reports(2011 * MS)) == before
    (ready,) = receive(session, sample('lidar', 2000, 2060))
    assert set(ready.samples) == {'rgb', 'lidar'}


def test_settings_that_contradict_each_other_change_nothing():
    session = session_of()
    drive(session)
    with pytest.raises(ConfigError, match=r'health\.rgb\.stale_s is 50'):
        session.reconfigure(SessionSettings(
            health={'rgb': HealthConfig(stale_s=50.0), 'lidar': OFF}), 2000 * MS)
    assert session.pipeline.reports(0)['lidar'].state is HealthState.OK
    session.reconfigure(SessionSettings(health={'lidar': OFF}), 2000 * MS)
    assert session.pipeline.reports(0)['lidar'].state is HealthState.DISABLED


def test_a_sensor_is_switched_off_and_on():
    off = SessionSettings(health={'lidar': OFF, 'depth': OFF})
    session = session_of(settings=off)
    assert members(drive(session)[-1]) == {'rgb'}
    assert session.pipeline.reports(2000 * MS)['lidar'].state is HealthState.DISABLED
    session.reconfigure(SessionSettings(), 2000 * MS)
    assert members(drive(session, first_ms=2000)[-1]) == {'rgb', 'lidar'}
    receive(session, sample('rgb', 3000, 3010))
    (ready,) = session.reconfigure(off, 3011 * MS)
    assert (ready.stamp_ns, ready.absent) == (3000 * MS, {'lidar': 'untrusted'})
    assert session.reconfigure(off, 3012 * MS) == []


def test_what_cannot_be_read_or_placed_is_refused_counted_and_told():
    told = []
    session = session_of(PlacedRig(rig=RIG, unplaced={'lidar': 'no_extrinsic'}),
                         on_refused=lambda *what: told.append(what))

    def unreadable(decoder):
        assert decoder is session.pipeline.decoders['rgb']
        raise BadMessageError('height', '0; at least 1 is needed')

    session.receive('rgb', unreadable, 1000 * MS)
    for stamp_ms in (900, 950, 1000):
        receive(session, sample('lidar', stamp_ms, stamp_ms + 60))
    assert told == [('rgb', 'bad_height', "height: 0; at least 1 is needed"),
                    *[('lidar', 'no_extrinsic', "frame 'lidar': no_extrinsic")] * 3]
    reports = session.pipeline.reports(0)
    assert reports['rgb'].rejected == {'bad_height': 1}
    assert reports['lidar'].rejected == {'no_extrinsic': 3}
    assert reports['lidar'].reason == 'no_extrinsic'
    assert {frozenset(members(placed)) for placed in drive(session, first_ms=1100)} == {
        frozenset({'rgb'})}


def test_a_sensor_whose_place_is_lost_leaves_the_sets_that_wait_for_the_network():
    problems = {}
    placement = SimpleNamespace(rig=RIG, on_sample=lambda *what: None,
                                problem=lambda modality: problems.get(modality, ''))
    session = session_of(placement)
    drive(session)
    receive(session, sample('rgb', 2000, 2010))
    (formed,) = receive(session, sample('lidar', 2000, 2060))
    problems['lidar'] = 'no_extrinsic'
    placed = session.place(formed, 2060 * MS)
    assert (members(placed), placed.sample_set.absent) == ({'rgb'}, {'lidar': 'no_extrinsic'})
    problems['rgb'] = 'no_camera_info'
    assert session.place(formed, 2060 * MS) is None


def test_the_rig_is_fitted_to_the_images():
    """The camera is calibrated at 64 x 48, its images are twice as large."""
    session = session_of()
    large = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    (formed, *_) = [one for stamp_ms in range(1000, 1600, 100)
                    for one in receive(session, sample('rgb', stamp_ms, stamp_ms, data=large))]
    placed = session.place(formed, 1600 * MS)
    _, images = session.pipeline.encode(placed.sample_set, placed.rig)
    assert min(images['rgb'].shape[:2]) == 32
    labelled = session.label(placed)
    assert labelled.prediction.labels.shape == (96, 128)
    assert labelled.prediction.used == ('rgb',)


def test_each_set_has_the_rig_of_its_time():
    """The camera is calibrated anew in the midst of a drive."""
    placement = SimpleNamespace(rig=RIG, on_sample=lambda *what: None, problem=lambda name: '')
    session = session_of(placement)
    first = drive(session)[-1]
    placement.rig = Rig(camera=CameraModel.from_fov(64, 48, 60.0), camera_frame='lens')
    last = drive(session, first_ms=2000)[-1]
    assert (first.rig, last.rig) == (RIG, placement.rig)
    labels = [session.label(placed) for placed in (last, first)]
    assert [labelled.rig.camera_frame for labelled in labels] == ['lens', 'camera']


def test_nothing_is_learnt_from_a_sample_of_a_wrong_frame():
    keeper = RigKeeper(camera_frame='optical', cameras={'rgb': CAMERA})
    session = session_of(
        keeper, settings=SessionSettings(health={'rgb': HealthConfig(frame_id='lens')}))
    assert receive(session, sample('rgb', 1000, 1010)) == []
    assert session.pipeline.reports(0)['rgb'].rejected == {'wrong_frame': 1}
    assert keeper.rig.camera_frame == 'optical'
    receive(session, sample('rgb', 1100, 1110, frame_id='lens'))
    assert keeper.rig.camera_frame == 'lens'


class Failing:
    def encode(self, data, rig, size_hw):
        raise IndexError('index 7 is out of bounds')


def test_an_encoder_that_fails_costs_its_sensor_and_the_next_poll_tells_health(caplog):
    session = session_of()
    placed = drive(session)
    whole, session.pipeline.encoders['lidar'] = session.pipeline.encoders['lidar'], Failing()
    for one in placed[-3:]:
        labelled = session.label(one)
        assert labelled.prediction.used == ('rgb',)
        assert labelled.sample_set.absent == {'lidar': 'encoder_failed'}
        assert members(one) == {'rgb', 'lidar'}, 'the set itself is as it was'
    session.poll(2000 * MS)
    report = session.pipeline.health.reports(2000 * MS)['lidar']
    assert (report.reason, report.rejected) == ('encoder_failed', Counter(encoder_failed=3))
    session.pipeline.encoders['lidar'] = whole
    assert session.label(placed[-1]).prediction.used == ('lidar', 'rgb')


def test_a_size_that_no_camera_has_is_refused_and_the_next_image_taken():
    session = session_of(RigKeeper(camera_frame='rgb', cameras={'rgb': CAMERA}))
    strip = np.zeros((8, 256, 3), np.uint8)
    assert receive(session, sample('rgb', 1000, 1010, data=strip)) == []
    assert session.pipeline.reports(0)['rgb'].rejected == {'bad_height': 1}
    assert members(drive(session, first_ms=1100)[-1]) == {'rgb'}
