# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""PointCloud2 of any layout, and scans drawn into the camera."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anymodal_seg_ros.errors import BadMessageError, ConfigError
from anymodal_seg_ros.geometry import CameraModel, Rig, optical_T_body, transform_points
from anymodal_seg_ros.modalities import LidarEncoder
from anymodal_seg_ros.modalities.lidar import decode_lidar

XYZI = np.dtype([('x', 'f4'), ('y', 'f4'), ('z', 'f4'), ('intensity', 'f4')])
VELODYNE = np.dtype({'names': ['x', 'y', 'z', 'intensity', 'ring', 'time'],
                     'formats': ['f4', 'f4', 'f4', 'f4', 'u2', 'f4'],
                     'offsets': [0, 4, 8, 12, 16, 18], 'itemsize': 22})
OUSTER = np.dtype({'names': ['x', 'y', 'z', 'intensity', 't', 'reflectivity', 'ring', 'range'],
                   'formats': ['f4', 'f4', 'f4', 'f4', 'u4', 'u2', 'u2', 'u4'],
                   'offsets': [0, 4, 8, 16, 20, 24, 26, 32], 'itemsize': 48})
CAMERA = CameraModel.from_fov(64, 48, 90.0)
RIG = Rig(camera=CAMERA, camera_T={'lidar': optical_T_body}, base_z_m=1.5)
PLAIN = LidarEncoder(dilation_px=1)


def random_points(dtype, count, seed=0):
    rng = np.random.default_rng(seed)
    points = np.zeros(count, dtype)
    for axis in 'xyz':
        points[axis] = rng.uniform(-50, 50, count)
    if 'intensity' in dtype.names:
        points['intensity'] = rng.random(count)
    return points


def expected_cloud(points):
    intensity = points['intensity'] if 'intensity' in points.dtype.names else np.zeros(points.size)
    return np.stack([points['x'], points['y'], points['z'], intensity], 1).astype(np.float32)


@pytest.mark.parametrize('dtype', [XYZI, VELODYNE, OUSTER])
@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize(('rows', 'row_padding'), [(1, 0), (1, 7), (4, 0), (4, 5)])
def test_layouts_of_real_drivers(cloud_message, dtype, big_endian, rows, row_padding):
    points = random_points(dtype, 20)
    message = cloud_message(points, rows=rows, row_padding=row_padding, big_endian=big_endian)
    decoded = decode_lidar(message)
    assert decoded.dtype == np.float32
    np.testing.assert_array_equal(decoded, expected_cloud(points))


@st.composite
def layouts(draw):
    """A dtype with x, y, z among other fields, in any order, with gaps."""
    names = draw(st.permutations(['x', 'y', 'z', 'intensity', 'ring', 'stamp']))
    real = draw(st.sampled_from(['f4', 'f8']))
    formats = {'x': real, 'y': real, 'z': real, 'ring': draw(st.sampled_from(['u1', 'i2', 'u4'])),
               'intensity': draw(st.sampled_from(['f4', 'f8'])), 'stamp': 'f8'}
    kept = [name for name in names if name in 'xyz' or draw(st.booleans())]
    offsets, end = [], 0
    for name in kept:
        offsets.append(end + draw(st.integers(0, 5)))
        end = offsets[-1] + np.dtype(formats[name]).itemsize
    return np.dtype({'names': kept, 'formats': [formats[name] for name in kept],
                     'offsets': offsets, 'itemsize': end + draw(st.integers(0, 9))})


@settings(max_examples=60)
@given(dtype=layouts(), rows=st.integers(1, 4), columns=st.integers(0, 7),
       row_padding=st.integers(0, 9), big_endian=st.booleans(), seed=st.integers(0, 999))
def test_any_layout(cloud_message, dtype, rows, columns, row_padding, big_endian, seed):
    points = random_points(dtype, rows * columns, seed)
    message = cloud_message(points, rows=rows, row_padding=row_padding,
                            big_endian=big_endian)
    np.testing.assert_array_equal(decode_lidar(message), expected_cloud(points))


def test_points_without_return_are_dropped(cloud_message):
    points = random_points(XYZI, 6)
    points['x'][0] = np.nan
    points['y'][1] = np.inf
    points['z'][2] = -np.inf
    for axis in 'xyz':
        points[axis][3] = 0.0
    np.testing.assert_array_equal(decode_lidar(cloud_message(points)), expected_cloud(points)[4:])


@pytest.mark.parametrize('count', [0, 5])
def test_empty_and_nan_clouds_have_no_points(cloud_message, count):
    points = np.full(count, np.nan, dtype=np.dtype([('x', 'f4'), ('y', 'f4'), ('z', 'f4')]))
    decoded = decode_lidar(cloud_message(points))
    assert decoded.shape == (0, 4)
    assert decoded.dtype == np.float32


@pytest.mark.parametrize(('name', 'code', 'stored', 'fraction'), [
    ('intensity', 'f4', [0.0, 0.5, 1.0], [0.0, 0.5, 1.0]),
    ('intensity', 'f4', [0.0, 51.0, 255.0], [0.0, 0.2, 1.0]),
    ('intensity', 'f4', [0.0, -3.0, 510.0], [0.0, 0.0, 1.0]),
    ('intensity', 'f4', [np.nan, np.inf, 0.25], [0.0, 0.0, 0.25]),
    ('intensity', 'u1', [0, 51, 255], [0.0, 0.2, 1.0]),
    ('reflectivity', 'u2', [0, 13107, 65535], [0.0, 0.2, 1.0]),
    ('i', 'f4', [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]),
])
def test_intensity_is_a_fraction(cloud_message, name, code, stored, fraction):
    points = np.ones(3, np.dtype([('x', 'f4'), ('y', 'f4'), ('z', 'f4'), (name, code)]))
    points[name] = stored
    np.testing.assert_allclose(decode_lidar(cloud_message(points))[:, 3], fraction, atol=1e-6)


def field(name='x', offset=0, datatype=7, count=1):
    return SimpleNamespace(name=name, offset=offset, datatype=datatype, count=count)


XYZ_FIELDS = [field('x', 0), field('y', 4), field('z', 8)]


@pytest.mark.parametrize(('named', 'wrong'), [
    ('fields', {'fields': []}),
    ('fields', {'fields': XYZ_FIELDS[:2]}),
    ('fields', {'fields': [field('X', 0), *XYZ_FIELDS[1:]]}),
    ('fields', {'fields': [field('x', 0, datatype=5), *XYZ_FIELDS[1:]]}),
    ('fields', {'fields': [field('x', 0, datatype=9), *XYZ_FIELDS[1:]]}),
    ('fields', {'fields': [field('x', 13), *XYZ_FIELDS[1:]]}),
    ('fields', {'fields': [field('x', 2**32 - 1), *XYZ_FIELDS[1:]]}),
    ('fields', {'fields': [*XYZ_FIELDS, field('long', 12, count=2)]}),
    ('point_step', {'point_step': 0}),
    ('point_step', {'point_step': 2**32 - 1}),
    ('row_step', {'row_step': 0}),
    ('row_step', {'row_step': 79}),
    ('width', {'width': 2**32 - 1}),
    ('width', {'width': -1}),
    ('height', {'height': 2**32 - 1}),
    ('width', {'height': 10000, 'width': 10000, 'row_step': 160000}),
    ('data', {'height': 2}),
    ('data', {'data': b''}),
    ('data', {'data': b'\x00' * 159}),
    ('data', {'row_step': 200, 'height': 2}),
])
def test_contradictions_name_the_field(cloud_message, named, wrong):
    with pytest.raises(BadMessageError, match=rf'^{named}: '):
        decode_lidar(cloud_message(random_points(XYZI, 10), **wrong))


def test_unnamed_and_repeated_fields_are_skipped(cloud_message):
    points = random_points(XYZI, 3)
    message = cloud_message(points)
    message.fields = [*message.fields, field('', 99, datatype=0), field('x', 12)]
    np.testing.assert_array_equal(decode_lidar(message), expected_cloud(points))


def test_decoding_agrees_with_sensor_msgs_py(cloud_message):
    point_cloud2 = pytest.importorskip('sensor_msgs_py.point_cloud2')
    messages = pytest.importorskip('sensor_msgs.msg')
    points = random_points(VELODYNE, 30)
    points['x'][4] = np.nan
    ours = cloud_message(points)
    message = messages.PointCloud2(
        height=1, width=30, point_step=22, row_step=660, data=ours.data,
        fields=[messages.PointField(**vars(item)) for item in ours.fields])
    theirs = point_cloud2.read_points(message, ['x', 'y', 'z', 'intensity'], skip_nans=True)
    np.testing.assert_array_equal(decode_lidar(message), expected_cloud(theirs))


def test_one_point_is_drawn_where_it_projects():
    cloud = np.array([[10.0, 2.0, -1.0, 0.5]], np.float32)
    image = PLAIN.encode(cloud, RIG, (48, 64))
    uv, _ = CAMERA.project(np.array([[-2.0, 1.0, 10.0]]))
    column, row = np.floor(uv[0] + 0.5).astype(int)
    assert np.argwhere(image.any(axis=2)).tolist() == [[row, column]]
    range_m = math.sqrt(105.0)
    expected = [1 + 254 * math.log(range_m) / math.log(100), 1 + 254 * (0.5 + 1) / 8, 128]
    assert image[row, column].tolist() == [round(level) for level in expected]


def test_points_behind_and_too_near_are_removed():
    cloud = np.array([[-10, 0, 0, 1], [0.05, 0, 0, 1], [0, 5, 0, 1], [0, 0, 5, 1]], np.float32)
    assert not PLAIN.encode(cloud, RIG, (48, 64)).any()


def test_the_nearest_of_two_points_at_a_pixel_is_seen_whatever_the_order():
    cloud = np.array([[40, 0, 0, 0.1], [5, 0, 0, 0.9], [20, 0, 0, 0.4]], np.float32)
    alone = PLAIN.encode(cloud[1:2], RIG, (48, 64))
    for order in ([0, 1, 2], [1, 0, 2], [2, 0, 1]):
        np.testing.assert_array_equal(PLAIN.encode(cloud[order], RIG, (48, 64)), alone)


def test_extrinsic_moves_the_scan():
    raised = np.eye(4)
    raised[2, 3] = 1.0
    rig = RIG.with_extrinsic('lidar', optical_T_body @ raised)
    cloud = np.array([[10, 0, -1, 0.5]], np.float32)
    level = np.array([[10, 0, 0, 0.5]], np.float32)
    np.testing.assert_array_equal(PLAIN.encode(cloud, rig, (48, 64)),
                                  PLAIN.encode(level, RIG, (48, 64)))


@pytest.mark.parametrize(('model', 'D'), [
    ('plumb_bob', [-0.25, 0.05, 0.001, 0.001, 0.0]), ('equidistant', [0.05, 0.0, 0.0, 0.0]),
    ('rational_polynomial', [0.1, 0.01, 0.0, 0.0, 0.0, 0.3, 0.02, 0.0])])
def test_scan_goes_through_the_lens(model, D):
    camera = CameraModel(width_px=64, height_px=48, K=CAMERA.K, distortion_model=model,
                         D=np.array(D))
    rig = Rig(camera=camera, camera_T={'lidar': optical_T_body})
    rng = np.random.default_rng(3)
    cloud = rng.uniform((1, -20, -20, 0), (20, 20, 20, 1), (500, 4)).astype(np.float32)
    image = PLAIN.encode(cloud, rig, (96, 128))
    uv, seen = camera.resized(128, 96).project(transform_points(optical_T_body, cloud[:, :3]))
    drawn = np.zeros((96, 128), bool)
    columns, rows = np.floor(uv[seen] + 0.5).astype(int).T
    drawn[rows, columns] = True
    np.testing.assert_array_equal(image.any(axis=2), drawn)


@pytest.mark.parametrize('dilation_px', [1, 3, 5])
def test_dilation_is_nearest_within_the_square(dilation_px):
    rng = np.random.default_rng(5)
    cloud = rng.uniform((2, -30, -20, 0), (60, 30, 20, 1), (150, 4)).astype(np.float32)
    sparse = PLAIN.encode(cloud, RIG, (48, 64))
    image = LidarEncoder(dilation_px=dilation_px).encode(cloud, RIG, (48, 64))
    xyz = transform_points(optical_T_body, cloud[:, :3])
    uv, seen = CAMERA.project(xyz)
    depth = np.full((48, 64), np.inf)
    for (u, v), z in zip(uv[seen], xyz[seen, 2], strict=True):
        row, column = math.floor(v + 0.5), math.floor(u + 0.5)
        depth[row, column] = min(depth[row, column], z)
    reach = dilation_px // 2
    expected = np.zeros_like(image)
    for row, column in np.ndindex(48, 64):
        top, left = max(0, row - reach), max(0, column - reach)
        square = depth[top:row + reach + 1, left:column + reach + 1]
        if np.isfinite(square).any():
            at = np.unravel_index(square.argmin(), square.shape)
            expected[row, column] = sparse[top + at[0], left + at[1]]
    np.testing.assert_array_equal(image, expected)


def test_rig_without_lidar_transform_is_refused():
    with pytest.raises(ConfigError, match=r"camera_T\['lidar'\]"):
        PLAIN.encode(np.ones((1, 4), np.float32), Rig(camera=CAMERA), (48, 64))


@pytest.mark.parametrize('wrong', [
    {'dilation_px': 2}, {'dilation_px': 0}, {'dilation_px': 17}, {'dilation_px': 2.5},
    {'max_range_m': 0.5}, {'min_range_m': 0.0}, {'max_height_m': -5.0},
    {'min_height_m': None}])
def test_settings_that_are_not_allowed(wrong):
    with pytest.raises(ConfigError, match='; allowed: '):
        LidarEncoder(**wrong)
