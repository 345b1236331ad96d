# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras out of CameraInfo, against OpenCV's calib3d and fisheye and image_geometry's rules."""

import re
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anymodal_seg_ros.calibration import MODEL_NAMES, SUBSTITUTES, fit_to_image, read_camera_info
from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.geometry import CameraModel, Rig, optical_T_body
from anymodal_seg_ros.intrinsics import CAMERAS
from anymodal_seg_ros.lens import undistort
from anymodal_seg_ros.modalities import MODALITIES

ROOT = Path(__file__).resolve().parents[1]
K = np.array([[300.0, 0.0, 318.0], [0.0, 310.0, 243.0], [0.0, 0.0, 1.0]])
P = np.array([[250.0, 0.0, 330.0, 0.0], [0.0, 255.0, 236.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
POINTS = np.array([[0.0, 0.0, 1.0], [0.4, -0.3, 1.0], [-1.2, 0.9, 2.0], [0.6, 0.5, 1.5]])
PIXELS = np.array([[140.0, 120.0], [318.0, 243.0], [500.0, 150.0], [401.0, 380.0]])
RADIAL = [0.11, -0.04, 0.001, -0.002]
RATIONAL = [*RADIAL, 0.006, 0.21, 0.012, 0.001]
THIN_PRISM = [*RATIONAL, 0.004, -0.002, -0.003, 0.001]
TILTED = [*THIN_PRISM, 0.05, -0.08]


def roi(x_offset=0, y_offset=0, width=0, height=0, do_rectify=False):
    return SimpleNamespace(x_offset=x_offset, y_offset=y_offset, width=width, height=height,
                           do_rectify=do_rectify)


def camera_info(**changes):
    fields = {'width': 640, 'height': 480, 'distortion_model': 'plumb_bob', 'k': K.reshape(-1),
              'd': [-0.3, 0.1, 0.0, 0.0, 0.0], 'p': P.reshape(-1), 'binning_x': 0, 'binning_y': 0,
              'roi': roi()}
    return SimpleNamespace(**{**fields, **changes})


def project(camera, points=POINTS):
    return camera.project(points)[0]


def ray_through(pixel, **changes):
    """x, y of the ray through one pixel, as a region of interest that begins there has it."""
    region = roi(int(pixel[0]), int(pixel[1]), 8, 8)
    return read_camera_info(camera_info(roi=region, **changes)).ray_directions()[0, 0, :2]


@pytest.mark.parametrize('model', ['plumb_bob', 'rational_polynomial', '', 'radtan'])
@pytest.mark.parametrize('d', [
    [], RADIAL, [*RADIAL, 0.006], RATIONAL, THIN_PRISM, TILTED,
    # Zeros at the end, as drivers with a fixed number of coefficients send them.
    [0.0] * 5, [0.0] * 14, [*RADIAL, *[0.0] * 4], [*RADIAL, 0.006, *[0.0] * 3],
    [*RADIAL, 0.0, 0.0], [*RADIAL, 0.006, *[0.0] * 9], [*RATIONAL, *[0.0] * 4],
    [*RATIONAL, *[0.0] * 6], [*THIN_PRISM, 0.0, 0.0],
], ids=str)
def test_perspective_coefficients_mean_what_they_mean_to_opencv(model, d):
    camera = read_camera_info(camera_info(distortion_model=model, d=d))
    told = np.array(d[:4] if len(d) == 6 else d)
    expected = cv2.projectPoints(POINTS, np.zeros(3), np.zeros(3), K, told)[0][:, 0]
    np.testing.assert_allclose(project(camera), expected, atol=1e-9)
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-14)
    undistorted = cv2.undistortPointsIter(PIXELS[:, None], K, told, None, None, criteria)[:, 0]
    rays = [ray_through(pixel, distortion_model=model, d=d) for pixel in PIXELS]
    np.testing.assert_allclose(rays, undistorted, atol=1e-7)


@pytest.mark.parametrize('tilt_rad', [0.0, 0.3, 0.5, 0.7])
@pytest.mark.parametrize('d', [[-0.3, 0.1, 0.001, -0.002, *[0.0] * 8],
                               [0.5, -0.1, 0.001, -0.002, 0.01, 0.8, 0.1, 0.01, *[0.0] * 4]])
def test_what_opencv_distorts_is_undistorted_however_far_the_sensor_tilts(d, tilt_rad):
    D = np.array([*d, tilt_rad, -0.7 * tilt_rad])
    xy = np.stack(np.meshgrid(np.linspace(-0.6, 0.6, 9), np.linspace(-0.6, 0.6, 9)), -1)
    points = np.concatenate([xy, np.ones((9, 9, 1))], axis=-1).reshape(-1, 3)
    distorted = cv2.projectPoints(points, np.zeros(3), np.zeros(3), np.eye(3), D)[0][:, 0]
    np.testing.assert_allclose(
        undistort(distorted, 'rational_polynomial', D), points[:, :2], atol=1e-6)


@pytest.mark.parametrize('model', ['equidistant', 'fisheye', 'Fisheye', 'kannala_brandt4'])
@pytest.mark.parametrize('d', [[], [0.1, -0.02, 0.003, -0.001], [0.1, -0.02, 0.003, -0.001, 0.0],
                               [0.0] * 5])
def test_fisheye_coefficients_mean_what_they_mean_to_opencv(model, d):
    camera = read_camera_info(camera_info(distortion_model=model, d=d))
    told = np.array([*d, 0.0, 0.0, 0.0, 0.0][:4])
    zero = np.zeros(3)
    expected = cv2.fisheye.projectPoints(POINTS[:, None], zero, zero, K, told)[0][:, 0]
    np.testing.assert_allclose(project(camera), expected, atol=1e-9)
    rays = [ray_through(pixel, distortion_model=model, d=d) for pixel in PIXELS]
    undistorted = cv2.fisheye.undistortPoints(PIXELS[:, None], K, told)[:, 0]
    np.testing.assert_allclose(rays, undistorted, atol=1e-7)


@pytest.mark.parametrize('model', ['pinhole', 'none'])
@pytest.mark.parametrize('d', [[], [0.0] * 5, [0.0] * 8])
def test_no_distortion_is_a_pinhole(model, d):
    camera = read_camera_info(camera_info(distortion_model=model, d=d))
    x, y, z = POINTS.T
    np.testing.assert_allclose(
        project(camera), np.stack([300 * x / z + 318, 310 * y / z + 243], axis=1))


def test_a_pinhole_with_coefficients_is_refused_by_the_substitutes_name():
    with pytest.raises(BadMessageError, match=r'^d: .*pinhole.*plumb_bob'):
        read_camera_info(camera_info(distortion_model='pinhole'))


@pytest.mark.parametrize(('model', 'substitute'), [
    ('thin_prism_fisheye', 'equidistant'), ('Thin Prism Fisheye', 'equidistant'),
    ('ftheta', 'equidistant'), ('double_sphere', 'equidistant'), ('mei', 'equidistant'),
    ('inverse_brown_conrady', 'plumb_bob')])
def test_a_model_that_is_not_known_is_refused_by_the_substitutes_name(model, substitute):
    with pytest.raises(BadMessageError, match=f'{model}.*{substitute}') as caught:
        read_camera_info(camera_info(distortion_model=model))
    assert caught.value.field == 'distortion_model'


def test_a_name_that_nobody_knows_is_answered_with_those_that_are_known():
    with pytest.raises(BadMessageError) as caught:
        read_camera_info(camera_info(distortion_model='mirror' * 1000))
    for name in MODEL_NAMES:
        assert name in str(caught.value)
    assert len(str(caught.value)) < 400
    assert not set(MODEL_NAMES) & set(SUBSTITUTES)


def test_without_k_the_image_is_rectified_and_p_counts():
    told = {'k': np.zeros(9), 'd': [-0.3, 0.1, 0.0, 0.0, 0.0], 'distortion_model': 'mirror'}
    camera = read_camera_info(camera_info(**told))
    x, y, z = POINTS.T
    np.testing.assert_allclose(
        project(camera), np.stack([250 * x / z + 330, 255 * y / z + 236], axis=1))
    cut = read_camera_info(camera_info(**told, roi=roi(100, 50, 400, 200), binning_x=2))
    np.testing.assert_allclose(cut.K, [[125, 0, 115], [0, 255, 186], [0, 0, 1]])
    assert (cut.width_px, cut.height_px) == (200, 200)


@pytest.mark.parametrize('do_rectify', [False, True])
@pytest.mark.parametrize(('binning', 'region', 'size', 'expected'), [
    ((0, 0), (0, 0, 0, 0), (640, 480), [300, 310, 318, 243]),
    ((1, 1), (0, 0, 640, 480), (640, 480), [300, 310, 318, 243]),
    ((2, 2), (0, 0, 0, 0), (320, 240), [150, 155, 159, 121.5]),
    ((0, 0), (100, 50, 400, 200), (400, 200), [300, 310, 218, 193]),
    ((2, 4), (100, 50, 401, 202), (200, 50), [150, 77.5, 109, 48.25]),
    ((3, 1), (0, 20, 0, 0), (213, 460), [100, 310, 106, 223]),
])
def test_the_image_is_the_region_and_then_binned(do_rectify, binning, region, size, expected):
    """image_geometry: c' = (c - offset) / binning, f' = f / binning, sizes rounded down."""
    camera = read_camera_info(camera_info(
        binning_x=binning[0], binning_y=binning[1], roi=roi(*region, do_rectify)))
    fx, fy, cx, cy = expected
    np.testing.assert_allclose(camera.K, [[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    assert (camera.width_px, camera.height_px) == size
    np.testing.assert_array_equal(camera.D, [-0.3, 0.1, 0.0, 0.0, 0.0])


@pytest.mark.parametrize(('field', 'changes'), [
    ('width', {'width': 0}),
    ('width', {'width': 2**31}),
    ('height', {'height': 16385}),
    ('height', {'width': 16384, 'height': 16384}),
    ('height', {'width': 8, 'height': 256}),
    ('k', {'k': np.zeros(9), 'p': np.zeros(12)}),
    ('p', {'k': np.zeros(9), 'p': np.full(12, np.nan)}),
    ('p', {'k': np.zeros(9), 'p': K.reshape(-1)}),
    ('k', {'k': np.full(9, np.nan)}),
    ('k', {'k': np.full(9, 1e300)}),
    ('k', {'k': K.reshape(-1) * 1e300}),
    ('k', {'k': np.diag([1e300, 1e300, 1.0]).reshape(-1)}),
    ('k', {'k': [300, 0, 318, 0, 5e-324, 243, 0, 0, 1], 'binning_x': 2}),
    ('k', {'k': [300, 0, 318, 0, 31, 243, 0, 0, 1]}),
    ('k', {'k': [7000, 0, 318, 0, 310, 243, 0, 0, 1]}),
    ('k', {'k': [300, 0, 2e3, 0, 310, 243, 0, 0, 1]}),
    ('k', {'k': [300, 0, 318, 0, 310, -1e9, 0, 0, 1]}),
    ('k', {'k': [300, 301, 318, 0, 310, 243, 0, 0, 1]}),
    ('k', {'k': [300, 0, 318, 1, 310, 243, 0, 0, 1]}),
    ('k', {'k': np.diag([-22973.0, 400.0, 1.0]).reshape(-1)}),
    ('k', {'k': np.ones(4)}),
    ('d', {'d': [0.1, 0.2]}),
    ('d', {'d': [1.0] * 7}),
    ('d', {'d': [0.1] * 15}),
    ('d', {'d': np.zeros(10**6)}),
    ('d', {'d': [np.inf, 0, 0, 0, 0]}),
    ('d', {'d': [-1e300, 0, 0, 0, 0]}),
    ('d', {'d': [-40.0, 0, 0, 0, 0]}),
    ('d', {'distortion_model': 'equidistant', 'd': [0.0] * 4 + [0.1]}),
    ('distortion_model', {'distortion_model': 'double_sphere'}),
    ('roi', {'roi': roi(600, 0, 100, 10)}),
    ('roi', {'roi': roi(640, 0, 0, 0)}),
    ('roi', {'roi': roi(0, 0, 640, 10)}),
    ('binning_x', {'binning_x': 1000}),
    ('binning_x', {'binning_y': 2**32 - 1}),
])
def test_a_calibration_that_cannot_be_is_refused_by_its_field(field, changes):
    with pytest.raises(BadMessageError) as caught:
        read_camera_info(camera_info(**changes))
    assert caught.value.field == field


@pytest.mark.parametrize(('size', 'focal_px', 'centre'), [
    ((640, 480), 33.0, (320, 240)),         # 168 degrees, before distortion
    ((1920, 1200), 60000.0, (960, 600)),    # a lens of 350 mm, under 2 degrees
    ((100, 80), 4000.0, (2000, -500)),      # a window in the corner of a large sensor
    ((752, 480), 450.0, (-20, 240)),        # rectified for stereo
])
def test_unusual_cameras_are_cameras(size, focal_px, centre):
    k = [focal_px, 0, centre[0], 0, focal_px, centre[1], 0, 0, 1]
    camera = read_camera_info(camera_info(width=size[0], height=size[1], k=k, d=[]))
    np.testing.assert_array_equal(camera.K.reshape(-1), k)


@pytest.mark.parametrize(('calibrated', 'image', 'fits'), [
    ((640, 480), (640, 480), True),
    ((640, 480), (320, 240), True),
    ((640, 480), (1280, 960), True),
    ((1280, 720), (213, 120), True),        # 213.3 rounded down
    ((1280, 720), (214, 120), True),
    ((213, 120), (1280, 720), True),
    ((640, 480), (300, 200), False),
    ((640, 480), (480, 640), False),
    ((640, 480), (640, 360), False),
    ((1920, 1080), (1920, 1088), False),    # padded to whole blocks
    ((1280, 720), (640, 480), False),
])
def test_a_calibration_fits_images_of_its_aspect(calibrated, image, fits):
    camera = CameraModel.from_fov(*calibrated, 70.0)
    fitted = fit_to_image(camera, *image)
    assert (fitted is not None) == fits
    if fitted is not None:
        assert (fitted.width_px, fitted.height_px) == image
        # The borders of both images are the same directions.
        edges = np.array([[-0.5, -0.5], [calibrated[0] - 0.5, calibrated[1] - 0.5]])
        rays = np.c_[(edges - camera.K[:2, 2]) / np.diag(camera.K)[:2], np.ones(2)]
        expected = [[-0.5, -0.5], [image[0] - 0.5, image[1] - 0.5]]
        np.testing.assert_allclose(project(fitted, rays), expected, atol=1e-9)


def test_the_page_names_every_model():
    page = (ROOT / 'docs' / 'cameras.md').read_text(encoding='utf-8')
    first = re.findall(r'^\| (.*?) \|', page, re.MULTILINE)
    named = {name for cell in first for name in re.findall(r'`(\w+)`', cell)}
    assert (set(MODEL_NAMES) | set(SUBSTITUTES)) - {'', 'fisheyepolynomial'} <= named


extreme = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from(
    [0.0, 5e-324, 1.0, -1.0, 1e-3, 33.0, 640.0, 1e5, 6.3e5, 1e300])
side = st.integers(0, 2000) | st.sampled_from([1, 2, 16384, 2**32 - 1])


@settings(max_examples=60, deadline=None)
@given(width=side, height=side, focal=st.tuples(extreme, extreme),
       centre=st.tuples(extreme, extreme), d=st.lists(extreme, max_size=15),
       model=st.sampled_from([*MODEL_NAMES, *SUBSTITUTES, 'x']),
       binning=st.tuples(side, side), region=st.tuples(side, side, side, side))
def test_whatever_comes_is_refused_or_serves_every_encoder(
        width, height, focal, centre, d, model, binning, region):
    info = camera_info(
        width=width, height=height, distortion_model=model, d=d, binning_x=binning[0],
        binning_y=binning[1], roi=roi(*region),
        k=[focal[0], 0.0, centre[0], 0.0, focal[1], centre[1], 0.0, 0.0, 1.0])
    serves_every_encoder_or_is_refused(info)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(size=st.tuples(st.integers(8, 64), st.integers(8, 64)),
       focal=st.tuples(st.floats(-1.3, 3.0), st.floats(-1.0, 1.0)),
       centre=st.tuples(st.floats(-2.0, 2.0), st.floats(-2.0, 2.0)),
       d=st.sampled_from([0, 4, 5, 8, 12, 14]).flatmap(
           lambda n: st.lists(st.floats(-2.0, 2.0), min_size=n, max_size=n)),
       model=st.sampled_from(['plumb_bob', 'equidistant']))
def test_whatever_is_near_a_camera_is_refused_or_serves_every_encoder(
        size, focal, centre, d, model):
    side_px = max(size)
    fx, fy = side_px * 10 ** focal[0], side_px * 10 ** (focal[0] + focal[1])
    serves_every_encoder_or_is_refused(camera_info(
        width=size[0], height=size[1], distortion_model=model, d=d,
        k=[fx, 0.0, centre[0] * side_px, 0.0, fy, centre[1] * side_px, 0.0, 0.0, 1.0]))


OTHERS = tuple(name for name in CAMERAS if name != 'rgb')


def serves_every_encoder_or_is_refused(info):
    try:
        camera = read_camera_info(info)
    except BadMessageError:
        return
    if camera.width_px * camera.height_px > 10**5:
        return
    other = CameraModel.from_fov(40, 40, 60.0)
    moved = np.eye(4)
    moved[0, 3] = 0.1
    hw = camera.height_px, camera.width_px
    for rig, depth_hw in (
            (Rig(camera=camera, camera_T={'lidar': optical_T_body}), hw),
            (Rig(camera=other, cameras=dict.fromkeys(OTHERS, camera), camera_T={
                'lidar': optical_T_body, **dict.fromkeys(OTHERS, moved)}), hw),
            (Rig(camera=camera, cameras=dict.fromkeys(OTHERS, other), camera_T={
                'lidar': optical_T_body, **dict.fromkeys(OTHERS, moved)}), (40, 40))):
        events = np.zeros(2, [('x', '<u2'), ('y', '<u2'), ('t_ns', '<i8'), ('polarity', '?')])
        data = {'rgb': np.zeros((*hw, 3), np.uint8), 'depth': np.full(depth_hw, 5.0, np.float32),
                'lidar': np.array([[5.0, 0.1, 0.2, 0.5], [3.0, 2.0, 1.0, 1.0]], np.float32),
                'event': events, 'thermal': np.zeros(depth_hw, np.uint8)}
        for name, modality in MODALITIES.items():
            image = modality.build_encoder({}).encode(data[name], rig, (32, 64))
            assert image.shape == (32, 64, 3)
