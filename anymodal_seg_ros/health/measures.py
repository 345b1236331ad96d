# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers that describe what a sample shows, without judging them. Pure; health layer.

Every function takes ``Sample.data`` and the seconds since the sample before (NaN when unknown)
and returns named float64 arrays (0-d or 1-d), NaN where a number cannot be told. Each looks at a
part of the data only and costs well under a millisecond for a 512 x 512 sensor.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.modalities.plane import thinning_step

Data: TypeAlias = npt.NDArray[Any]
Numbers: TypeAlias = Mapping[str, npt.NDArray[np.float64]]

STRIDE_PX = 8
MAX_PIXELS = 2 * 1024 * 1024
CROP_PX = 256
SATURATED = 250
TILE = 4
TILES_PER_STEP = 2
MAX_POINTS = 4096
MAX_EVENTS = 16384
MIN_PICTURE_EVENTS = 16
NUM_SECTORS = 36
GRID = 16
GROUND_NEAR_M = 3.0
GROUND_FAR_M = 25.0
GROUND_ABOVE_M = 0.6
GROUND_OUTLIER_M = 0.3
MIN_GROUND_POINTS = 60


def measure_image(image: Data, dt_s: float) -> Numbers:
    """Of uint8 [H, W, 3] or [H, W]: mean, p99 and spread (standard deviation) in grey levels,
    saturated and constant shares, sharpness, fineness and contrast (``sharpness_numbers``)."""
    sharpness, fineness, contrast = sharpness_numbers(image)
    image = thinned(image)
    coarse = image[::STRIDE_PX, ::STRIDE_PX].astype(np.float32)
    gray = coarse.mean(axis=-1) if coarse.ndim == 3 else coarse
    return _numbers(
        mean=gray.mean(), p99=np.percentile(gray, 99), spread=gray.std(),
        saturated=np.mean(gray >= SATURATED), constant=constant_share(image),
        sharpness=sharpness, fineness=fineness, contrast=contrast)


def sharpness_numbers(image: Data) -> tuple[float, float, float]:
    """Variance of the Laplacian in the middle of an image, its ratio to that of the image at half
    size, and the standard deviation there in grey levels.

    The first falls with blur and with plain scenes, the second with blur only (white noise and
    fine texture raise it), so both together tell one from the other. A blur so strong that
    nothing but rounding is left raises the second again: then contrast without any sharpness
    gives it away.
    """
    height, width = image.shape[:2]
    if min(height, width) < STRIDE_PX:
        return math.nan, math.nan, math.nan
    top, left = max((height - CROP_PX) // 2, 0), max((width - CROP_PX) // 2, 0)
    crop = np.ascontiguousarray(image[top:top + CROP_PX, left:left + CROP_PX])
    gray = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) if crop.ndim == 3 else crop
    fine = _laplacian_variance(gray)
    half = cv2.resize(gray, (gray.shape[1] // 2, gray.shape[0] // 2),
                      interpolation=cv2.INTER_AREA)
    coarse = _laplacian_variance(half)
    return fine, fine / coarse if coarse > 0 else math.nan, float(gray.std())


def _laplacian_variance(gray: Data) -> float:
    _, deviation = cv2.meanStdDev(cv2.Laplacian(gray, cv2.CV_16S, ksize=1))
    return float(deviation[0, 0]) ** 2


def constant_share(image: Data) -> float:
    """Share of tiles of 4 x 4 subsampled pixels in which all values are equal."""
    step = STRIDE_PX // TILES_PER_STEP
    coarse = image[::step, ::step]
    rows, columns = (size // TILE * TILE for size in coarse.shape[:2])
    if not rows or not columns:
        return 0.0
    tiles = coarse[:rows, :columns].reshape(rows // TILE, TILE, columns // TILE, TILE, -1)
    return float(np.mean((tiles == tiles[:, :1, :, :1]).all(axis=(1, 3, 4))))


def measure_depth(depth_m: Data, dt_s: float) -> Numbers:
    """Of float32 [H, W] metres: the share of pixels with a return."""
    coarse = thinned(depth_m)[::STRIDE_PX, ::STRIDE_PX]
    return _numbers(returns=np.mean(np.isfinite(coarse) & (coarse > 0)))


def measure_scan(points: Data, dt_s: float) -> Numbers:
    """Of float32 [N, 4]: num_points, sectors [36] (points in each 10 degrees of azimuth from
    -180 on), tilt [2] (slopes of the ground along x and y, in degrees) and thickness of the
    ground in metres (median distance to its plane)."""
    num_points = len(points)
    step = max(num_points // MAX_POINTS, 1)
    part = points[::step]
    azimuth = np.arctan2(part[:, 1], part[:, 0])
    sector = ((azimuth + np.pi) * (NUM_SECTORS / (2 * np.pi))).astype(np.int64)
    sectors = np.bincount(np.clip(sector, 0, NUM_SECTORS - 1), minlength=NUM_SECTORS) * step
    tilt_deg, thickness_m = ground_plane(part)
    return _numbers(num_points=num_points, sectors=sectors, tilt=tilt_deg, thickness=thickness_m)


def ground_plane(points: Data) -> tuple[npt.NDArray[np.float64], float]:
    """Slopes [2] in degrees and thickness in metres of the plane z = a x + b y + c fitted to the
    lowest points between 3 and 25 m; NaN with too few of them."""
    unknown = np.full(2, np.nan), math.nan
    flat_range = np.hypot(points[:, 0], points[:, 1])
    around = points[(flat_range > GROUND_NEAR_M) & (flat_range < GROUND_FAR_M)]
    if len(around) < MIN_GROUND_POINTS:
        return unknown
    lowest = np.percentile(around[:, 2], 10)
    ground = around[np.abs(around[:, 2] - lowest) < GROUND_ABOVE_M].astype(np.float64)
    for _ in range(2):
        if len(ground) < MIN_GROUND_POINTS:
            return unknown
        design = np.column_stack([ground[:, :2], np.ones(len(ground))])
        try:
            plane = np.linalg.solve(design.T @ design, design.T @ ground[:, 2])
        except np.linalg.LinAlgError:
            return unknown
        distance = np.abs(ground[:, 2] - design @ plane)
        thickness = float(np.median(distance))
        ground = ground[distance < max(GROUND_OUTLIER_M, 3 * thickness)]
    return np.rad2deg(np.arctan(plane[:2])), thickness


def measure_events(events: Data, dt_s: float) -> Numbers:
    """Of a structured batch: rate_hz (events per second) and unevenness (relative deviation of
    the counts over a 16 x 16 grid). Of a frame uint8 [H, W, 3]: the same, where each lit pixel
    is an event."""
    if events.ndim == 3:
        coarse = thinned(events)[::2, ::2]
        rows, columns = np.nonzero(coarse.any(axis=-1))
        share = len(rows) / max(coarse.shape[0] * coarse.shape[1], 1)
        num_events, span_s = share * events.shape[0] * events.shape[1], math.nan
    else:
        part = events[::max(len(events) // MAX_EVENTS, 1)]
        rows, columns = part['y'].astype(np.int64), part['x'].astype(np.int64)
        num_events = len(events)
        span_s = float(events['t_ns'][-1] - events['t_ns'][0]) / 1e9 if num_events else math.nan
    duration_s = dt_s if dt_s > 0 else span_s
    rate_hz = num_events / duration_s if duration_s > 0 else math.nan
    return _numbers(rate_hz=0.0 if num_events == 0 else rate_hz,
                    unevenness=_unevenness(rows, columns))


def _unevenness(rows: Data, columns: Data) -> float:
    if len(rows) < MIN_PICTURE_EVENTS:
        return math.nan
    cell = (rows * GRID // (int(rows.max()) + 1)) * GRID
    cell = cell + columns * GRID // (int(columns.max()) + 1)
    counts = np.bincount(cell, minlength=GRID * GRID)
    return float(counts.std() / counts.mean())


def signature(data: Data) -> int:
    """A number that two samples share when they show the same; 0 where there is too little to
    compare. Times inside an event batch do not count."""
    if data.dtype.names is not None:
        if len(data) < MIN_PICTURE_EVENTS:
            return 0
        step = max(len(data) // MAX_POINTS, 1)
        part = data[::step]
        columns = (part['x'].tobytes(), part['y'].tobytes(), part['polarity'].tobytes())
        return zlib.crc32(b''.join(columns), len(data))
    if data.ndim == 2 and data.shape[1] == 4:
        return zlib.crc32(data[::max(len(data) // MAX_POINTS, 1)].tobytes(), len(data))
    return zlib.crc32(thinned(data)[::STRIDE_PX, ::STRIDE_PX].tobytes())


def thinned(image: Data) -> Data:
    """Every n-th row and column of an image [H, W, ...], so that ``MAX_PIXELS`` are left."""
    step = thinning_step(image.shape[:2], MAX_PIXELS)
    return image[::step, ::step] if step > 1 else image


def _numbers(**values: npt.ArrayLike) -> Numbers:
    return {name: np.asarray(value, np.float64) for name, value in values.items()}
