# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a thermal camera sees of a street, and what its detector makes of it. Simulation.

A surface is as warm as the air around it, the sun that it took up, the engine that it belongs to
and the body under it make it. Of long-wave infrared it gives its own and mirrors the cold sky. An
uncooled detector adds noise, and between two closings of its shutter a pattern of its own.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.sim.scene import Hits
from anymodal_seg_ros.sim.shading import Met, Shader
from anymodal_seg_ros.sim.surfaces import SURFACES
from anymodal_seg_ros.sim.weather import Weather

Float32Array = npt.NDArray[np.float32]
KELVIN = 273.15
COUNTS_PER_K = 100.0
"""Centikelvins, as radiometric cameras count in linear temperature."""
BODY_DEGC = 34.0
ENGINE_HEIGHT_M = 0.8
"""Above so much an engine warms by a third of what it does at the ground."""
SHUTTER_S = 180.0
"""The shutter closes as often and takes the detector's pattern away."""
PATTERN = 3.5
"""Times the noise is the pattern just before that."""
DRIFT_K, DRIFT_S = 0.3, 97.0
"""How far all of the picture sways, in what time."""

_HEAT = np.array([(s.heat.sun_k, s.heat.engine_k, s.heat.body, s.heat.emissivity)
                  for s in SURFACES.values()], np.float32)


def apparent_degc(hits: Hits, shader: Shader, weather: Weather, pixel_rad: float) -> Float32Array:
    """Temperature [N] that the infrared along each ray of ``hits`` is that of.

    ``shader`` is that of ``weather``, ``pixel_rad`` the angle of a pixel.
    """
    seen = np.empty(len(hits.distance), np.float32)
    sky = np.isposinf(hits.distance)
    seen[sky] = _sky_degc(hits.direction[sky], weather)
    rays = np.flatnonzero(~sky)
    met = Met.of(hits, rays, pixel_rad)
    sun_k, engine_k, body, emissivity = _HEAT[hits.surface[met.triangle]].T
    air = np.float32(weather.air_degc)
    own = air + sun_k * np.float32(weather.sun_heat) * shader.absorbed(met)
    runs = met.triangle >= hits.num_static
    own += runs * engine_k * np.exp(-np.maximum(met.points[:, 2], 0) / ENGINE_HEIGHT_M)
    own += body * (BODY_DEGC - air)
    degc = emissivity * own + (1 - emissivity) * _mirrored_degc(met, weather)
    through = np.exp(met.range_m * np.float32(-weather.heat_extinction_per_m))
    seen[rays] = through * degc + (1 - through) * air
    return seen


def counts(degc: Float32Array, pattern: Float32Array, time_s: float, *, netd_k: float,
           blur_px: float, rng: np.random.Generator) -> npt.NDArray[np.uint16]:
    """uint16 [H, W] centikelvins of what is seen, [H, W].

    Args:
        pattern: [H, W] of ``fixed_pattern``.
        time_s: since the drive began, when the shutter had just closed.
        netd_k: standard deviation of the noise (noise-equivalent temperature difference).
        blur_px: standard deviation of the lens's blur.
    """
    if blur_px:
        degc = np.asarray(cv2.GaussianBlur(degc, (0, 0), blur_px), np.float32)
    share = time_s % SHUTTER_S / SHUTTER_S
    noise = rng.standard_normal(degc.shape, dtype=np.float32)
    noise += pattern * np.float32(.4 + (PATTERN - .4) * share)
    drift_k = DRIFT_K * np.sin(2 * np.pi * time_s / DRIFT_S)
    kelvin = degc + noise * np.float32(netd_k) + np.float32(KELVIN + drift_k)
    counted: npt.NDArray[np.uint16] = np.clip(
        np.rint(kelvin * COUNTS_PER_K), 0, 65535).astype(np.uint16)
    return counted


def fixed_pattern(shape_hw: tuple[int, int], rng: np.random.Generator) -> Float32Array:
    """[H, W] of unit spread: each pixel differs, and so does each column's amplifier."""
    pattern = rng.standard_normal(shape_hw, dtype=np.float32)
    pattern += rng.standard_normal((1, shape_hw[1]), dtype=np.float32)
    return pattern * np.float32(np.sqrt(.5))


def _sky_degc(direction: Float32Array, weather: Weather) -> Float32Array:
    """[N] towards the sky: near the horizon there is more air to look through."""
    length = np.sqrt(np.einsum('ij,ij->i', direction, direction))
    haze = (1 - np.maximum(direction[:, 2], 0) / length) ** 4
    sky, air = np.float32(weather.sky_degc), np.float32(weather.air_degc)
    seen: Float32Array = sky + (air - sky) * haze
    return seen


def _mirrored_degc(met: Met, weather: Weather) -> Float32Array:
    """[n] of what a mirror would show: the sky, or what is as warm as the air."""
    along = np.einsum('ij,ij->i', met.direction, met.normal)
    return _sky_degc(met.direction - 2 * along[:, None] * met.normal, weather)
