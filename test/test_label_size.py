# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A label image has the size of the camera's images, whatever a calibration says of it."""

import numpy as np
import pytest

from anymodal_seg_ros.bundle import Bundle
from anymodal_seg_ros.geometry import CameraModel, Rig, optical_T_body
from anymodal_seg_ros.labels import LabelSpace
from anymodal_seg_ros.placement import PlacedRig, misfit
from anymodal_seg_ros.samples import EVENT_DTYPE, Sample, SampleSet
from anymodal_seg_ros.session import Session
from anymodal_seg_ros.sim.vehicle import SENSOR_NAMES

SIZES_PX = [(64, 48), (32, 24), (129, 97), (48, 64), (64, 64)]
CAMERA = CameraModel.from_fov(64, 48, 70.0)
DATA = {
    'depth': np.full((48, 64), 5.0, np.float32),
    'lidar': np.array([[5.0, 0.0, 0.0, 0.5]], np.float32),
    'event': np.zeros(3, EVENT_DTYPE),
}


class Segmenter:
    bundle = Bundle(
        model_name='m_segformer',
        model_config={'num_classes': 1, 'modalities': list(SENSOR_NAMES)},
        encoders={name: {} for name in SENSOR_NAMES},
        label_space=LabelSpace('one', ('road',), ((1, 2, 3),)),
        short_side_px=64,
    )

    def predict(self, images, out_hw):
        return np.zeros(out_hw, np.uint8), np.zeros(out_hw, np.uint8)


def set_of(**data):
    return SampleSet(stamp_ns=5, reference=next(iter(data)), complete=True, samples={
        name: Sample(modality=name, stamp_ns=5, received_ns=5, frame_id='', data=values)
        for name, values in data.items()})


def rig_of(camera, **cameras):
    return Rig(camera=camera, cameras=cameras, camera_T={'lidar': optical_T_body})


def session_of(rig):
    return Session(Segmenter(), PlacedRig(rig=rig))


def segment(session, sample_set):
    return session.label(session.place(sample_set, 5)).prediction


@pytest.mark.parametrize('image', SIZES_PX, ids=str)
@pytest.mark.parametrize('calibrated', SIZES_PX, ids=str)
def test_the_label_image_has_the_rgb_images_size(image, calibrated):
    session = session_of(rig_of(CameraModel.from_fov(*calibrated, 70.0), depth=CAMERA))
    rgb = np.zeros((image[1], image[0], 3), np.uint8)
    prediction = segment(session, set_of(rgb=rgb, **DATA))
    assert prediction.labels.shape == prediction.confidence.shape == (image[1], image[0])
    # Sides in whole pixels: 64x48, 32x24 and 129x97 are one aspect.
    landscape = SIZES_PX[:3]
    fits = image == calibrated or (image in landscape and calibrated in landscape)
    assert prediction.used == (('depth', 'event', 'lidar', 'rgb') if fits else ('rgb',))
    placed = session.place(set_of(rgb=rgb, **DATA), 5)
    assert set(placed.sample_set.absent.values()) == (set() if fits else {'no_camera_info'})
    assert session.place(set_of(rgb=rgb, **DATA), 5).rig is placed.rig


def test_the_label_size_follows_images_that_change():
    session = session_of(rig_of(CAMERA))
    for width, height in [*SIZES_PX, *SIZES_PX[::-1]]:
        prediction = segment(session, set_of(rgb=np.zeros((height, width, 3), np.uint8)))
        assert prediction.labels.shape == (height, width)


def test_a_depth_image_that_its_calibration_does_not_fit_costs_depth_alone():
    session = session_of(rig_of(CAMERA, depth=CameraModel.from_fov(64, 30, 70.0)))
    rig = session.placement.rig
    sample_set = set_of(rgb=np.zeros((48, 64, 3), np.uint8), **DATA)
    assert misfit(sample_set.samples['depth'], rig) == 'calibration_mismatch'
    assert [misfit(sample_set.samples[name], rig) for name in ('rgb', 'lidar', 'event')] == [
        '', '', '']
    assert segment(session, sample_set).used == ('event', 'lidar', 'rgb')
    assert session.place(sample_set, 5).sample_set.absent == {'depth': 'calibration_mismatch'}
    assert session.place(set_of(depth=DATA['depth']), 5) is None


@pytest.mark.parametrize(('num_outside', 'fits'), [(0, True), (1, True), (2, False), (100, False)])
@pytest.mark.parametrize('axis', ['x', 'y'])
@pytest.mark.parametrize(('cameras', 'reason'), [
    ({'event': CAMERA}, 'calibration_mismatch'), ({}, 'no_camera_info')])
def test_events_of_a_larger_sensor_than_was_calibrated_are_refused(
        num_outside, fits, axis, cameras, reason):
    rig = rig_of(CAMERA, **cameras)
    events = np.zeros(100, EVENT_DTYPE)
    events['x'], events['y'] = 63, 47
    events[axis][:num_outside] += 1
    sample = set_of(event=events).samples['event']
    assert misfit(sample, rig) == ('' if fits else reason)
    larger = rig_of(CAMERA, event=CameraModel.from_fov(65, 48 if axis == 'x' else 49, 70.0))
    assert misfit(sample, larger) == ''
    assert misfit(set_of(event=events[:0]).samples['event'], rig) == ''
