# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth decoding against exact values, encoding against planes with known geometry."""

import math

import numpy as np
import pytest

from anymodal_seg_ros.errors import BadMessageError, ConfigError
from anymodal_seg_ros.geometry import CameraModel, Rig, rasterize_nearest, rotation_from_rpy
from anymodal_seg_ros.lens import undistort
from anymodal_seg_ros.modalities import DepthEncoder
from anymodal_seg_ros.modalities.depth import DepthDecoder, decode_depth

NAN = np.nan
CAMERA = CameraModel.from_fov(64, 48, 90.0)
RIG = Rig(camera=CAMERA, base_z_m=1.5)


def angle_level(angle_deg):
    return round(1 + 254 * angle_deg / 180.0)


@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize('padding', [0, 3])
@pytest.mark.parametrize('encoding', ['16UC1', 'mono16'])
def test_millimetres(image_message, encoding, padding, big_endian):
    stored = np.array([[0, 1, 1500], [65535, 256, 1]], np.uint16)
    decoded = decode_depth(image_message(stored, encoding, padding=padding,
                                         big_endian=big_endian))
    assert decoded.dtype == np.float32
    np.testing.assert_allclose(decoded, [[NAN, 0.001, 1.5], [65.535, 0.256, 0.001]], rtol=1e-6)


@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize('padding', [0, 2, 7])
def test_metres_without_returns(image_message, padding, big_endian):
    stored = np.array([[0.0, -1.0, NAN], [np.inf, -np.inf, 12.5]], np.float32)
    message = image_message(stored, '32FC1', padding=padding, big_endian=big_endian)
    decoded = decode_depth(message)
    assert decoded.dtype == np.float32
    np.testing.assert_array_equal(decoded, [[NAN, NAN, NAN], [NAN, NAN, 12.5]])


def test_dense_metres_are_a_view_of_the_message(image_message):
    message = image_message(np.ones((4, 5), np.float32), '32FC1')
    assert np.shares_memory(decode_depth(message), np.frombuffer(message.data, np.uint8))


@pytest.mark.parametrize('encoding', ['bgra8', '8UC4', 'rgba8'])
def test_carla_code(image_message, encoding):
    depth_m = np.array([[0.0, 0.5, 20.0], [333.25, 999.9, 1000.0]])
    code = np.rint(depth_m / 1000.0 * (2**24 - 1)).astype(int)
    red, green, blue = code & 255, code >> 8 & 255, code >> 16
    order = (red, green, blue) if encoding == 'rgba8' else (blue, green, red)
    stored = np.stack([*order, np.full_like(red, 255)], axis=-1).astype(np.uint8)
    expected = np.where(depth_m > 0, depth_m, NAN)
    np.testing.assert_allclose(decode_depth(image_message(stored, encoding)), expected,
                               rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(('field', 'wrong'), [
    ('encoding', {'encoding': 'rgb8'}),
    ('encoding', {'encoding': '64FC1'}),
    ('step', {'step': 11}),
    ('data', {'data': b'\x00' * 10}),
    ('height', {'height': 0}),
    ('width', {'width': 70000}),
])
def test_contradictions_name_the_field(image_message, field, wrong):
    with pytest.raises(BadMessageError, match=rf'^{field}: '):
        decode_depth(image_message(np.ones((2, 3), np.float32), '32FC1', **wrong))


@pytest.mark.parametrize('unit_m', [0.0002, 0.00025, 0.01])
@pytest.mark.parametrize('encoding', ['16UC1', 'mono16'])
def test_raw_integers_in_another_unit(image_message, encoding, unit_m):
    stored = np.array([[0, 1, 4000], [65535, 256, 5000]], np.uint16)
    decoded = DepthDecoder(unit_m=unit_m).decode(image_message(stored, encoding))
    np.testing.assert_allclose(decoded, np.where(stored, stored * unit_m, NAN), rtol=1e-6)
    metres = image_message(np.full((2, 3), 2.5, np.float32), '32FC1')
    assert (DepthDecoder(unit_m=unit_m).decode(metres) == 2.5).all()


@pytest.mark.parametrize('unit_m', [0.0, -0.001, 1.5, 1e-9, NAN, '0.001', True])
def test_a_unit_that_is_none(unit_m):
    with pytest.raises(ConfigError, match=r'^unit_m is .*; allowed: 1e-06 to 1$'):
        DepthDecoder(unit_m=unit_m)


@pytest.mark.parametrize('size_hw', [(48, 64), (24, 32), (96, 128)])
def test_wall_faces_the_camera(size_hw):
    image = DepthEncoder().encode(np.full((48, 64), 10.0, np.float32), RIG, size_hw)
    assert image.shape == (*size_hw, 3)
    assert image.dtype == np.uint8
    assert (image[..., 0] == 128).all(), '10 m is the geometric middle of 1 and 100 m'
    assert (image[..., 2] == angle_level(90)).all()
    y = CAMERA.resized(size_hw[1], size_hw[0]).ray_directions()[..., 1]
    expected = 1 + 254 * (np.clip(1.5 - 10.0 * y, -1, 7) + 1) / 8
    assert np.abs(image[..., 1] - expected).max() <= 0.51


def plane_depth(camera, normal, offset_m):
    """Depth of the plane n . p = offset, NaN where no ray meets it in front."""
    with np.errstate(divide='ignore', invalid='ignore'):
        z_m = offset_m / (camera.ray_directions() @ normal)
    return np.where((z_m > 0) & (z_m < 200), z_m, NAN).astype(np.float32)


@pytest.mark.parametrize('size_hw', [(48, 64), (24, 32)])
def test_ground_is_flat_and_at_height_zero(size_hw):
    camera = CAMERA.resized(size_hw[1], size_hw[0])
    depth_m = plane_depth(camera, np.array([0.0, 1.0, 0.0]), 1.5)
    image = DepthEncoder().encode(depth_m, RIG, size_hw)
    seen = np.isfinite(depth_m)
    assert 0.3 < seen.mean() < 0.6
    assert (image[~seen] == 0).all()
    assert (image[seen] > 0).all()
    assert np.abs(image[seen][:, 1] - (1 + 254 / 8)).max() <= 1
    known = seen.copy()
    known[:-1] &= seen[1:] | seen[:-1]
    assert (image[known][:, 2] == angle_level(0)).all()


@pytest.mark.parametrize('slope_deg', [30, 60, 135])
def test_slope_has_its_angle(slope_deg):
    slope = math.radians(slope_deg)
    towards_camera = np.array([0.0, -math.cos(slope), -math.sin(slope)])
    depth_m = plane_depth(CAMERA, towards_camera, -5.0)
    image = DepthEncoder().encode(depth_m, RIG, (48, 64))
    seen = np.isfinite(depth_m)
    assert seen.sum() > 200
    assert np.abs(image[seen][:, 2] - float(angle_level(slope_deg))).max() <= 1


def test_pitched_camera_still_sees_flat_ground():
    pitch = math.radians(20)
    up = np.array([0.0, -math.cos(pitch), -math.sin(pitch)])
    rig = Rig(camera=CAMERA, base_z_m=2.0, up_camera=up)
    depth_m = plane_depth(CAMERA, up, -2.0)
    image = DepthEncoder().encode(depth_m, rig, (48, 64))
    seen = np.isfinite(depth_m)
    assert seen.mean() > 0.6
    assert np.abs(image[seen][:, 1] - (1 + 254 / 8)).max() <= 1
    assert np.abs(image[seen][:, 2] - 1.0).max() <= 1


def test_depth_channel_of_both_encodings():
    depth_m = np.array([[0.2, 1.0, 4.0, 50.0, 300.0, NAN]] * 4, np.float32)
    rig = Rig(camera=CameraModel.from_fov(6, 4, 60.0))
    log = DepthEncoder(min_m=1.0, max_m=50.0).encode(depth_m, rig, (4, 6))[0, :, 0]
    middle = round(1 + 254 * math.log(4) / math.log(50))
    assert log.tolist() == [1, 1, middle, 255, 255, 0]
    hha = DepthEncoder(encoding='hha', min_m=1.0, max_m=50.0).encode(depth_m, rig, (4, 6))
    middle = round(1 + 254 * (1 / 4 - 1 / 50) / (1 - 1 / 50))
    assert hha[0, :, 0].tolist() == [255, 255, middle, 1, 1, 0]


def test_lone_return_has_no_known_angle():
    depth_m = np.full((48, 64), NAN, np.float32)
    depth_m[20, 30] = 5.0
    image = DepthEncoder().encode(depth_m, RIG, (48, 64))
    assert np.argwhere(image.any(axis=2)).tolist() == [[20, 30]]
    assert image[20, 30, 2] == angle_level(90)


def test_shrinking_never_blends_depths():
    depth_m = np.where(np.indices((48, 64)).sum(0) % 2, 2.0, 80.0).astype(np.float32)
    levels = set(DepthEncoder().encode(depth_m, RIG, (16, 32))[..., 0].ravel())
    both = DepthEncoder().encode(depth_m, RIG, (48, 64))[..., 0]
    assert levels <= set(both.ravel())
    assert len(set(both.ravel())) == 2


def test_camera_beside_the_reference_shifts_by_disparity():
    """A sensor 1 m to the right sees, 8 m ahead, everything 4 pixels farther left."""
    camera_T_depth = np.eye(4)
    camera_T_depth[0, 3] = 1.0
    rig = RIG.with_extrinsic('depth', camera_T_depth)
    depth_m = np.full((48, 64), 40.0, np.float32)
    depth_m[10:20, 20:30] = 8.0
    image = DepthEncoder().encode(depth_m, rig, (48, 64))[..., 0]
    near = image == image.max(initial=0, where=(image > 0) & (image < 150))
    rows, columns = np.nonzero(near)
    assert (rows.min(), rows.max()) == (10, 19)
    assert (columns.min(), columns.max()) == (24, 33)
    assert (image[:, 1:] > 0).mean() > 0.85
    assert (image[10:20, 24:34] < image[0, 40]).all(), 'the near surface hides the far one'


def test_turned_depth_camera_gives_the_depth_of_the_reference():
    yaw = np.eye(4)
    yaw[:3, :3] = rotation_from_rpy(0.0, math.radians(10), 0.0)
    narrow = CameraModel.from_fov(200, 150, 70.0)
    rig = RIG.with_camera('depth', narrow).with_extrinsic('depth', yaw)
    wall_in_depth = yaw[:3, :3].T @ np.array([0.0, 0.0, 1.0])
    depth_m = plane_depth(narrow, wall_in_depth, 10.0)
    image = DepthEncoder().encode(depth_m, rig, (48, 64))
    assert set(np.unique(image[..., 0])) == {0, 128}
    assert 0.3 < (image[..., 0] > 0).mean() < 0.8
    inner = image[20:28, 34:44]
    assert np.abs(inner[..., 2].astype(int) - angle_level(90)).max() <= 1


def test_distorted_reference_camera_receives_the_undistorted_depth():
    bent = CameraModel(width_px=64, height_px=48, K=CAMERA.K, D=np.array([-0.2, 0.05, 0, 0, 0]))
    rig = Rig(camera=bent, cameras={'depth': CAMERA}, base_z_m=1.5)
    image = DepthEncoder().encode(np.full((48, 64), 10.0, np.float32), rig, (48, 64))
    assert (image[10:38, 14:50, 0] == 128).all()
    assert image[24, 0, 0] == 0, 'barrel distortion pulls the border inwards'
    expected = 1 + 254 * (1.5 - 10.0 * bent.ray_directions()[24, 20, 1] + 1) / 8
    assert abs(image[24, 20, 1] - expected) <= 1


def test_a_huge_depth_camera_costs_what_the_network_needs(monkeypatch):
    """A wide one, of which the reference camera sees little, too."""
    traced = []

    def counted(xy, model, D):
        traced.append(len(xy))
        return undistort(xy, model, D)
    monkeypatch.setattr('anymodal_seg_ros.geometry.undistort', counted)
    drawn = []

    def drawn_of(uv, *args):
        drawn.append(len(uv))
        return rasterize_nearest(uv, *args)
    monkeypatch.setattr('anymodal_seg_ros.modalities.depth.rasterize_nearest', drawn_of)
    beside = np.eye(4)
    beside[0, 3] = 0.2
    for focal_px in (4096.0, 1024.0):
        K = np.array([[focal_px, 0, 4095.5], [0, focal_px, 4095.5], [0, 0, 1]])
        huge = CameraModel(width_px=8192, height_px=8192, K=K,
                           D=np.array([-0.02, 0.0, 0.0, 0.0, 0.0]))
        rig = Rig(camera=CAMERA, cameras={'depth': huge}, camera_T={'depth': beside})
        depth_m = np.broadcast_to(np.float32(10.0), (8192, 8192))
        image = DepthEncoder().encode(depth_m, rig, (96, 128))
        assert focal_px < 4096.0 or (image[4:-4, 4:-4, 0] == 128).all()
        assert sum(traced) < 80_000
        assert drawn[-1] <= 8 * 96 * 128
        traced.clear()


@pytest.mark.parametrize('settings', [
    {'encoding': 'jet'}, {'min_m': 0.0}, {'min_m': 200.0}, {'max_m': math.nan},
    {'max_m': '100'}, {'min_height_m': 7.0}, {'max_height_m': math.inf}, {'min_m': True}])
def test_settings_that_are_not_allowed(settings):
    with pytest.raises(ConfigError, match=r'; allowed: '):
        DepthEncoder(**settings)
