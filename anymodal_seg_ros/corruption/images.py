# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Content faults of camera images (uint8 [H, W, 3]) and depth images (float32 [H, W], metres)."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.corruption.fault import Data

DISPLAY_GAMMA = 2.2
OVEREXPOSURE_STOPS = 8.0
UNDEREXPOSURE_STOPS = 6.0
CAMERA_NOISE_LEVELS = 80.0
DEPTH_NOISE_SHARE = 0.1
MAX_RANGE_M = 100.0
GRID_CELLS = 8
BLUR_SIGMA_SHARE = 1 / 64
MOTION_SHARE = 1 / 16


def dim(image: Data, severity: float, rng: np.random.Generator) -> Data:
    """Black: the values are scaled by 1 - severity."""
    return _through_curve(image, np.arange(256) * (1.0 - severity))


def overexpose(image: Data, severity: float, rng: np.random.Generator) -> Data:
    """Exposure raised by 8 * severity stops in linear light, then clipped."""
    return _through_curve(image, _exposed(OVEREXPOSURE_STOPS * severity))


def underexpose(image: Data, severity: float, rng: np.random.Generator) -> Data:
    """Exposure lowered by 6 * severity stops in linear light, then quantised."""
    return _through_curve(image, _exposed(-UNDEREXPOSURE_STOPS * severity))


def _exposed(stops: float) -> Data:
    curve: Data = np.arange(256) * 2.0 ** (stops / DISPLAY_GAMMA)
    return curve


def _through_curve(image: Data, curve: Data) -> Data:
    table = np.clip(np.rint(curve), 0, 255).astype(np.uint8)
    shown: Data = table[image]
    return shown


def blur(image: Data, severity: float, rng: np.random.Generator) -> Data:
    """Gaussian blur with a sigma of severity * width / 64 pixels."""
    sigma_px = max(severity * image.shape[1] * BLUR_SIGMA_SHARE, 0.3)
    blurred: Data = cv2.GaussianBlur(image, (0, 0), sigma_px)
    return blurred


def motion_blur(image: Data, severity: float, rng: np.random.Generator) -> Data:
    """Mean along a line of severity * width / 16 pixels (3 at least) in a random direction."""
    length_px = max(round(severity * image.shape[1] * MOTION_SHARE), 3)
    size = length_px | 1
    angle = rng.uniform(0.0, np.pi)
    reach = (size - 1) / 2
    kernel = np.zeros((size, size), np.float32)
    along = np.linspace(-reach, reach, 4 * size)
    rows = np.rint(reach + along * np.sin(angle)).astype(int)
    columns = np.rint(reach + along * np.cos(angle)).astype(int)
    np.add.at(kernel, (rows, columns), 1.0)
    blurred: Data = cv2.filter2D(image, -1, kernel / kernel.sum())
    return blurred


def camera_noise(image: Data, severity: float, rng: np.random.Generator) -> Data:
    """Gaussian noise of 80 * severity grey levels on every value, clipped."""
    noise = rng.standard_normal(image.shape, np.float32) * np.float32(
        CAMERA_NOISE_LEVELS * severity)
    noisy: Data = np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)
    return noisy


def block_camera(image: Data, severity: float, rng: np.random.Generator) -> Data:
    """Black cells, a share of ``severity`` of an 8 x 8 grid."""
    blocked = image.copy()
    blocked[_blocked_cells(image.shape[:2], severity, rng)] = 0
    return blocked


def block_depth(depth_m: Data, severity: float, rng: np.random.Generator) -> Data:
    """Cells without a return, a share of ``severity`` of an 8 x 8 grid."""
    blocked = depth_m.copy()
    blocked[_blocked_cells(depth_m.shape, severity, rng)] = np.nan
    return blocked


def _blocked_cells(
    shape_hw: tuple[int, ...], severity: float, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    num_cells = GRID_CELLS * GRID_CELLS
    num_blocked = max(round(severity * num_cells), 1)
    cells = np.zeros(num_cells, np.bool_)
    cells[rng.permutation(num_cells)[:num_blocked]] = True
    rows = np.arange(shape_hw[0]) * GRID_CELLS // shape_hw[0]
    columns = np.arange(shape_hw[1]) * GRID_CELLS // shape_hw[1]
    return cells.reshape(GRID_CELLS, GRID_CELLS)[rows[:, None], columns[None, :]]


def shorten_depth(depth_m: Data, severity: float, rng: np.random.Generator) -> Data:
    """Black: no return from beyond (1 - severity) * 100 m, so none at all at severity 1."""
    with np.errstate(invalid='ignore'):
        seen = depth_m <= (1.0 - severity) * MAX_RANGE_M
    if severity == 1.0:
        seen = np.zeros_like(seen)
    return np.where(seen, depth_m, np.float32(np.nan)).astype(depth_m.dtype)


def depth_noise(depth_m: Data, severity: float, rng: np.random.Generator) -> Data:
    """Gaussian noise whose sigma is 10 % * severity of the depth; never below 1 cm."""
    factor = 1.0 + DEPTH_NOISE_SHARE * severity * rng.standard_normal(depth_m.shape, np.float32)
    noisy: Data = np.maximum(depth_m * factor, np.float32(0.01)).astype(depth_m.dtype)
    return noisy
