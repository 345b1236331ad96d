# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The conditions of DELIVER (sun, cloud, fog, rain, night) as light and as sensor trouble.
Simulation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from anymodal_seg_ros.sim.mesh import Color


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """Light in linear units in which a white wall in the sun has about 1."""

    sun: Color
    ambient: Color
    zenith: Color
    horizon: Color
    cloud_cover: float
    """0..1"""
    extinction_per_m: float
    """Of visible light by fog or rain."""
    shadow: float = 1.0
    """Share of direct light that a shadow takes away."""
    wet: float = 0.0
    """0..1: mirror-like share of the ground."""
    rain: float = 0.0
    """0..1: streaks in the image."""
    lamps: float = 0.0
    """Strength of street lamps, headlights, lit windows."""
    grain: float = 0.008
    """Standard deviation of camera noise, after tone mapping, 0..1."""
    exposure: float = 1.0
    lidar_loss: float = 0.02
    """Share of returns lost anyway."""
    lidar_extinction_per_m: float = 0.002
    depth_loss: float = 0.01
    depth_noise: float = 1.0
    """Factor of the depth camera's noise."""
    event_noise_hz: float = 0.06
    """Noise events per pixel and second."""
    air_degc: float
    sky_degc: float
    """Of the sky above, as long-wave infrared shows it."""
    sun_heat: float
    """Share of a sunny day's heat that is in what stands in the sun, or still is."""
    heat_extinction_per_m: float
    """Of long-wave infrared."""


WEATHERS: Mapping[str, Weather] = {
    'sun': Weather(
        sun=(1.15, 1.05, .88), ambient=(.30, .34, .42), zenith=(.10, .26, .62),
        horizon=(.55, .68, .82), cloud_cover=.25, extinction_per_m=.0012,
        air_degc=22.0, sky_degc=-25.0, sun_heat=1.0, heat_extinction_per_m=.0006),
    'cloud': Weather(
        sun=(.14, .14, .14), ambient=(.50, .52, .55), zenith=(.42, .45, .50),
        horizon=(.62, .64, .66), cloud_cover=.95, extinction_per_m=.003, shadow=.6,
        air_degc=16.0, sky_degc=6.0, sun_heat=.25, heat_extinction_per_m=.0008),
    'fog': Weather(
        sun=(.06, .06, .06), ambient=(.48, .50, .52), zenith=(.55, .57, .58),
        horizon=(.60, .62, .63), cloud_cover=1.0, extinction_per_m=.032, shadow=.3,
        lidar_loss=.08, lidar_extinction_per_m=.012, depth_loss=.04, depth_noise=1.5,
        air_degc=9.0, sky_degc=8.0, sun_heat=.08, heat_extinction_per_m=.014),
    'rain': Weather(
        sun=(.04, .04, .04), ambient=(.24, .26, .29), zenith=(.22, .24, .27),
        horizon=(.34, .36, .38), cloud_cover=1.0, extinction_per_m=.010, shadow=.3, wet=.8,
        rain=1.0, grain=.014, lidar_loss=.10, lidar_extinction_per_m=.006, depth_loss=.05,
        depth_noise=1.6, event_noise_hz=.5,
        air_degc=11.0, sky_degc=7.0, sun_heat=.04, heat_extinction_per_m=.006),
    'night': Weather(
        sun=(.010, .012, .022), ambient=(.014, .017, .030), zenith=(.004, .006, .016),
        horizon=(.022, .020, .026), cloud_cover=.3, extinction_per_m=.002, shadow=.5,
        lamps=1.0, grain=.028, exposure=1.8, event_noise_hz=.35,
        air_degc=7.0, sky_degc=-35.0, sun_heat=.10, heat_extinction_per_m=.0006),
}
"""The conditions, by their folder names in DELIVER."""
