# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which bundles a pipeline can run, and what it keeps when its settings change."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from anymodal_seg_ros.bundle import FROM_DATASET, Bundle
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.health import HealthConfig
from anymodal_seg_ros.labels import LabelSpace
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.pipeline import Pipeline, build_encoders
from anymodal_seg_ros.samples import Sample
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
