# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which bundles a pipeline can run: those whose input it can make itself."""

import re
from types import SimpleNamespace

import pytest

from anymodal_seg_ros.bundle import FROM_DATASET, Bundle
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.labels import LabelSpace
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.pipeline import Pipeline, build_encoders


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
