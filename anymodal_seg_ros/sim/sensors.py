# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From hits and light to what each sensor reports, with its noise. Simulation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.samples import EVENT_DTYPE
from anymodal_seg_ros.sim.scene import Hits
from anymodal_seg_ros.sim.weather import Weather

Float32Array = npt.NDArray[np.float32]
MAX_DEPTH_M = 85.0
MAX_LIDAR_M = 100.0
EVENT_THRESHOLD = 0.45
"""Change of log intensity that makes an event."""
MAX_EVENTS_PER_S = 2_000_000
_MAX_CROSSINGS = 2


@lru_cache(maxsize=1)
def _noise_tile() -> Float32Array:
    """Standard normal numbers [1024, 1024, 3], from which images cut their noise."""
    return np.random.default_rng(11).standard_normal((1024, 1024, 3), dtype=np.float32)


def _noise(shape_hw: tuple[int, int], rng: np.random.Generator) -> Float32Array:
    """Standard normal [H, W, 3]: the tile, shifted at random."""
    height, width = shape_hw
    tile = _noise_tile()
    row, column = (int(v) for v in rng.integers(0, 1024, 2))
    if row + height <= 1024 and column + width <= 1024:
        return tile[row:row + height, column:column + width]
    rows, columns = (np.arange(height) + row) % 1024, (np.arange(width) + column) % 1024
    return tile.take(rows, axis=0).take(columns, axis=1)


def tone_mapped(radiance: Float32Array, exposure: float) -> Float32Array:
    """Display values in 0..1 (gamma 2) of linear ``radiance`` [H, W, 3]."""
    mapped: Float32Array = np.sqrt(np.clip(radiance * np.float32(exposure), 0, 1))
    return mapped


def camera_image(radiance: Float32Array, weather: Weather,
                 rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """uint8 [H, W, 3] RGB with rain streaks and sensor noise."""
    image = tone_mapped(radiance, weather.exposure)
    if weather.rain:
        image = _rained(image, weather.rain, rng)
    image = image * np.float32(255) + _noise(image.shape[:2], rng) * np.float32(
        255 * weather.grain)
    levels: npt.NDArray[np.uint8] = np.clip(image + np.float32(.5), 0, 255).astype(np.uint8)
    return levels


def _rained(image: Float32Array, strength: float, rng: np.random.Generator) -> Float32Array:
    height, width = image.shape[:2]
    streaks = np.zeros((height, width), np.uint8)
    count = int(220 * strength)
    start = rng.uniform((0, -.05), (1, 1), (count, 2)) * (width, height)
    length = rng.uniform(.02, .07, count) * height
    slant = rng.normal(.12, .04)
    for (x, y), run, tone in zip(start.tolist(), length.tolist(),
                                 rng.integers(40, 110, count).tolist(), strict=True):
        end = (int(x + slant * run), int(y + run))
        cv2.line(streaks, (int(x), int(y)), end, int(tone), 1, cv2.LINE_AA)
    veil = streaks.astype(np.float32)[..., None] / np.float32(255)
    rained: Float32Array = image * (1 - veil) + veil * np.float32(.75)
    return rained


def depth_image(z_m: Float32Array, weather: Weather, rng: np.random.Generator) -> Float32Array:
    """float32 [H, W] from true planar depth (inf: nothing): noise that grows with the square of
    depth, holes at edges and at random, NaN where there is no measurement."""
    height, width = z_m.shape
    finite = np.where(np.isfinite(z_m), z_m, np.float32(4 * MAX_DEPTH_M))
    noise = _noise((height, width), rng)
    sigma = np.float32(.0006 * weather.depth_noise) * finite * finite + np.float32(.004)
    depth: Float32Array = finite + sigma * noise[..., 0]
    edge = np.zeros((height, width), np.bool_)
    step = np.abs(np.diff(finite, axis=1)) > np.float32(.08) * finite[:, 1:]
    edge[:, 1:] |= step
    edge[:, :-1] |= step
    step = np.abs(np.diff(finite, axis=0)) > np.float32(.08) * finite[1:]
    edge[1:] |= step
    chance = rng.random((height, width), dtype=np.float32)
    lost = chance < np.where(edge, np.float32(.35), np.float32(weather.depth_loss))
    depth[lost | (finite > MAX_DEPTH_M) | (depth <= .2)] = np.nan
    return depth


@lru_cache(maxsize=4)
def lidar_directions(num_beams: int, num_azimuths: int, low_deg: float,
                     high_deg: float) -> Float32Array:
    """Unit directions [beams * azimuths, 3] of a full sweep in the LiDAR's frame."""
    elevation = np.radians(np.linspace(high_deg, low_deg, num_beams))[:, None]
    azimuth = (math.pi - np.arange(num_azimuths) * (2 * math.pi / num_azimuths))[None, :]
    directions = np.empty((num_beams, num_azimuths, 3), np.float32)
    directions[..., 0] = np.cos(elevation) * np.cos(azimuth)
    directions[..., 1] = np.cos(elevation) * np.sin(azimuth)
    directions[..., 2] = np.sin(elevation)
    return directions.reshape(-1, 3)


def lidar_points(hits: Hits, directions_lidar: Float32Array, weather: Weather,
                 rng: np.random.Generator) -> Float32Array:
    """float32 [N, 4] x y z intensity in the LiDAR's frame; ``hits`` of unit directions."""
    optics = hits.optics[hits.triangle]
    cosine = np.abs(np.einsum('ij,ij->i', hits.normal, hits.direction))
    reach = np.isfinite(hits.distance) & (hits.distance < MAX_LIDAR_M)
    distance = np.where(reach, hits.distance, np.float32(MAX_LIDAR_M))
    through = np.exp(np.float32(-2 * weather.lidar_extinction_per_m) * distance)
    echo = optics[:, 3] * (np.float32(.35) + np.float32(.65) * cosine)
    # A weak echo from far away drowns in the receiver's noise.
    seen = 1 - np.exp(-echo * through * 60 / (1 + (distance / 18) ** 2))
    chance = rng.random(len(distance), dtype=np.float32)
    kept = np.flatnonzero(reach & (chance < seen * (1 - np.float32(weather.lidar_loss))))
    noise = rng.standard_normal((len(kept), 2), dtype=np.float32)
    measured = distance[kept] + noise[:, 0] * np.float32(.02)
    points = np.empty((len(kept), 4), np.float32)
    points[:, :3] = directions_lidar[kept] * measured[:, None]
    points[:, 3] = np.clip(echo[kept] * through[kept] + noise[:, 1] * np.float32(.02), .004, 1)
    return points


def log_intensity(radiance: Float32Array, exposure: float) -> Float32Array:
    """float32 [H, W]: logarithm of luminance with the floor of the pixel's dark current."""
    luminance = radiance @ np.array([.30, .59, .11], np.float32)
    logarithm: Float32Array = np.log(luminance * np.float32(exposure) + np.float32(.02))
    return logarithm


def events_between(frames: Sequence[Float32Array], times_ns: Sequence[int],
                   levels: Float32Array) -> npt.NDArray[np.void]:
    """Events of ``EVENT_DTYPE`` from log intensities [H, W] at increasing times.

    A pixel fires whenever its intensity, taken as linear between two frames, crosses one of the
    levels ``levels`` + k * ``EVENT_THRESHOLD``; ``levels`` [H, W] differ from pixel to pixel.
    Between two frames it fires at most twice, for it must recover.
    In the order of the intervals, within one in that of the pixels.
    """
    found = [_crossings(before, after, start, end, levels)
             for before, after, start, end in zip(frames, frames[1:], times_ns, times_ns[1:],
                                                  strict=False)]
    return np.concatenate(found) if found else np.zeros(0, EVENT_DTYPE)


def _crossings(before: Float32Array, after: Float32Array, start_ns: int, end_ns: int,
               levels: Float32Array) -> npt.NDArray[np.void]:
    width = before.shape[1]
    scale = np.float32(1 / EVENT_THRESHOLD)
    first = ((before - levels) * scale).ravel()
    last = ((after - levels) * scale).ravel()
    steps = np.clip(np.floor(last) - np.floor(first), -_MAX_CROSSINGS, _MAX_CROSSINGS)
    steps = steps.astype(np.int32)
    pixels = np.flatnonzero(steps)
    count = np.abs(steps[pixels])
    pixel = np.repeat(pixels, count)
    rank = np.arange(len(pixel)) - np.repeat(np.cumsum(count) - count, count)
    rises = steps[pixel] > 0
    a, b = first[pixel], last[pixel]
    level = np.where(rises, np.floor(a) + 1 + rank, np.floor(a) - rank)
    # Rounding must not move an event out of its interval.
    share = np.clip((level - a) / (b - a), 0, 1).astype(np.float64)
    events = np.empty(len(pixel), EVENT_DTYPE)
    events['x'], events['y'] = pixel % width, pixel // width
    # Whole microseconds in (start, end], so that windows which meet share no event.
    period_us = (end_ns - start_ns) // 1000
    events['t_ns'] = start_ns + np.maximum(np.ceil(share * period_us).astype(np.int64), 1) * 1000
    events['polarity'] = rises
    return events


def with_event_noise(events: npt.NDArray[np.void], shape_hw: tuple[int, int], start_ns: int,
                     end_ns: int, rate_hz: float,
                     rng: np.random.Generator) -> npt.NDArray[np.void]:
    """Add noise events and keep at most what the sensor's bus carries. Sorted by time."""
    height, width = shape_hw
    duration_s = (end_ns - start_ns) * 1e-9
    count = int(rng.poisson(rate_hz * height * width * duration_s))
    noise = np.empty(count, EVENT_DTYPE)
    noise['x'], noise['y'] = rng.integers(0, width, count), rng.integers(0, height, count)
    noise['t_ns'] = start_ns + 1000 * rng.integers(1, (end_ns - start_ns) // 1000 + 1, count)
    noise['polarity'] = rng.random(count) < .5
    events = np.concatenate([events, noise])
    limit = int(MAX_EVENTS_PER_S * duration_s)
    if len(events) > limit:
        kept = rng.random(len(events), dtype=np.float32) < limit / len(events)
        events = events.take(np.flatnonzero(kept)[:limit])
    # Forty times as fast as indexing, for rows of a structured array.
    return events.take(_order_in_time((events['t_ns'] - start_ns) // 1000))


def _order_in_time(t_us: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """Stable order of times below 2**32: by halves, for NumPy sorts 16 bits in linear time."""
    order = np.argsort((t_us & 0xffff).astype(np.uint16), kind='stable')
    high = (t_us >> 16).astype(np.uint16)
    return order[np.argsort(high[order], kind='stable')]


def enlarged(picture: Float32Array, shape_hw: tuple[int, int]) -> Float32Array:
    """A picture [h, w] drawn small, at full size [H, W]."""
    if picture.shape == shape_hw:
        return picture
    large = cv2.resize(picture, shape_hw[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(large, np.float32)
