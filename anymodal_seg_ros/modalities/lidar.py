# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""LiDAR scans as range, height and intensity in the camera's plane. numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros import limits
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.geometry import Rig, rasterize_nearest, transform_points
from anymodal_seg_ros.modalities.base import (
    Decoder,
    Float32Array,
    Settings,
    Uint8Array,
    linear_level,
    logarithmic_level,
    settings_of,
)
from anymodal_seg_ros.modalities.clouds import (
    PointCloudMessage,
    cloud_points,
    first_field,
    required_field,
)
from anymodal_seg_ros.modalities.intensity import LEARN, SCALE_RANGE, IntensityScale
from anymodal_seg_ros.modalities.modality import DecoderSetting, Form, Modality
from anymodal_seg_ros.modalities.plane import nearest_neighbour
from anymodal_seg_ros.ranges import Range
from anymodal_seg_ros.samples import Payload

INTENSITY_FIELDS = ('intensity', 'reflectivity', 'intensities')
_MIN_Z_M = 0.1


def decode_lidar(msg: PointCloudMessage, scale: IntensityScale | None = None) -> Float32Array:
    """float32 [N, 4]: x y z in metres in the sensor's frame and intensity in 0..1.

    Points that are not finite or at range 0 are left out, so N may be 0. Intensity is a field
    ``intensity`` or ``reflectivity`` as a fraction of the sensor's full ``scale``, of which this
    scan teaches it more; without one the scan stands alone. 0 without such a field.

    Raises:
        BadMessageError: the message contradicts itself, or x, y, z are not all there as floats.
    """
    points = cloud_points(msg)
    names = [required_field(points, (axis,), 'f') for axis in 'xyz']
    points = points.reshape(-1) if points.flags.c_contiguous else points.ravel()
    cloud = np.empty((points.size, 4), dtype=np.float32)
    with np.errstate(over='ignore', invalid='ignore'):
        for column, name in enumerate(names):
            cloud[:, column] = points[name]
        x, y, z = cloud[:, 0], cloud[:, 1], cloud[:, 2]
        square_m2 = x * x + y * y + z * z
        kept = np.isfinite(square_m2) & (square_m2 > 0.0)
    name_or_none = first_field(points, INTENSITY_FIELDS)
    if name_or_none is None:
        cloud[:, 3] = 0.0
    else:
        cloud[:, 3] = (scale or IntensityScale()).fractions(points[name_or_none])
    return cloud if kept.all() else cloud[kept]


class LidarDecoder(Decoder):
    """The scans of one LiDAR, whose intensities are fractions of ``intensity_scale``; 0 learns it.

    Raises:
        ConfigError: the scale is none.
    """

    def __init__(self, intensity_scale: float = LEARN) -> None:
        self._scale = IntensityScale(intensity_scale)

    def decode(self, msg: PointCloudMessage) -> Float32Array:
        """As :func:`decode_lidar`, with what all scans before have taught."""
        return decode_lidar(msg, self._scale)

    def known(self) -> dict[str, Any]:
        """The intensity's full scale (0 while unknown), where it is from, how often it changed."""
        scale = self._scale
        return {'intensity_scale': scale.full_scale,
                'intensity_scale_source': 'given' if scale.is_given else 'learnt',
                'intensity_scale_changes': scale.num_changes}


@dataclass(frozen=True, kw_only=True)
class LidarEncoder:
    """Range, height above ground and intensity of the nearest return at a pixel, 1..255 each.

    Range is logarithmic, clipped to ``min_range_m``..``max_range_m``; height is clipped to
    ``min_height_m``..``max_height_m``. Returns grow to ``dilation_px`` x ``dilation_px`` pixels
    (odd; 1 = not), the nearest winning. All three channels are 0 where there is no return.
    ``intensity_scale`` is what the decoder takes for a full intensity; 0 learns it.
    """

    min_range_m: float = 1.0
    max_range_m: float = 100.0
    min_height_m: float = -1.0
    max_height_m: float = 7.0
    dilation_px: int = 3
    intensity_scale: float = LEARN
    channel_names: ClassVar[tuple[str, str, str]] = ('range', 'height', 'intensity')

    def __post_init__(self) -> None:
        limits.span('min_range_m', self.min_range_m, 'max_range_m', self.max_range_m,
                    Range(0.01, 10000.0))
        limits.span('min_height_m', self.min_height_m, 'max_height_m', self.max_height_m,
                    Range(-1000.0, 1000.0))
        Range(1, 15).check('dilation_px', self.dilation_px)
        SCALE_RANGE.check('intensity_scale', self.intensity_scale)
        if self.dilation_px not in range(1, 16, 2):
            raise ConfigError.of('dilation_px', self.dilation_px, 'an odd number from 1 to 15')

    def encode(self, data: npt.NDArray[Any], rig: Rig, size_hw: tuple[int, int]) -> Uint8Array:
        """float32 [N, 4] to uint8 [h, w, 3].

        Raises:
            ConfigError: ``rig`` does not say where the LiDAR is.
        """
        if 'lidar' not in rig.camera_T:
            raise ConfigError("the rig has no camera_T['lidar']; the LiDAR's transform to the "
                              'camera is needed')
        image = np.zeros((*size_hw, 3), dtype=np.uint8)
        points = transform_points(rig.camera_T['lidar'], data[:, :3])
        front = np.flatnonzero(points[:, 2] > _MIN_Z_M)
        points = points[front]
        uv, in_view = rig.camera.resized(size_hw[1], size_hw[0]).project(points)
        seen = np.flatnonzero(in_view)
        if not seen.size:
            return image
        points, z_m = points[seen], points[seen, 2]
        values = np.empty((len(seen), 4), dtype=np.float32)
        range_m = np.sqrt(np.einsum('ij,ij->i', points, points))
        height_m = points @ rig.up_camera.astype(np.float32) + np.float32(rig.base_z_m)
        values[:, 0] = logarithmic_level(range_m, self.min_range_m, self.max_range_m)
        values[:, 1] = linear_level(height_m, self.min_height_m, self.max_height_m)
        values[:, 2] = linear_level(data[front[seen], 3], 0.0, 1.0)
        values[:, 3] = z_m
        drawn = rasterize_nearest(uv[seen], z_m, values, size_hw, 0.0)
        image[...] = drawn[..., :3]
        if self.dilation_px == 1:
            return image
        depth_m = np.where(drawn[..., 0] > 0.0, drawn[..., 3], np.float32(np.inf))
        source = nearest_neighbour(depth_m, self.dilation_px)
        return image.reshape(-1, 3)[source]

    def settings(self) -> Settings:
        """min_range_m, max_range_m, min_height_m, max_height_m, dilation_px, intensity_scale."""
        return settings_of(self)


LIDAR = Modality(
    name='lidar',
    title='LiDAR',
    payload=Payload.CLOUD,
    is_camera_plane=False,
    topic='lidar/points',
    argument='lidar',
    messages='LiDAR scan (any field layout with x, y, z)',
    forms={'raw': Form('sensor_msgs/msg/PointCloud2')},
    decoder_type=LidarDecoder,
    decoder_settings=(
        DecoderSetting(name='intensity_scale', default=LEARN, range=SCALE_RANGE,
                       text='Intensity of a full return', unset='learn it'),),
    shared_settings=('intensity_scale',),
    encoder_type=LidarEncoder,
    # A scan is spread over its period: half of it lies between its stamp and the time at which
    # any one point was measured.
    sync={'tolerance_s': 0.055, 'max_age_s': 0.15},
)
