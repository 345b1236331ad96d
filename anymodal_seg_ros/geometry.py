# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Camera models, rigid transforms and projection with a z-buffer. numpy only.

Frames follow REP-103: an optical frame has x right, y down, z forward; a body or LiDAR frame has
x forward, y left, z up. ``camera_T_lidar`` is a float64 [4, 4] that takes LiDAR points to the
camera's optical frame. Pixel (0, 0) is the centre of the top left pixel.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.lens import (
    DISTORTION_LENGTHS,
    Float64Array,
    distort,
    undistort,
    valid_radius,
)
from anymodal_seg_ros.ranges import Range
from anymodal_seg_ros.smooth import SmoothGrid

Float32Array = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

MAX_IMAGE_SIDE_PX = 16384
MAX_IMAGE_PIXELS = 64 * 1024 * 1024
MAX_ASPECT = 16
FOV_RANGE_DEG = Range(0.1, 179.0)
OFFSET_RANGE_M = Range(-1000.0, 1000.0)
"""Along each axis from the camera to anything else on the vehicle."""
RAY_TOLERANCE = 1e-5
"""Of directions with z = 1: a hundredth of a pixel at a focal length of 1000 pixels."""
_MIN_Z_M = 1e-6
optical_T_body: Float64Array = np.array([  # noqa: N816
    [0.0, -1.0, 0.0, 0.0],
    [0.0, 0.0, -1.0, 0.0],
    [1.0, 0.0, 0.0, 0.0],
    [0.0, 0.0, 0.0, 1.0],
])
"""Takes points of a body frame (x forward, z up) to an optical frame at the same place."""
optical_T_body.setflags(write=False)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CameraModel:
    """A pinhole or fisheye camera with the distortion models of ``sensor_msgs/CameraInfo``.

    ``K`` is float64 [3, 3] in pixels of an image of ``width_px`` x ``height_px``; ``D`` holds the
    coefficients in OpenCV's order: k1 k2 p1 p2 [k3] for ``plumb_bob``, k1 k2 p1 p2 k3 k4 k5 k6
    [s1 s2 s3 s4 [tau_x tau_y]] for ``rational_polynomial``, k1 k2 k3 k4 for ``equidistant``. An
    empty ``D`` means none.

    Raises:
        ConfigError: a size, ``K``, ``D`` or the model's name cannot be used.
    """

    width_px: int
    height_px: int
    K: Float64Array
    distortion_model: str = 'plumb_bob'
    D: Float64Array = field(default_factory=lambda: np.zeros(5))

    def __post_init__(self) -> None:
        K = _frozen(self.K)
        D = _frozen(self.D).reshape(-1)
        problem = camera_problem(self.width_px, self.height_px, K, self.distortion_model, D)
        if problem is not None:
            raise ConfigError(f'camera {problem[0]}: {problem[1]}')
        if D.size == 0:
            D = _frozen(np.zeros(DISTORTION_LENGTHS[self.distortion_model][-1]))
        object.__setattr__(self, 'K', K)
        object.__setattr__(self, 'D', D)

    @classmethod
    def from_fov(cls, width_px: int, height_px: int, horizontal_fov_deg: float) -> CameraModel:
        """An undistorted camera with square pixels whose axis meets the image centre."""
        FOV_RANGE_DEG.check('horizontal_fov_deg', horizontal_fov_deg)
        focal_px = width_px / (2.0 * math.tan(math.radians(horizontal_fov_deg) / 2.0))
        K = np.array([[focal_px, 0.0, (width_px - 1) / 2.0],
                      [0.0, focal_px, (height_px - 1) / 2.0],
                      [0.0, 0.0, 1.0]])
        return cls(width_px=width_px, height_px=height_px, K=K)

    def resized(self, width_px: int, height_px: int) -> CameraModel:
        """The same view in an image of another size (pixel areas correspond exactly)."""
        scale_x, scale_y = width_px / self.width_px, height_px / self.height_px
        K = self.K.copy()
        K[0] *= scale_x
        K[1] *= scale_y
        K[0, 2] = (self.K[0, 2] + 0.5) * scale_x - 0.5
        K[1, 2] = (self.K[1, 2] + 0.5) * scale_y - 0.5
        return replace(self, width_px=width_px, height_px=height_px, K=K)

    def project(self, points_camera: npt.NDArray[Any]) -> tuple[Float64Array, BoolArray]:
        """Pixels of points [N, 3] (metres, optical frame) and whether the camera sees them.

        Returns ``uv`` float64 [N, 2], NaN where there is no projection (behind the camera, or so
        far off axis that the distortion polynomial would fold it back), and ``in_view`` bool [N],
        True where ``uv`` lies in the image.
        """
        points = np.asarray(points_camera)
        uv = np.full((len(points), 2), np.nan)
        with np.errstate(invalid='ignore'):
            front = np.flatnonzero(points[:, 2] > _MIN_Z_M)
        xyz = points[front].astype(np.float64, copy=False)
        xy = xyz[:, :2] / xyz[:, 2:]
        if self._is_distorted:
            with np.errstate(over='ignore', invalid='ignore'):
                limit = valid_radius(self.distortion_model, tuple(self.D.tolist()))
                near = xy[:, 0] ** 2 + xy[:, 1] ** 2 <= limit * limit
            front, xy = front[near], xy[near]
            xy = distort(xy, self.distortion_model, self.D)
        pixels = xy @ self.K[:2, :2].T
        pixels += self.K[:2, 2]
        uv[front] = pixels
        in_view = np.zeros(len(points), dtype=bool)
        u, v = pixels[:, 0], pixels[:, 1]
        in_view[front] = ((u >= -0.5) & (u < self.width_px - 0.5)
                          & (v >= -0.5) & (v < self.height_px - 0.5))
        return uv, in_view

    def rays(self, pixels: Float64Array) -> Float64Array:
        """Undistorted directions float64 [N, 3] with z = 1 through ``pixels`` [N, 2].

        NaN for pixels which the lens model does not reach.
        """
        y = (pixels[:, 1] - self.K[1, 2]) / self.K[1, 1]
        x = (pixels[:, 0] - self.K[0, 2] - self.K[0, 1] * y) / self.K[0, 0]
        rays = np.stack([x, y, np.ones_like(x)], axis=-1)
        if self._is_distorted:
            rays[:, :2] = undistort(rays[:, :2], self.distortion_model, self.D)
            rays[np.isnan(rays[:, 0])] = np.nan
        return rays

    def ray_directions(self, columns: npt.NDArray[Any] | None = None,
                       rows: npt.NDArray[Any] | None = None) -> Float64Array:
        """Directions float64 [H, W, 3] as of ``rays`` through all pixel centres of the image, or
        through those in these ``columns`` and ``rows``, ascending.

        Those of a lens with distortion are good to ``RAY_TOLERANCE``.
        """
        u = np.asarray(np.arange(self.width_px) if columns is None else columns, np.float64)
        v = np.asarray(np.arange(self.height_px) if rows is None else rows, np.float64)
        if self._is_distorted:
            rays = SmoothGrid(self.rays, u, v, RAY_TOLERANCE).values(0, v.size)
            return np.ascontiguousarray(rays.transpose(1, 2, 0))
        pixels = np.stack(np.meshgrid(u, v), axis=-1)
        return self.rays(pixels.reshape(-1, 2)).reshape(v.size, u.size, 3)

    @property
    def _is_distorted(self) -> bool:
        return any(self.D) or self.distortion_model == 'equidistant'


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Rig:
    """Where the sensors sit: intrinsics and the transforms to the reference camera.

    ``camera`` is the reference (RGB) camera on whose plane everything is encoded. ``cameras`` has
    the cameras of other camera-like sensors where they differ from it, ``camera_T`` the float64
    [4, 4] that takes each sensor's points to the reference camera's optical frame; a sensor
    without entry sits in the reference camera itself, except that a LiDAR must have one.
    ``base_z_m`` is the camera's height above ground, ``up_camera`` the unit vector against
    gravity in the optical frame.

    Raises:
        ConfigError: a transform is not rigid or leads off the vehicle, or ``base_z_m`` or
            ``up_camera`` is unusable.
    """

    camera: CameraModel
    cameras: Mapping[str, CameraModel] = field(default_factory=dict)
    camera_T: Mapping[str, Float64Array] = field(default_factory=dict)
    camera_frame: str = 'camera_optical_frame'
    base_z_m: float = 1.6
    up_camera: Float64Array = field(default_factory=lambda: np.array([0.0, -1.0, 0.0]))

    def __post_init__(self) -> None:
        transforms = {name: _frozen(matrix) for name, matrix in self.camera_T.items()}
        for name, matrix in transforms.items():
            if not _is_rigid(matrix):
                raise ConfigError(f'camera_T[{name!r}] is {matrix.tolist()}; '
                                  'a rigid transform, finite [4, 4], is needed')
            for axis, offset_m in zip('xyz', matrix[:3, 3].tolist(), strict=True):
                OFFSET_RANGE_M.check(f'camera_T[{name!r}] {axis}', offset_m)
        OFFSET_RANGE_M.check('base_z_m', self.base_z_m)
        up = _frozen(self.up_camera)
        if up.shape != (3,) or not abs(float(np.linalg.norm(up)) - 1.0) < 1e-3:
            raise ConfigError(f'up_camera is {up.tolist()}; a unit vector of 3 is needed')
        object.__setattr__(self, 'camera_T', transforms)
        object.__setattr__(self, 'cameras', dict(self.cameras))
        object.__setattr__(self, 'up_camera', up)

    def camera_of(self, name: str) -> CameraModel:
        """The camera of sensor ``name``: its own, else the reference camera."""
        return self.cameras.get(name, self.camera)

    def extrinsic(self, name: str) -> Float64Array:
        """``camera_T`` of sensor ``name``, identity where it has none."""
        matrix = self.camera_T.get(name)
        return np.eye(4) if matrix is None else matrix

    def with_camera(self, name: str, model: CameraModel) -> Rig:
        """A copy in which sensor ``name`` has this camera; ``rgb`` is the reference camera."""
        if name == 'rgb':
            return replace(self, camera=model)
        return replace(self, cameras={**self.cameras, name: model})

    def with_extrinsic(self, name: str, camera_T_sensor: npt.NDArray[Any]) -> Rig:
        """A copy in which sensor ``name`` has this transform to the reference camera."""
        return replace(self, camera_T={**self.camera_T, name: camera_T_sensor})


def transform_points(b_T_a: npt.NDArray[Any], points: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Points [N, 3] of frame a in frame b; float32 stays float32, all else becomes float64."""
    dtype = np.float32 if points.dtype == np.float32 else np.float64
    matrix = np.asarray(b_T_a, dtype=dtype)
    moved: npt.NDArray[Any] = np.matmul(points.astype(dtype, copy=False), matrix[:3, :3].T)
    moved += matrix[:3, 3]
    return moved


def invert_transform(a_T_b: npt.NDArray[Any]) -> Float64Array:
    """``b_T_a`` of a rigid ``a_T_b`` [4, 4]."""
    matrix = np.asarray(a_T_b, dtype=np.float64)
    inverse = np.eye(4)
    inverse[:3, :3] = matrix[:3, :3].T
    inverse[:3, 3] = -matrix[:3, :3].T @ matrix[:3, 3]
    return inverse


def transform_from_quaternion(xyz: npt.ArrayLike, xyzw: npt.ArrayLike) -> Float64Array:
    """A float64 [4, 4] from a translation in metres and a quaternion (normalised here).

    Raises:
        ConfigError: a value is not finite or the quaternion is zero.
    """
    translation = np.asarray(xyz, dtype=np.float64)
    quaternion = np.asarray(xyzw, dtype=np.float64)
    norm = float(np.linalg.norm(quaternion))
    finite = np.isfinite(translation).all() and math.isfinite(norm)
    if translation.shape != (3,) or quaternion.shape != (4,) or not finite or norm < 1e-6:
        raise ConfigError(f'transform xyz {translation.tolist()}, xyzw {quaternion.tolist()}; '
                          'three and four finite values are needed, the quaternion not zero')
    x, y, z, w = quaternion / norm
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, 3] = translation
    return matrix


def rotation_from_rpy(roll_rad: float, pitch_rad: float, yaw_rad: float) -> Float64Array:
    """Rotation [3, 3] of fixed-axis roll, pitch, yaw (REP-103: Rz(yaw) Ry(pitch) Rx(roll))."""
    cr, sr = math.cos(roll_rad), math.sin(roll_rad)
    cp, sp = math.cos(pitch_rad), math.sin(pitch_rad)
    cy, sy = math.cos(yaw_rad), math.sin(yaw_rad)
    return np.array([
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ])


def rasterize_nearest(uv: npt.NDArray[Any], depth_m: npt.NDArray[Any], values: npt.NDArray[Any],
                      shape_hw: tuple[int, int], fill: float) -> Float32Array:
    """Draw values [N, C] at pixels ``uv`` [N, 2]; where several meet, the nearest wins.

    A point belongs to pixel floor(u + 0.5), floor(v + 0.5). Points outside the image or with a
    ``uv`` or ``depth_m`` [N] that is not finite are left out; of equally near ones any may win.
    Returns float32 [H, W, C] with ``fill`` where no point lies.
    """
    height, width = shape_hw
    image = np.full((height * width, values.shape[1]), fill, dtype=np.float32)
    columns, rows = np.floor(uv[:, 0] + 0.5), np.floor(uv[:, 1] + 0.5)
    with np.errstate(invalid='ignore'):
        inside = ((columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
                  & np.isfinite(depth_m))
    kept = np.flatnonzero(inside)
    pixels = rows[kept].astype(np.intp) * width + columns[kept].astype(np.intp)
    depth = depth_m[kept]
    nearest = np.full(height * width, np.inf, dtype=depth.dtype)
    np.minimum.at(nearest, pixels, depth)
    wins = depth == nearest[pixels]
    image[pixels[wins]] = values[kept[wins]]
    return image.reshape(height, width, -1)


def _frozen(values: npt.NDArray[Any]) -> Float64Array:
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array


def _is_rigid(matrix: Float64Array) -> bool:
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        return False
    rotation = matrix[:3, :3]
    return (np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3)
            and float(np.linalg.det(rotation)) > 0.0
            and np.array_equal(matrix[3], (0.0, 0.0, 0.0, 1.0)))


def camera_problem(width_px: int, height_px: int, K: Float64Array, model: str,
                   D: Float64Array) -> tuple[str, str] | None:
    """(field, what is wrong and what is allowed), None for a usable ``CameraModel``."""
    problem = size_problem(width_px, height_px)
    if problem is not None:
        return problem
    if K.shape != (3, 3) or not np.isfinite(K).all():
        return 'K', f'{K.tolist()}; a finite [3, 3] is needed'
    if K[0, 0] <= 0.0 or K[1, 1] <= 0.0 or not np.array_equal(K[2], (0.0, 0.0, 1.0)):
        return 'K', f'{K.tolist()}; focal lengths above 0 and a last row 0 0 1 are needed'
    lengths = DISTORTION_LENGTHS.get(model)
    if lengths is None:
        return 'distortion_model', f'{model!r}; allowed: {", ".join(DISTORTION_LENGTHS)}'
    if D.size not in (0, *lengths):
        return 'D', f'{D.size} values; {model} has {" or ".join(map(str, lengths))}, or none'
    if not np.isfinite(D).all():
        return 'D', f'{D.tolist()}; finite values are needed'
    return None


def size_problem(width_px: int, height_px: int) -> tuple[str, str] | None:
    """As ``camera_problem``, for the size of an image alone."""
    for name, side_px in (('width', width_px), ('height', height_px)):
        if not 1 <= side_px <= MAX_IMAGE_SIDE_PX:
            return name, f'{side_px}; allowed: 1 to {MAX_IMAGE_SIDE_PX}'
    if width_px * height_px > MAX_IMAGE_PIXELS:
        return 'height', f'{width_px}x{height_px}; allowed: {MAX_IMAGE_PIXELS} pixels'
    if max(width_px, height_px) > MAX_ASPECT * min(width_px, height_px):
        return 'height', (f'{width_px}x{height_px}; allowed: a long side of up to {MAX_ASPECT} '
                          'short ones')
    return None
