# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Content faults of LiDAR scans: float32 [N, 4], x y z in metres and intensity in 0..1.

``jitter`` also takes a scan drawn in the camera's plane: uint8 or float32 [H, W, 3], 0 where
there is no return.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.corruption.fault import Data
from anymodal_seg_ros.corruption.images import MAX_RANGE_M

JITTER_DEG = 2.0
JITTER_M = 0.02
RANGE_NOISE_M = 0.5
INTENSITY_NOISE = 0.3
AHEAD_DEG = 45.0
IMAGE_FOV_DEG = 90.0
"""Assumed of a drawn scan, horizontally; DELIVER's is 91."""
CAMERA_T_LIDAR = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
"""Forward, left, up to right, down, forward."""


def shorten_range(points: Data, severity: float, rng: np.random.Generator) -> Data:
    """Black: no return from beyond (1 - severity) * 100 m, so none at all at severity 1."""
    if severity == 1.0:
        return points[:0].copy()
    near: Data = points[_range_m(points) <= (1.0 - severity) * MAX_RANGE_M]
    return near


def block_sector(points: Data, severity: float, rng: np.random.Generator) -> Data:
    """No return from a sector of severity * 360 degrees, centred within 45 of straight ahead."""
    centre = np.deg2rad(rng.uniform(-AHEAD_DEG, AHEAD_DEG))
    azimuth = np.arctan2(points[:, 1], points[:, 0])
    away = np.abs(np.mod(azimuth - centre + np.pi, 2 * np.pi) - np.pi)
    seen: Data = points[away > np.pi * severity]
    return seen


def jitter(points: Data, severity: float, rng: np.random.Generator) -> Data:
    """A loose mount: the scan is turned by up to 2 * severity degrees about each axis and moved
    by up to 2 * severity cm along each. A drawn scan is only turned: the way a point moves in
    the image would depend on its range."""
    roll, pitch, yaw = np.deg2rad(rng.uniform(-1, 1, 3) * JITTER_DEG * severity)
    rotation = _rotation(roll, pitch, yaw)
    if points.ndim == 3:
        return _turned(points, rotation)
    moved = points.copy()
    shift = rng.uniform(-1, 1, 3) * JITTER_M * severity
    moved[:, :3] = points[:, :3] @ rotation.T.astype(np.float32) + shift.astype(np.float32)
    return moved


def _turned(image: Data, rotation: npt.NDArray[np.float64]) -> Data:
    """What a camera's plane shows after a rotation of the world about its centre."""
    height, width = image.shape[:2]
    focal_px = width / (2.0 * np.tan(np.deg2rad(IMAGE_FOV_DEG) / 2.0))
    camera = np.array([[focal_px, 0.0, (width - 1) / 2], [0.0, focal_px, (height - 1) / 2],
                       [0.0, 0.0, 1.0]])
    turn = CAMERA_T_LIDAR @ rotation @ CAMERA_T_LIDAR.T
    turned: Data = cv2.warpPerspective(
        image, camera @ turn @ np.linalg.inv(camera), (width, height), flags=cv2.INTER_NEAREST)
    return turned


def _rotation(roll: float, pitch: float, yaw: float) -> npt.NDArray[np.float64]:
    cr, sr, cp, sp, cy, sy = (f(a) for a in (roll, pitch, yaw) for f in (np.cos, np.sin))
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    rotation: npt.NDArray[np.float64] = about_z @ about_y @ about_x
    return rotation


def range_noise(points: Data, severity: float, rng: np.random.Generator) -> Data:
    """Gaussian noise of 0.5 m * severity along each ray and 0.3 * severity on the intensity."""
    error_m = RANGE_NOISE_M * severity * rng.standard_normal(len(points))
    factor = np.maximum(1.0 + error_m / np.maximum(_range_m(points), 1e-3), 0.0)
    noisy = points.copy()
    noisy[:, :3] *= factor[:, None].astype(np.float32)
    intensity = points[:, 3] + INTENSITY_NOISE * severity * rng.standard_normal(len(points))
    noisy[:, 3] = np.clip(intensity, 0.0, 1.0)
    return noisy


def drop_points(points: Data, severity: float, rng: np.random.Generator) -> Data:
    """Each point is lost with probability ``severity``."""
    return points[rng.random(len(points)) >= severity]


def _range_m(points: Data) -> npt.NDArray[np.float32]:
    range_m: npt.NDArray[np.float32] = np.linalg.norm(points[:, :3], axis=1)
    return range_m
