# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Thermal (long-wave infrared) cameras as grey pictures in the reference camera's plane.

Cameras send 8 bits, stretched by themselves to the scene, or 14 to 16 bits of raw counts:
centikelvins where they are radiometric and set to linear temperature (FLIR Lepton and Boson:
``low`` 26315 and ``high`` 32315 are -10 to 50 degrees Celsius), else counts of the detector.
Counts become grey levels here, so that from then on it is a picture like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.errors import BadMessageError, ConfigError
from anymodal_seg_ros.geometry import Rig
from anymodal_seg_ros.modalities.base import (
    Decoder,
    Float32Array,
    LastBuilt,
    Settings,
    Uint8Array,
    settings_of,
)
from anymodal_seg_ros.modalities.compressed import SizeMemory, decode_compressed
from anymodal_seg_ros.modalities.modality import IMAGE_FORMS, DecoderSetting, Modality
from anymodal_seg_ros.modalities.pixels import image_pixels, message_bytes
from anymodal_seg_ros.modalities.plane import (
    resize_area,
    sensor_camera,
    shares_camera_view,
    thinning_step,
)
from anymodal_seg_ros.ranges import Range
from anymodal_seg_ros.samples import Payload

SAMPLE_TYPES = {'mono8': 'u1', '8UC1': 'u1', 'mono16': 'u2', '16UC1': 'u2'}
COUNTS = Range(0.0, 65535.0)
TOP_OF_14_BITS = 16383.0
OWN_RANGE = 0.0
LOW_PERCENT, HIGH_PERCENT = 1.0, 99.0
MIN_SPAN = 64.0
"""Counts that a picture's own range spans at least: the noise of a shutter stays noise."""
PERCENTILE_PIXELS = 65536


class ThermalDecoder(Decoder):
    """The pictures of one thermal camera, of whose 16-bit counts ``low`` is black, ``high`` white.

    Both 0: black and white are the 1st and the 99th percentile of each picture. One of which
    both lie within ``MIN_SPAN`` of an end of the 16 bits, or of the top of 14 bits where the 99th
    is that very count, shows nothing: it is all black or all white, as its health is to see it.
    8-bit pictures are taken as they are.

    Raises:
        ConfigError: the two are no range.
    """

    def __init__(self, low: float = OWN_RANGE, high: float = OWN_RANGE) -> None:
        check_counts(low, high)
        self._low, self._high = low, high
        self._sizes = SizeMemory()

    def decode(self, msg: Any) -> Uint8Array:  # noqa: ANN401 - Image or CompressedImage
        """uint8 [H, W] of an Image (mono8, mono16, 8UC1, 16UC1) or a grey PNG or JPEG.

        Raises:
            BadMessageError: the message contradicts itself, or it is not grey.
        """
        if hasattr(msg, 'format'):
            counts = decode_compressed(message_bytes(msg.data), cv2.IMREAD_UNCHANGED, self._sizes)
            if counts.ndim != 2:
                raise BadMessageError('data', f'{counts.shape[2]} channels; a grey picture is '
                                              'needed')
        elif msg.encoding in SAMPLE_TYPES:
            counts = image_pixels(msg, SAMPLE_TYPES[msg.encoding], 1)
        else:
            raise BadMessageError('encoding', f'{msg.encoding!r}; allowed: '
                                              f'{", ".join(SAMPLE_TYPES)}')
        if counts.dtype.itemsize == 1:
            return np.ascontiguousarray(counts, dtype=np.uint8)
        return grey_levels(counts, self._low, self._high)


@dataclass(frozen=True, kw_only=True)
class ThermalEncoder:
    """The grey picture three times, at network size; shrinking averages over pixel areas.

    A thermal camera of its own lens or attitude is warped as if all it sees were far away (the
    homography at infinity, with both lenses' distortions): its offset from the reference camera
    is not corrected, for it has no depth, which leaves offset / distance of an angle in radians.
    Where it does not see, the picture is 0. ``low`` and ``high`` are what the decoder takes for
    black and white.
    """

    low: float = OWN_RANGE
    high: float = OWN_RANGE
    channel_names: ClassVar[tuple[str, str, str]] = ('heat', 'heat 2', 'heat 3')
    _maps: LastBuilt[_Warp | None] = field(init=False, repr=False, compare=False,
                                           default_factory=LastBuilt)

    def __post_init__(self) -> None:
        check_counts(self.low, self.high)

    def encode(self, data: npt.NDArray[Any], rig: Rig, size_hw: tuple[int, int]) -> Uint8Array:
        """uint8 [H, W] to uint8 [h, w, 3]."""
        image_hw = (data.shape[0], data.shape[1])
        warp = self._maps.get(rig, (*image_hw, *size_hw), lambda: _warp(rig, image_hw, size_hw))
        picture = resize_area(data, size_hw) if warp is None else warp.warped(data)
        return cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB).astype(np.uint8, copy=False)

    def settings(self) -> Settings:
        """low and high."""
        return settings_of(self)


THERMAL = Modality(
    name='thermal',
    title='thermal camera',
    payload=Payload.IMAGE,
    is_camera_plane=True,
    topic='thermal/image',
    argument='thermal',
    messages='Thermal image (mono8, or mono16 counts)',
    forms=IMAGE_FORMS,
    decoder_type=ThermalDecoder,
    decoder_settings=(
        DecoderSetting(name='low', default=OWN_RANGE, range=COUNTS,
                       text='16-bit counts that are black, given together with high',
                       unset='the 1st percentile of each picture'),
        DecoderSetting(name='high', default=OWN_RANGE, range=COUNTS,
                       text='16-bit counts that are white',
                       unset='the 99th percentile of each picture'),
    ),
    shared_settings=('low', 'high'),
    encoder_type=ThermalEncoder,
    sync={'max_age_s': 0.12},
    # The sky is constant.
    health={'skip_checks': frozenset({'image_covered'})},
)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Warp:
    """Where in the thermal picture, at about the network's resolution, each pixel looks."""

    shrunk_hw: tuple[int, int]
    columns: Float32Array
    """[h, w]; -1 where the thermal camera does not see."""
    rows: Float32Array

    def warped(self, picture: Uint8Array) -> Uint8Array:
        """[H, W] to [h, w]."""
        shrunk = resize_area(picture, self.shrunk_hw)
        warped = cv2.remap(shrunk, self.columns, self.rows, cv2.INTER_LINEAR,
                           borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        return warped.astype(np.uint8, copy=False)


def _warp(rig: Rig, image_hw: tuple[int, int], size_hw: tuple[int, int]) -> _Warp | None:
    """None for a camera that sees what the reference camera sees."""
    if shares_camera_view(rig, 'thermal'):
        return None
    camera = rig.camera.resized(size_hw[1], size_hw[0])
    own = sensor_camera(rig, 'thermal', image_hw)
    rays = camera.ray_directions().reshape(-1, 3) @ rig.extrinsic('thermal')[:3, :3]
    uv, in_view = own.project(rays)
    # Linear interpolation alone would pass over the pixels of a much finer picture.
    shrunk = [max(1, round(side * min(1.0, camera.K[axis, axis] / own.K[axis, axis])))
              for axis, side in ((1, image_hw[0]), (0, image_hw[1]))]
    columns, rows = ((uv[:, axis] + 0.5) * (shrunk_px / side) - 0.5 for axis, shrunk_px, side
                     in ((0, shrunk[1], image_hw[1]), (1, shrunk[0], image_hw[0])))
    return _Warp(shrunk_hw=(shrunk[0], shrunk[1]),
                 columns=np.where(in_view, columns, -1.0).astype(np.float32).reshape(size_hw),
                 rows=np.where(in_view, rows, -1.0).astype(np.float32).reshape(size_hw))


def grey_levels(counts: npt.NDArray[Any], low: float, high: float) -> Uint8Array:
    """uint8 [H, W] of 16-bit counts [H, W], by ``ThermalDecoder``'s rule."""
    if high == OWN_RANGE:
        low, high = _own_range(counts)
    scale = np.float32(255.0 / (high - low))
    levels = (counts.astype(np.float32) - np.float32(low)) * scale
    rounded: Uint8Array = np.rint(np.clip(levels, 0.0, 255.0)).astype(np.uint8)
    return rounded


def check_counts(low: float, high: float) -> None:
    """Raises ConfigError unless they are a range, or both 0."""
    COUNTS.check('low', low)
    COUNTS.check('high', high)
    if low > OWN_RANGE == high:
        raise ConfigError.of('low', low, '0 while high is not given')
    if low >= high != OWN_RANGE:
        raise ConfigError.of('high', high, f'more than low, {low!r}, or 0 for both')


def _own_range(counts: npt.NDArray[Any]) -> tuple[float, float]:
    """Percentiles of a picture, ``MIN_SPAN`` apart at least; beside it at an end of the scale."""
    step = thinning_step(counts.shape, PERCENTILE_PIXELS)
    low, high = np.percentile(counts[::step, ::step], (LOW_PERCENT, HIGH_PERCENT))
    if high < COUNTS.least + MIN_SPAN:
        return COUNTS.least + MIN_SPAN, COUNTS.least + 2.0 * MIN_SPAN
    # Fewer bits are sent as they are; a detector that is stuck at its own top is cut off there.
    top = TOP_OF_14_BITS if high == TOP_OF_14_BITS else COUNTS.most
    if low > top - MIN_SPAN:
        return top - 2.0 * MIN_SPAN, top - MIN_SPAN
    widen = max(MIN_SPAN - (high - low), 0.0) / 2.0
    return float(low) - widen, float(high) + widen
