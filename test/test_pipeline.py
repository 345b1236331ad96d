# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which bundles a pipeline can run, and what it keeps when its settings change."""

import re
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
from anymodal_seg_ros.samples import EVENT_DTYPE, Sample
from anymodal_seg_ros.sync import InputConfig, SyncConfig

MS = 1_000_000


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
        ({'rgb': {}, 'radar': FROM_DATASET, 'thermal': {}}, 'radar, thermal'),
        ({'rgb': {}, 'depth': {'source': 'dataset'}}, 'depth'),
    ],
)
def test_a_bundle_for_a_data_set_is_refused(encoders, names):
    segmenter = SimpleNamespace(bundle=bundle_with(encoders))
    message = re.escape(f'the bundle was trained on {names} as encoded by the authors')
    with pytest.raises(ConfigError, match=f'{message}.*rgb, depth, lidar, event'):
        Pipeline(segmenter, rig=None)


def test_a_wrong_setting_of_an_encoder_is_named():
    with pytest.raises(ConfigError, match="unknown setting 'far' of the lidar encoder"):
        build_encoders(bundle_with({'lidar': {'far': 1}}))


def camera_and_scanner():
    segmenter = SimpleNamespace(bundle=bundle_with({'rgb': {}, 'lidar': {}}))
    return Pipeline(segmenter, rig=None)


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


@pytest.mark.parametrize('settings', [
    {'inputs': {'depth': InputConfig()}}, {'health': {'depth': HealthConfig()}}])
def test_settings_of_a_sensor_that_the_bundle_does_not_know_are_refused(settings):
    bundle = bundle_with({'rgb': {}, 'lidar': {}})
    message = "settings for 'depth', but the bundle knows rgb, lidar"
    with pytest.raises(ConfigError, match=message):
        Pipeline(SimpleNamespace(bundle=bundle), None, **settings)
    with pytest.raises(ConfigError, match=message):
        camera_and_scanner().reconfigure(0, **settings)


def camera_and_events(window_ms=50.0):
    segmenter = SimpleNamespace(bundle=bundle_with({'rgb': {}, 'event': {'window_ms': window_ms}}))
    camera = CameraModel.from_fov(64, 48, 90.0)
    pipeline = Pipeline(segmenter, rig=Rig(camera=camera, camera_frame='camera'))
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
    (ready,) = pipeline.set_enabled('lidar', False, 2011 * MS)
    assert (ready.stamp_ns, ready.absent) == (2000 * MS, {'lidar': 'untrusted'})
    (next_one,) = pipeline.push(sample('rgb', 2100, 2110), 2110 * MS)
    assert set(next_one.samples) == {'rgb'}, 'at once'
    assert pipeline.poll(2400 * MS) == []


def test_without_a_rig_the_pipeline_s_own_is_fitted_to_the_images():
    """The camera is calibrated at 64 x 48, its images are twice as large."""
    pipeline = camera_and_events()
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    (formed, *_) = sets_of(pipeline, *(
        Sample(modality='rgb', stamp_ns=stamp * MS, received_ns=stamp * MS, frame_id='camera',
               data=image) for stamp in range(1000, 1600, 100)))
    images = pipeline.encode(formed)
    assert min(images['rgb'].shape[:2]) == 64
    prediction = pipeline.predict(formed, images)
    assert prediction.labels.shape == (96, 128) and prediction.used == ('rgb',)


@pytest.mark.parametrize(('sync', 'health', 'message'), [
    ({'max_past_s': 0.9}, {}, r'health\.rgb\.stale_s is 1.0; at most sync\.max_past_s \(0.9\)'),
    ({}, {'future_s': 0.3}, r'health\.rgb\.future_s is 0.3; at most sync\.max_future_s \(0.2\)'),
])
def test_what_health_takes_for_good_is_not_too_old_or_new_for_a_set(sync, health, message):
    settings = {'sync': SyncConfig(**sync), 'health': {'rgb': HealthConfig(**health)}}
    segmenter = SimpleNamespace(bundle=bundle_with({'rgb': {}, 'lidar': {}}))
    with pytest.raises(ConfigError, match=message):
        Pipeline(segmenter, None, **settings)
    with pytest.raises(ConfigError, match=message):
        camera_and_scanner().reconfigure(0, **settings)
