# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which bundles a pipeline can run, and what it keeps when its settings change."""

import re
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from anymodal_seg_ros.bundle import FROM_DATASET, Bundle
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.geometry import CameraModel, Rig
from anymodal_seg_ros.health import HealthConfig
from anymodal_seg_ros.labels import LabelSpace
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.pipeline import Pipeline, build_encoders
from anymodal_seg_ros.samples import EVENT_DTYPE, HealthState, Sample
from anymodal_seg_ros.sync import SyncConfig, SyncInputConfig

MS = 1_000_000
OFF = HealthConfig(enabled=False)
RIG = Rig(camera=CameraModel.from_fov(64, 48, 90.0), camera_frame='camera')


def bundle_with(encoders):
    return Bundle(
        model_name='m_segformer',
        model_config={'num_classes': 1, 'modalities': list(encoders)},
        encoders=encoders,
        label_space=LabelSpace('one', ('road',), ((1, 2, 3),)),
        short_side_px=64,
    )


def test_settings_of_a_bundle_build_its_encoders():
    encoders = build_encoders(bundle_with({'lidar': {'max_range_m': 80.0}, 'rgb': {}}))
    assert list(encoders) == ['lidar', 'rgb']
    assert encoders['lidar'] == MODALITIES['lidar'].build_encoder({'max_range_m': 80.0})


@pytest.mark.parametrize(
    ('encoders', 'names'),
    [
        ({'rgb': {}, 'radar': FROM_DATASET, 'lightfield': {}}, 'radar, lightfield'),
        ({'rgb': {}, 'thermal': FROM_DATASET}, 'thermal'),
        ({'rgb': {}, 'depth': {'source': 'dataset'}}, 'depth'),
    ],
)
def test_a_bundle_for_a_data_set_is_refused(encoders, names):
    segmenter = SimpleNamespace(bundle=bundle_with(encoders))
    message = re.escape(f'the bundle was trained on {names} as encoded by the authors')
    with pytest.raises(ConfigError, match=f'{message}.*rgb, depth, lidar, event'):
        Pipeline(segmenter)


def test_a_wrong_setting_of_an_encoder_is_named():
    with pytest.raises(ConfigError, match="unknown setting 'far' of the lidar encoder"):
        build_encoders(bundle_with({'lidar': {'far': 1}}))


def camera_and_scanner():
    segmenter = SimpleNamespace(bundle=bundle_with({'rgb': {}, 'lidar': {}}))
    return Pipeline(segmenter)


def sample(modality, stamp_ms, received_ms):
    data = np.full((8, 8, 3), stamp_ms % 251, np.uint8)
    if modality == 'lidar':
        data = np.random.default_rng(stamp_ms).random((100, 4), np.float32)
    return Sample(modality=modality, stamp_ns=stamp_ms * MS, received_ns=received_ms * MS,
                  frame_id='', data=data)


def test_waiting_samples_and_what_is_known_outlast_other_settings():
    pipeline = camera_and_scanner()
    skip = HealthConfig(skip_checks=frozenset({'image_black', 'image_blurred'}))
    for stamp_ms in range(1000, 2000, 100):
        pipeline.push(sample('rgb', stamp_ms, stamp_ms + 10), (stamp_ms + 10) * MS)
        pipeline.push(sample('lidar', stamp_ms, stamp_ms + 60), (stamp_ms + 60) * MS)
    assert pipeline.push(sample('rgb', 2000, 2010), 2010 * MS) == []
    before = pipeline.synchronizer.stats(), pipeline.health.reports(2011 * MS)
    assert pipeline.reconfigure(
        2011 * MS, sync=SyncConfig(max_wait_s=0.2), health={'rgb': skip}) == []
    assert (pipeline.synchronizer.stats(), pipeline.health.reports(2011 * MS)) == before
    (ready,) = pipeline.push(sample('lidar', 2000, 2060), 2060 * MS)
    assert set(ready.samples) == {'rgb', 'lidar'}


def test_settings_that_make_a_set_due_send_it_out():
    pipeline = camera_and_scanner()
    for stamp_ms in range(1000, 2000, 100):
        pipeline.push(sample('rgb', stamp_ms, stamp_ms + 10), (stamp_ms + 10) * MS)
        pipeline.push(sample('lidar', stamp_ms, stamp_ms + 60), (stamp_ms + 60) * MS)
    pipeline.push(sample('rgb', 2000, 2010), 2010 * MS)
    (ready,) = pipeline.reconfigure(2040 * MS, sync=SyncConfig(max_wait_s=0.02))
    assert (ready.stamp_ns, ready.absent) == (2000 * MS, {'lidar': 'not_arrived'})


def test_settings_given_at_the_construction_hold():
    pipeline = Pipeline(
        SimpleNamespace(bundle=bundle_with({'rgb': {}, 'lidar': {}})),
        sync=SyncConfig(max_wait_s=0.02), health={'rgb': HealthConfig(frame_id='camera')})
    assert pipeline.health.mismatch(sample('rgb', 1000, 1000)) == 'wrong_frame'
    for stamp_ms in range(1000, 2000, 100):
        for modality in ('lidar', 'rgb'):
            one = replace(sample(modality, stamp_ms, stamp_ms), frame_id='camera')
            pipeline.push(one, stamp_ms * MS)
    pipeline.push(replace(sample('rgb', 2000, 2000), frame_id='camera'), 2000 * MS)
    assert pipeline.next_deadline() <= 2020 * MS, 'and not a tenth of a second later'


def test_images_are_made_in_the_size_that_the_given_rig_asks_for():
    pipeline = camera_and_events()
    (formed, *_) = sets_of(pipeline, *(
        event_sample(stamp, events_at(stamp - 1)) for stamp in range(1000, 1600, 100)))
    wide = Rig(camera=CameraModel.from_fov(256, 64, 90.0), camera_frame='camera')
    _, images = pipeline.encode(formed, wide)
    assert images['event'].shape == (64, 256, 3)


@pytest.mark.parametrize('settings', [
    {'inputs': {'depth': SyncInputConfig()}}, {'health': {'depth': HealthConfig()}}])
def test_settings_of_a_sensor_that_the_bundle_does_not_know_are_refused(settings):
    bundle = bundle_with({'rgb': {}, 'lidar': {}})
    message = "settings for 'depth', but the bundle knows rgb, lidar"
    with pytest.raises(ConfigError, match=message):
        Pipeline(SimpleNamespace(bundle=bundle), **settings)
    with pytest.raises(ConfigError, match=message):
        camera_and_scanner().reconfigure(0, **settings)


def camera_and_events(window_ms=50.0):
    segmenter = SimpleNamespace(bundle=bundle_with({'rgb': {}, 'event': {'window_ms': window_ms}}))
    pipeline = Pipeline(segmenter)
    segmenter.predict = lambda images, out_hw: (
        np.full(out_hw, len(images), np.uint8), np.zeros(out_hw, np.uint8))
    return pipeline


def events_at(*times_ms):
    data = np.zeros(len(times_ms), EVENT_DTYPE)
    data['t_ns'] = [time_ms * MS for time_ms in times_ms]
    return data


def event_sample(stamp_ms, data):
    return Sample(modality='event', stamp_ns=stamp_ms * MS, received_ns=stamp_ms * MS,
                  frame_id='camera', data=data)


def sets_of(pipeline, *samples):
    return [formed for one in samples for formed in pipeline.push(one, one.received_ns)]


def test_events_of_earlier_messages_are_in_the_window_and_what_is_older_is_not():
    pipeline = camera_and_events(window_ms=50.0)
    formed = sets_of(pipeline, *(event_sample(stamp, events_at(stamp - 20, stamp))
                                 for stamp in range(1000, 1400, 30)))
    times_ms = [(one.samples['event'].data['t_ns'] / MS).tolist() for one in formed]
    assert times_ms[-1] == [1360.0, 1370.0, 1390.0], 'newer than 1340'
    pipeline.reset(2000 * MS, 'test')
    (first, *_) = sets_of(pipeline, *(event_sample(stamp, events_at(stamp))
                                      for stamp in range(1370, 1600, 30)))
    assert (first.samples['event'].data['t_ns'] >= 1370 * MS).all(), 'nothing from before'


def test_event_frames_and_other_sensors_pass_the_window_by():
    pipeline = camera_and_events()
    frame = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    formed = sets_of(pipeline, *(event_sample(stamp, frame) for stamp in range(1000, 1600, 100)))
    assert formed and all(one.samples['event'].data is frame for one in formed)


def test_a_sensor_that_is_switched_off_is_waited_for_no_more():
    pipeline = camera_and_scanner()
    for stamp_ms in range(1000, 2000, 100):
        pipeline.push(sample('rgb', stamp_ms, stamp_ms + 10), (stamp_ms + 10) * MS)
        pipeline.push(sample('lidar', stamp_ms, stamp_ms + 60), (stamp_ms + 60) * MS)
    pipeline.push(sample('rgb', 2000, 2010), 2010 * MS)
    (ready,) = pipeline.reconfigure(2011 * MS, health={'lidar': OFF})
    assert (ready.stamp_ns, ready.absent) == (2000 * MS, {'lidar': 'untrusted'})
    (next_one,) = pipeline.push(sample('rgb', 2100, 2110), 2110 * MS)
    assert set(next_one.samples) == {'rgb'}, 'at once'
    assert pipeline.poll(2400 * MS) == []


@pytest.mark.parametrize(('sync', 'health', 'message'), [
    ({'max_past_s': 0.9}, {}, r'health\.rgb\.stale_s is 1.0; at most sync\.max_past_s \(0.9\)'),
    ({}, {'future_s': 0.3}, r'health\.rgb\.future_s is 0.3; at most sync\.max_future_s \(0.2\)'),
])
def test_what_health_takes_for_good_is_not_too_old_or_new_for_a_set(sync, health, message):
    settings = {'sync': SyncConfig(**sync), 'health': {'rgb': HealthConfig(**health)}}
    segmenter = SimpleNamespace(bundle=bundle_with({'rgb': {}, 'lidar': {}}))
    with pytest.raises(ConfigError, match=message):
        Pipeline(segmenter, **settings)
    with pytest.raises(ConfigError, match=message):
        camera_and_scanner().reconfigure(0, **settings)


class Failing:
    """An encoder that fails, but for the calls that are named."""

    def __init__(self, error, works_at=()):
        self.error, self.works_at, self.num_calls = error, works_at, 0

    def encode(self, data, rig, size_hw):
        self.num_calls += 1
        if self.num_calls in self.works_at:
            return np.zeros((*size_hw, 3), np.uint8)
        raise self.error


def segment(pipeline, formed):
    """The set that was labelled and its labels; None where no sensor could be encoded."""
    encoded, images = pipeline.encode(formed, RIG)
    return (encoded, pipeline.predict(encoded, images, RIG)) if images else None


def images_of(pipeline, number, first_ms=1000):
    """Sets of two sensors at 10 Hz with what they were labelled as."""
    rng = np.random.default_rng(first_ms)
    for stamp_ms in range(first_ms, first_ms + 100 * number, 100):
        for modality in ('event', 'rgb'):
            data = rng.integers(0, 256, (48, 64, 3), np.uint8)
            if modality == 'event':
                data = events_at(*range(stamp_ms - 50, stamp_ms))
                data['x'], data['y'] = rng.integers(0, 48, (2, 50))
            one = Sample(modality=modality, stamp_ns=stamp_ms * MS, received_ns=stamp_ms * MS,
                         frame_id='camera', data=data)
            for formed in pipeline.push(one, one.received_ns):
                yield formed, segment(pipeline, formed)


def test_a_sensor_whose_encoder_fails_costs_itself_and_its_health_says_so(caplog):
    pipeline = camera_and_events()
    assert list(images_of(pipeline, 10))[-1][1][1].used == ('event', 'rgb')
    whole, pipeline.encoders['event'] = pipeline.encoders['event'], Failing(
        IndexError('index 7 is out of bounds\nand more'))
    failed = list(images_of(pipeline, 10, 2000))
    for formed, (labelled, prediction) in failed:
        assert set(formed.samples) == {'rgb', 'event'}
        assert prediction.used == ('rgb',)
        assert (set(labelled.samples), labelled.absent) == ({'rgb'}, {'event': 'encoder_failed'})
    report = pipeline.reports(3000 * MS)['event']
    assert (report.state, report.reason) == (HealthState.DEGRADED, 'encoder_failed')
    assert report.trusted, 'or nothing would tell when it works again'
    assert report.encoder_failure == 'IndexError: index 7 is out of bounds'
    assert report.rejected['encoder_failed'] == len(failed) == 10
    told = [record.getMessage() for record in caplog.records if 'encoder' in record.getMessage()]
    assert len(told) == 1 and 'Traceback' in told[0]
    assert pipeline.reports(3000 * MS)['rgb'].state is HealthState.OK
    pipeline.encoders['event'] = whole
    assert list(images_of(pipeline, 3, 3000))[-1][1][1].used == ('event', 'rgb')
    report = pipeline.reports(3300 * MS)['event']
    assert (report.state, report.reason, report.encoder_failure) == (HealthState.OK, '', '')
    assert report.rejected['encoder_failed'] == 10


def test_a_set_without_any_encoder_that_works_has_no_labels():
    pipeline = camera_and_events()
    for name in pipeline.encoders:
        pipeline.encoders[name] = Failing(RuntimeError('x'))
    sets = list(images_of(pipeline, 5))
    assert {labelled for _, labelled in sets} == {None}
    assert {name: report.rejected['encoder_failed']
            for name, report in pipeline.reports(0).items()} == Counter(
                name for formed, _ in sets for name in formed.samples)


def test_one_failure_of_an_encoder_is_counted_and_changes_no_state():
    pipeline = camera_and_events()
    list(images_of(pipeline, 10))
    pipeline.encoders['event'] = Failing(RuntimeError('x'), works_at=range(2, 100))
    list(images_of(pipeline, 10, 2000))
    report = pipeline.reports(0)['event']
    assert (report.state, report.encoder_failure) == (HealthState.OK, '')
    assert report.rejected == {'encoder_failed': 1}


def test_a_sample_that_serves_twice_fails_once():
    pipeline = camera_and_events()
    pipeline.encoders['event'] = Failing(RuntimeError('x'))
    ((formed, _),) = list(images_of(pipeline, 1))
    segment(pipeline, formed)
    assert pipeline.reports(0)['event'].rejected == {'encoder_failed': 1}
