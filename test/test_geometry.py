# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Camera models against OpenCV, transforms against their definition, the z-buffer by force."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.geometry import (
    RAY_TOLERANCE,
    CameraModel,
    Rig,
    invert_transform,
    optical_T_body,
    rasterize_nearest,
    rotation_from_rpy,
    transform_from_quaternion,
    transform_points,
)

K = np.array([[300.0, 0.0, 318.0], [0.0, 310.0, 243.0], [0.0, 0.0, 1.0]])
LENSES = [
    ('plumb_bob', []),
    ('plumb_bob', [-0.3, 0.1, 0.001, -0.002]),
    ('plumb_bob', [-0.3, 0.1, 0.001, -0.002, 0.01]),
    ('plumb_bob', [0.2, 0.02, -0.001, 0.002, 0.0]),
    ('rational_polynomial', [0.5, -0.1, 0.001, -0.002, 0.01, 0.8, 0.1, 0.01]),
    ('equidistant', [0.1, -0.02, 0.003, -0.001]),
]


def camera(model='plumb_bob', D=(), **changes):
    fields = {'width_px': 640, 'height_px': 480, 'K': K, 'distortion_model': model,
              'D': np.array(D, dtype=float), **changes}
    return CameraModel(**fields)


@pytest.mark.parametrize(('model', 'D'), LENSES)
def test_projection_agrees_with_opencv(model, D):
    lens = camera(model, D)
    points = np.random.default_rng(1).uniform((-3, -3, 0.2), 3, (4000, 3))
    uv, in_view = lens.project(points)
    assert 200 < in_view.sum() < 3900
    zero = np.zeros(3)
    if model == 'equidistant':
        expected = cv2.fisheye.projectPoints(points[:, None], zero, zero, K, lens.D)[0][:, 0]
    else:
        expected = cv2.projectPoints(points, zero, zero, K, lens.D)[0][:, 0]
    np.testing.assert_allclose(uv[in_view], expected[in_view], atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(('model', 'D'), LENSES)
def test_rays_project_back_to_their_pixels(model, D):
    lens = camera(model, D)
    pixels = np.stack(np.meshgrid(np.arange(640.0), np.arange(480.0)), axis=-1).reshape(-1, 2)
    rays = lens.rays(pixels)
    reached = ~np.isnan(rays[:, 0])
    assert reached.mean() > 0.4
    uv, in_view = lens.project(rays[reached])
    assert in_view.all()
    np.testing.assert_allclose(uv, pixels[reached], atol=1e-4)
    directions = lens.ray_directions()
    assert directions.shape == (480, 640, 3)
    np.testing.assert_allclose(directions.reshape(-1, 3), rays, atol=2 * RAY_TOLERANCE)


@pytest.mark.parametrize(('model', 'D'), LENSES)
def test_rays_of_some_rows_and_columns(model, D):
    lens = camera(model, D)
    columns, rows = np.arange(3, 640, 7), np.arange(0, 480, 5)
    pixels = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2).astype(float)
    some = lens.ray_directions(columns, rows)
    assert some.shape == (len(rows), len(columns), 3)
    np.testing.assert_allclose(some.reshape(-1, 3), lens.rays(pixels), atol=2 * RAY_TOLERANCE)


def test_far_off_axis_points_are_not_folded_back():
    """x (1 - 0.3 x^2) grows to x = 1.054 and comes back to the axis at x = 1.826."""
    lens = camera(D=[-0.3, 0.0, 0.0, 0.0])
    folded = np.array([[1.8, 0.0, 1.0], [-1.5, 0.0, 1.0], [0.0, 1.7, 1.0]])
    naive = cv2.projectPoints(folded, np.zeros(3), np.zeros(3), K, lens.D)[0][:, 0]
    assert ((naive > 0) & (naive < (640, 480))).all()
    uv, in_view = lens.project(folded)
    assert not in_view.any()
    assert np.isnan(uv).all()
    assert lens.project(np.array([[1.0, 0.0, 1.0]]))[1].all()


def test_points_behind_and_beside_the_camera_are_not_in_view():
    points = np.array([[0.0, 0.0, -1.0], [0.0, 0.0, 0.0], [5.0, 0.0, 1.0],
                       [np.nan, 0.0, 1.0], [0.0, 0.0, np.nan], [0.0, 0.0, 1.0]])
    uv, in_view = camera().project(points)
    assert in_view.tolist() == [False] * 5 + [True]
    np.testing.assert_allclose(uv[5], (318.0, 243.0))


def test_image_borders_are_half_a_pixel_outside_the_outer_centres():
    lens = CameraModel.from_fov(4, 2, 90.0)
    np.testing.assert_allclose(lens.K, [[2, 0, 1.5], [0, 2, 0.5], [0, 0, 1]])
    points = np.array([[-0.999, 0.0, 1.0], [-1.001, 0.0, 1.0], [0.999, 0.0, 1.0],
                       [1.001, 0.0, 1.0], [0.0, 0.499, 1.0], [0.0, 0.501, 1.0]])
    assert lens.project(points)[1].tolist() == [True, False, True, False, True, False]


def test_resizing_keeps_the_same_part_of_the_scene_under_each_area():
    lens = camera()
    small = lens.resized(320, 120)
    points = np.random.default_rng(0).uniform((-1, -1, 1), 2, (50, 3))
    u, v = lens.project(points)[0].T
    expected = np.stack([(u + 0.5) / 2 - 0.5, (v + 0.5) / 4 - 0.5], axis=1)
    np.testing.assert_allclose(small.project(points)[0], expected)
    assert (small.width_px, small.height_px) == (320, 120)


@pytest.mark.parametrize('changes', [
    {'width_px': 0}, {'height_px': 39}, {'K': np.eye(4)}, {'K': -K}, {'D': np.zeros(3)},
    {'distortion_model': 'x'}])
def test_unusable_camera_is_a_config_error(changes):
    with pytest.raises(ConfigError, match=r'^camera (width|height|K|D|distortion_model): '):
        camera(**changes)


@pytest.mark.parametrize('fov_deg', [0.0, 180.0, -1.0, math.nan])
def test_impossible_field_of_view(fov_deg):
    with pytest.raises(ConfigError, match='horizontal_fov_deg'):
        CameraModel.from_fov(10, 10, fov_deg)


def test_body_axes_become_optical_axes():
    forward_left_up = np.eye(3)
    np.testing.assert_array_equal(transform_points(optical_T_body, forward_left_up),
                                  [[0, 0, 1], [-1, 0, 0], [0, -1, 0]])


def test_transform_keeps_float32():
    assert transform_points(np.eye(4), np.ones((2, 3), np.float32)).dtype == np.float32
    assert transform_points(np.eye(4), np.ones((2, 3), int)).dtype == np.float64


angles = st.floats(-math.pi, math.pi)


@given(angles, st.floats(-1.5, 1.5), angles)
def test_rpy_is_roll_then_pitch_then_yaw_and_equals_its_quaternion(roll, pitch, yaw):
    def about(axis, angle):
        return cv2.Rodrigues(np.eye(3)[axis] * angle)[0]
    expected = about(2, yaw) @ about(1, pitch) @ about(0, roll)
    rotation = rotation_from_rpy(roll, pitch, yaw)
    np.testing.assert_allclose(rotation, expected, atol=1e-9)
    half = [math.cos(a / 2) for a in (roll, pitch, yaw)], [math.sin(a / 2)
                                                           for a in (roll, pitch, yaw)]
    (cr, cp, cy), (sr, sp, sy) = half
    xyzw = (sr * cp * cy - cr * sp * sy, cr * sp * cy + sr * cp * sy,
            cr * cp * sy - sr * sp * cy, cr * cp * cy + sr * sp * sy)
    matrix = transform_from_quaternion((1, 2, 3), np.array(xyzw) * 2.0)
    np.testing.assert_allclose(matrix[:3, :3], rotation, atol=1e-9)
    np.testing.assert_allclose(invert_transform(matrix) @ matrix, np.eye(4), atol=1e-9)


@pytest.mark.parametrize(('xyz', 'xyzw'), [
    ((0, 0, 0), (0, 0, 0, 0)), ((0, 0, np.nan), (0, 0, 0, 1)), ((0, 0), (0, 0, 0, 1)),
    ((0, 0, 0), (0, 0, np.inf, 1))])
def test_unusable_transform(xyz, xyzw):
    with pytest.raises(ConfigError, match='transform xyz'):
        transform_from_quaternion(xyz, xyzw)


@given(st.integers(0, 2**32 - 1), st.integers(0, 300))
def test_nearest_point_wins_at_every_pixel(seed, num_points):
    rng = np.random.default_rng(seed)
    uv = rng.uniform(-1.5, 9.5, (num_points, 2))
    depth_m = rng.permutation(num_points).astype(np.float32) + 1.0
    uv[rng.random(num_points) < 0.1] = np.nan
    depth_m[rng.random(num_points) < 0.1] = np.nan
    values = rng.random((num_points, 2)).astype(np.float32)
    expected = np.full((6, 8, 2), -1.0, np.float32)
    nearest = np.full((6, 8), np.inf)
    for (u, v), z, value in zip(uv, depth_m, values, strict=True):
        if not (math.isfinite(u) and math.isfinite(z)):
            continue
        column, row = math.floor(u + 0.5), math.floor(v + 0.5)
        if 0 <= column < 8 and 0 <= row < 6 and z < nearest[row, column]:
            nearest[row, column] = z
            expected[row, column] = value
    np.testing.assert_array_equal(rasterize_nearest(uv, depth_m, values, (6, 8), -1.0), expected)


def test_rig_copies_change_one_thing():
    rig = Rig(camera=camera())
    moved = np.eye(4)
    moved[0, 3] = 0.2
    other = CameraModel.from_fov(10, 10, 60.0)
    changed = rig.with_extrinsic('depth', moved).with_camera('depth', other)
    assert changed.camera_of('depth') is other
    assert changed.camera_of('event') is changed.camera is rig.camera
    np.testing.assert_array_equal(changed.extrinsic('depth'), moved)
    np.testing.assert_array_equal(rig.extrinsic('depth'), np.eye(4))
    assert rig.with_camera('rgb', other).camera is other


@pytest.mark.parametrize(('changes', 'message'), [
    ({'camera_T': {'lidar': np.eye(3)}}, r"camera_T\['lidar'\]"),
    ({'camera_T': {'lidar': np.full((4, 4), np.nan)}}, 'rigid'),
    ({'camera_T': {'lidar': np.diag([2.0, 1, 1, 1])}}, 'rigid'),
    ({'camera_T': {'lidar': np.diag([1.0, 1, -1, 1])}}, 'rigid'),
    ({'base_z_m': math.nan}, 'base_z_m is nan'),
    ({'up_camera': np.zeros(3)}, 'up_camera'),
])
def test_unusable_rig(changes, message):
    with pytest.raises(ConfigError, match=message):
        Rig(camera=camera(), **changes)
