# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth images as log-depth or HHA. numpy and OpenCV."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros import limits
from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.geometry import CameraModel, Rig, rasterize_nearest
from anymodal_seg_ros.modalities.base import (
    Decoder,
    Float32Array,
    LastBuilt,
    Settings,
    Uint8Array,
    linear_level,
    logarithmic_level,
    settings_of,
)
from anymodal_seg_ros.modalities.compressed import SizeMemory
from anymodal_seg_ros.modalities.compressed_depth import decode_compressed_depth
from anymodal_seg_ros.modalities.modality import DecoderSetting, Form, Modality
from anymodal_seg_ros.modalities.pixels import image_pixels
from anymodal_seg_ros.modalities.plane import (
    Indices,
    nearest_indices,
    nearest_neighbour,
    sampling_step,
    sensor_camera,
    shares_camera_view,
)
from anymodal_seg_ros.ranges import Range
from anymodal_seg_ros.samples import Payload

DEPTH_ENCODINGS = ('16UC1', 'mono16', '32FC1', 'bgra8', '8UC4', 'rgba8')
_CARLA_FAR_M = 1000.0
MILLIMETRE_M = 0.001
UNIT_RANGE_M = Range(1e-6, 1.0)
"""What one step of a raw integer depth may be worth."""


def decode_depth(msg: Any,  # noqa: ANN401 - Image or CompressedImage
                 unit_m: float = MILLIMETRE_M, sizes: SizeMemory | None = None) -> Float32Array:
    """float32 [H, W] in metres, NaN where there is no return, of an Image or CompressedImage.

    16UC1 counts in ``unit_m``, millimetres by REP 118, and 32FC1 is metres; bgra8 is the CARLA
    server's 24-bit code, (R + 256 G + 65536 B) / (2^24 - 1) of 1000 m; compressed images are
    ``compressedDepth`` in PNG or RVL, or a plain 16-bit PNG in ``unit_m``. 0, negative, NaN and
    infinite are no return. ``sizes`` is what is known of the sensor's compressed images.

    Raises:
        BadMessageError: the message contradicts itself or has an unknown encoding.
    """
    if hasattr(msg, 'format'):
        depth = decode_compressed_depth(msg, sizes)
        return _scaled(depth, unit_m) if depth.dtype == np.uint16 else _returns_only(depth)
    if msg.encoding in ('16UC1', 'mono16'):
        return _scaled(image_pixels(msg, 'u2', 1), unit_m)
    if msg.encoding == '32FC1':
        return _returns_only(image_pixels(msg, 'f4', 1))
    if msg.encoding in ('bgra8', '8UC4', 'rgba8'):
        codes = image_pixels(msg, 'u1', 4).astype(np.float32)
        red, blue = (0, 2) if msg.encoding == 'rgba8' else (2, 0)
        code = codes[..., red] + 256.0 * codes[..., 1] + 65536.0 * codes[..., blue]
        return _returns_only(code * np.float32(_CARLA_FAR_M / (2**24 - 1)))
    raise BadMessageError('encoding', f'{msg.encoding!r}; allowed: '
                                      f'{", ".join(DEPTH_ENCODINGS)}')


class DepthDecoder(Decoder):
    """The images of one depth camera whose raw integers count in ``unit_m``.

    Raises:
        ConfigError: the unit is not one of depth.
    """

    def __init__(self, unit_m: float = MILLIMETRE_M) -> None:
        UNIT_RANGE_M.check('unit_m', unit_m)
        self._unit_m = unit_m
        self._sizes = SizeMemory()

    def decode(self, msg: Any) -> Float32Array:  # noqa: ANN401 - Image or CompressedImage
        """As :func:`decode_depth`; a compressed image of an unlikely size costs nothing."""
        return decode_depth(msg, self._unit_m, self._sizes)

    def known(self) -> dict[str, Any]:
        """Metres to one step of raw integers."""
        return {'unit_m': f'{self._unit_m:g}'}


@dataclass(frozen=True, kw_only=True)
class DepthEncoder:
    """Depth, height above ground and surface angle on the reference camera's plane, 1..255 each.

    ``encoding`` ``'log'`` has the logarithm of depth first, ``'hha'`` the horizontal disparity
    (inverse depth; Gupta et al., "Learning Rich Features from RGB-D Images", ECCV 2014), both
    clipped to ``min_m``..``max_m``. Height is clipped to ``min_height_m``..``max_height_m``. The
    angle is between the surface normal and the direction against gravity, 0..180 degrees. All
    three are 0 where there is no return.
    """

    encoding: str = 'log'
    min_m: float = 1.0
    max_m: float = 100.0
    min_height_m: float = -1.0
    max_height_m: float = 7.0
    channel_names: ClassVar[tuple[str, str, str]] = ('depth', 'height', 'angle')
    _views: LastBuilt[_View] = field(init=False, repr=False, compare=False,
                                     default_factory=LastBuilt)

    def __post_init__(self) -> None:
        limits.one_of('depth encoding', self.encoding, ('log', 'hha'))
        limits.span('min_m', self.min_m, 'max_m', self.max_m, Range(0.01, 10000.0))
        limits.span('min_height_m', self.min_height_m, 'max_height_m', self.max_height_m,
                    Range(-1000.0, 1000.0))

    def encode(self, data: npt.NDArray[Any], rig: Rig, size_hw: tuple[int, int]) -> Uint8Array:
        """float32 [H, W] metres to uint8 [h, w, 3].

        A depth camera that differs from the reference camera in place or lens is re-projected
        with a z-buffer; gaps between two returns are closed with the nearest neighbour.
        """
        image_hw = (data.shape[0], data.shape[1])
        view = self._views.get(rig, (*image_hw, *size_hw), lambda: _view(rig, image_hw, size_hw))
        z_m = (view.sampled(data) if view.moved_rays is None
               else view.reprojected(data, view.moved_rays))
        valid = np.isfinite(z_m)
        filled_m = np.where(valid, z_m, np.float32(self.max_m))
        if self.encoding == 'log':
            first = logarithmic_level(filled_m, self.min_m, self.max_m)
        else:
            nearness = np.reciprocal(np.clip(filled_m, np.float32(self.min_m),
                                             np.float32(self.max_m)))
            first = linear_level(nearness, 1.0 / self.max_m, 1.0 / self.min_m)
        height_m = filled_m * view.up_rays + np.float32(rig.base_z_m)
        image = np.zeros((*size_hw, 3), dtype=np.uint8)
        levels = (first, linear_level(height_m, self.min_height_m, self.max_height_m),
                  linear_level(_angle_to_up(z_m, view.surface_maps), 0.0, math.pi))
        for channel, level in enumerate(levels):
            image[..., channel] = np.where(valid, level, np.float32(0.0))
        return image

    def settings(self) -> Settings:
        """encoding, min_m, max_m, min_height_m and max_height_m."""
        return settings_of(self)


DEPTH = Modality(
    name='depth',
    title='depth camera',
    payload=Payload.DEPTH,
    is_camera_plane=True,
    topic='depth/image',
    argument='depth',
    messages='Depth image (32FC1 in m, 16UC1 in steps of unit_m)',
    forms={'raw': Form('sensor_msgs/msg/Image'),
           'compressed': Form('sensor_msgs/msg/CompressedImage', '/compressedDepth')},
    decoder_type=DepthDecoder,
    decoder_settings=(
        DecoderSetting(name='unit_m', default=MILLIMETRE_M, range=UNIT_RANGE_M,
                       text='Metres to one step of raw integer depth (16UC1)'),),
    encoder_type=DepthEncoder,
    sync={'max_age_s': 0.12},
)


@dataclass(frozen=True, kw_only=True, eq=False)
class _View:
    """What does not change from frame to frame."""

    rows: Indices
    columns: Indices
    surface_maps: Float32Array
    up_rays: Float32Array
    """[h, w] metres upwards for each metre of depth; 0 beyond the lens."""
    moved_rays: Float32Array | None = None
    """[N, 3] of the sampled depth pixels, turned to the reference camera."""
    translation_m: Float32Array
    camera: CameraModel
    """The reference camera at network size."""

    def sampled(self, depth_m: npt.NDArray[Any]) -> Float32Array:
        return depth_m[self.rows[:, None], self.columns]

    def reprojected(self, depth_m: npt.NDArray[Any], moved_rays: Float32Array) -> Float32Array:
        size_hw = (self.camera.height_px, self.camera.width_px)
        depth = self.sampled(depth_m).reshape(-1, 1)
        measured = np.flatnonzero(np.isfinite(depth))
        points = depth[measured] * moved_rays[measured] + self.translation_m
        uv, in_view = self.camera.project(points)
        z_m = points[in_view, 2]
        image = rasterize_nearest(uv[in_view], z_m, z_m[:, None], size_hw, np.inf)[..., 0]
        returned = np.isfinite(image)
        flanked = np.zeros_like(returned)
        flanked[:, 1:-1] = returned[:, :-2] & returned[:, 2:]
        flanked[1:-1] |= returned[:-2] & returned[2:]
        nearest = image.reshape(-1)[nearest_neighbour(image, 3)]
        nearest[~(returned | flanked)] = np.nan
        return np.where(returned, image, nearest)


def _view(rig: Rig, image_hw: tuple[int, int], size_hw: tuple[int, int]) -> _View:
    height, width = size_hw
    camera = rig.camera.resized(width, height)
    rays = camera.ray_directions()
    up_rays = np.nan_to_num(rays @ rig.up_camera)
    own, camera_T_depth = sensor_camera(rig, 'depth', image_hw), rig.extrinsic('depth')
    moved_rays: Float32Array | None = None
    if shares_camera_view(rig, 'depth'):
        rows, columns = nearest_indices(image_hw[0], height), nearest_indices(image_hw[1], width)
    else:
        # As many samples as the target has pixels per angle: more would only be overdrawn.
        least_px = sampling_step(image_hw, size_hw)
        rows = np.arange(0, image_hw[0], max(least_px, int(own.K[1, 1] / camera.K[1, 1])))
        columns = np.arange(0, image_hw[1], max(least_px, int(own.K[0, 0] / camera.K[0, 0])))
        own_rays = own.ray_directions(columns, rows).reshape(-1, 3)
        moved_rays = (own_rays @ camera_T_depth[:3, :3].T).astype(np.float32)
    return _View(rows=rows, columns=columns, surface_maps=_surface_maps(rays, rig.up_camera),
                 up_rays=up_rays.astype(np.float32), moved_rays=moved_rays,
                 translation_m=camera_T_depth[:3, 3].astype(np.float32),
                 camera=camera)


def _surface_maps(rays: npt.NDArray[np.float64], up_camera: npt.NDArray[np.float64]
                  ) -> Float32Array:
    """[3, 4, h, w] for :func:`_angle_to_up`: x, y, z and upward part of three ray products."""
    ray = np.ascontiguousarray(rays.transpose(2, 0, 1))
    ray_u, ray_v = np.gradient(ray, axis=2), np.gradient(ray, axis=1)
    maps = np.empty((3, 4, *rays.shape[:2]), dtype=np.float32)
    for product, factors in zip(maps, ((ray_v, ray_u), (ray, ray_u), (ray_v, ray)), strict=True):
        normal = np.cross(*factors, axis=0)
        product[:3], product[3] = normal, np.tensordot(up_camera, normal, axes=1)
    return np.nan_to_num(maps, copy=False)


def _angle_to_up(z_m: Float32Array, surface_maps: Float32Array) -> Float32Array:
    """Angle [h, w] in radians between the surface normal and the direction against gravity.

    With points z r(u, v) the normal is parallel to w (r_v x r_u) - w_v (r x r_u) - w_u (r_v x r),
    w = 1 / z. It points towards the camera, and is exact on planes, where w is linear in the
    pixel of an undistorted camera. Where one neighbour is missing the other alone counts; where
    both are, the angle is a right one, which says nothing.
    """
    nearness = np.reciprocal(z_m)
    nearness_v, known_v = _slope(nearness)
    transposed_u, known_u = _slope(nearness.T)
    nearness_u = transposed_u.T
    facing, vertical, horizontal = surface_maps
    x, y, z, up = (facing[part] * nearness - vertical[part] * nearness_v
                   - horizontal[part] * nearness_u for part in range(4))
    cosine = up / np.sqrt(np.maximum(x * x + y * y + z * z, np.float32(1e-30)))
    cosine = np.where(known_u.T & known_v, cosine, np.float32(0.0))
    angle_rad: Float32Array = np.arccos(np.clip(cosine, -1.0, 1.0))
    return angle_rad


def _slope(values: Float32Array) -> tuple[Float32Array, npt.NDArray[np.bool_]]:
    """Change per row from the known neighbours, and where it is known, of values [h, w]."""
    step = np.diff(values, axis=0)
    known = ~np.isnan(step)
    step = np.where(known, step, np.float32(0.0))
    total = np.zeros_like(values)
    count = np.zeros(values.shape, dtype=np.float32)
    for rows in (slice(None, -1), slice(1, None)):
        total[rows] += step
        count[rows] += known
    total /= np.maximum(count, np.float32(1.0))
    return total, count > 0.0


def _returns_only(depth_m: npt.NDArray[Any]) -> Float32Array:
    depth = depth_m.astype(np.float32, copy=False)
    with np.errstate(invalid='ignore'):
        returned = (depth > 0.0) & (depth < np.inf)
    if returned.all():
        return np.ascontiguousarray(depth)
    return np.where(returned, depth, np.float32(np.nan))


def _scaled(counts: npt.NDArray[Any], unit_m: float) -> Float32Array:
    depth = counts.astype(np.float32)
    depth *= np.float32(unit_m)
    depth[counts == 0] = np.nan
    return depth
