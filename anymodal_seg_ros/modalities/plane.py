# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Moving images and scans to the reference camera's plane at network size. numpy and OpenCV."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.geometry import MAX_ASPECT, CameraModel, Rig

Indices = npt.NDArray[np.intp]
SAMPLES_PER_PIXEL = 8
"""How many measurements are drawn for each pixel of a picture, on average and at most."""


def network_size(camera_hw: tuple[int, int], short_side_px: int,
                 multiple: int = 32) -> tuple[int, int]:
    """Network input (h, w) for a camera image (H, W).

    The short side becomes ``short_side_px``, the aspect is kept, and both are rounded to the
    nearest multiple of ``multiple``, never to 0.

    Raises:
        ConfigError: a size is not positive, or the camera so narrow a strip that the network's
            input would fill the memory.
    """
    if min(*camera_hw, short_side_px, multiple) < 1:
        raise ConfigError.of('camera size, short_side_px and multiple',
                             (camera_hw, short_side_px, multiple), '1 and more')
    if max(camera_hw) > MAX_ASPECT * min(camera_hw):
        raise ConfigError.of('camera size', camera_hw,
                             f'a long side of up to {MAX_ASPECT} short ones')
    scale = short_side_px / min(camera_hw)
    height, width = (max(1, int(side * scale / multiple + 0.5)) * multiple for side in camera_hw)
    return height, width


def nearest_indices(source_px: int, target_px: int) -> Indices:
    """Which source pixel lies under the centre of each target pixel."""
    centres = (np.arange(target_px) + 0.5) * (source_px / target_px)
    return np.minimum(centres.astype(np.intp), source_px - 1)


def resize_nearest(image: npt.NDArray[Any], size_hw: tuple[int, int]) -> npt.NDArray[Any]:
    """Nearest neighbour at pixel centres: [H, W, ...] to [h, w, ...], values untouched."""
    if image.shape[:2] == size_hw:
        return image
    rows = nearest_indices(image.shape[0], size_hw[0])
    columns = nearest_indices(image.shape[1], size_hw[1])
    return image[rows[:, None], columns]


def resize_area(image: npt.NDArray[np.uint8], size_hw: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """A picture [H, W, ...] at [h, w, ...]; shrinking averages over pixel areas."""
    height, width = size_hw
    if image.shape[:2] == size_hw:
        return image
    shrinks = image.shape[0] >= height and image.shape[1] >= width
    resized = cv2.resize(image, (width, height),
                         interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return resized.astype(np.uint8, copy=False)


def shares_camera_view(rig: Rig, name: str) -> bool:
    """Whether sensor ``name`` sees exactly what the reference camera sees, size apart."""
    own, reference = rig.camera_of(name), rig.camera
    resized = own.resized(reference.width_px, reference.height_px)
    return (np.allclose(rig.extrinsic(name), np.eye(4), atol=1e-6)
            and own.distortion_model == reference.distortion_model
            and np.allclose(resized.K, reference.K, rtol=1e-6, atol=1e-3)
            and own.D.size == reference.D.size and np.allclose(own.D, reference.D))


def nearest_neighbour(depth_m: npt.NDArray[np.float32], size_px: int) -> Indices:
    """For each pixel of ``depth_m`` [H, W] (positive, inf = nothing) the flat index of the
    nearest return within the ``size_px`` x ``size_px`` square around it: dilation in which the
    nearest wins, and of equally near ones the first."""
    # Positive floats sort like their bits, so that one integer minimum carries depth and index.
    key = depth_m.astype(np.float32).view(np.int32).astype(np.int64) << 32
    key |= np.arange(key.size, dtype=np.int64).reshape(key.shape)
    for axis_first in (key.T, key):
        before = axis_first.copy()
        for shift in range(1, min(size_px // 2, len(before) - 1) + 1):
            np.minimum(axis_first[shift:], before[:-shift], out=axis_first[shift:])
            np.minimum(axis_first[:-shift], before[shift:], out=axis_first[:-shift])
    return (key & 0xFFFFFFFF).astype(np.intp)


def sampling_step(image_hw: tuple[int, int], target_hw: tuple[int, int]) -> int:
    """Every how many-th row and column of an image suffice to draw a picture of ``target_hw``."""
    return thinning_step(image_hw, SAMPLES_PER_PIXEL * target_hw[0] * target_hw[1])


def thinning_step(image_hw: tuple[int, ...], max_pixels: int) -> int:
    """Every how many-th row and column of an image leave about so many pixels of it."""
    return math.ceil(math.sqrt(image_hw[0] * image_hw[1] / max_pixels))


def sensor_camera(rig: Rig, name: str, image_hw: tuple[int, int]) -> CameraModel:
    """The camera of sensor ``name`` for images of this size, whatever size it was calibrated."""
    camera = rig.camera_of(name)
    if (camera.height_px, camera.width_px) == image_hw:
        return camera
    return camera.resized(image_hw[1], image_hw[0])
