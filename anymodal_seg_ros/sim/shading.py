# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From hits to light: sun, sky, shadows, lamps, fog. Simulation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.sim.scene import Caster, Hits
from anymodal_seg_ros.sim.street import Street
from anymodal_seg_ros.sim.surfaces import Texture
from anymodal_seg_ros.sim.textures import TEXTURES, facade_windows, smooth_noise
from anymodal_seg_ros.sim.weather import Weather

Float32Array = npt.NDArray[np.float32]
Headlight: TypeAlias = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
_PIECE = 16384
_WINDOW_LIGHT = np.array([1.0, .72, .38], np.float32)
_LAMP_LIGHT = np.array([1.0, .78, .50], np.float32)
_HEAD_LIGHT = np.array([1.0, .97, .90], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class GroundMap:
    """A value for each cell of a horizontal grid."""

    origin_xy: tuple[float, float]
    cell_m: float
    values: Float32Array
    """[rows along y, columns along x]"""

    def at(self, points: Float32Array) -> Float32Array:
        """Values [N] at points [N, 3]; those of the border beyond it."""
        rows, columns = self.values.shape
        column = (points[:, 0] - np.float32(self.origin_xy[0])) * np.float32(1 / self.cell_m)
        row = (points[:, 1] - np.float32(self.origin_xy[1])) * np.float32(1 / self.cell_m)
        np.clip(column, 0, columns - 1, out=column)
        np.clip(row, 0, rows - 1, out=row)
        index = row.astype(np.int32) * np.int32(columns) + column.astype(np.int32)
        found: Float32Array = self.values.ravel()[index]
        return found


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Met:
    """What n rays met, all of which met something."""

    direction: Float32Array
    """[n, 3], not necessarily of unit length."""
    triangle: npt.NDArray[np.int32]
    normal: Float32Array
    """[n, 3]"""
    points: Float32Array
    """[n, 3]"""
    range_m: Float32Array
    facing: Float32Array
    """Cosine between ray and normal, 0..1."""
    footprint: Float32Array
    """Metres of the surface that one pixel covers."""
    texture: npt.NDArray[np.uint8]
    optics: Float32Array
    """[n, 5] as in ``Hits``."""

    @classmethod
    def of(cls, hits: Hits, met: npt.NDArray[np.intp] | slice, pixel_rad: float) -> Met:
        """The rays ``met`` of ``hits``; ``pixel_rad`` is the angle of a pixel."""
        direction, triangle = hits.direction[met], hits.triangle[met]
        normal = hits.normal[met]
        distance = hits.distance[met]
        points = direction * distance[:, None]
        points += hits.origin
        length = np.sqrt(np.einsum('ij,ij->i', direction, direction))
        range_m = distance * length
        facing = np.abs(np.einsum('ij,ij->i', normal, direction)) / length
        footprint = range_m * np.float32(pixel_rad) / np.sqrt(np.maximum(facing, .04)) + .001
        return cls(direction=direction, triangle=triangle, normal=normal, points=points,
                   range_m=range_m, facing=facing, footprint=footprint,
                   texture=hits.texture.take(triangle), optics=hits.optics.take(triangle, axis=0))


class Shader:
    """Light from a street in one weather; the same for all cameras."""

    def __init__(self, street: Street, caster: Caster, weather: Weather,
                 rng: np.random.Generator) -> None:
        self._weather = weather
        azimuth = rng.uniform(-math.pi, math.pi)
        elevation = math.radians(rng.uniform(28, 60))
        self._sun = np.array([math.cos(elevation) * math.cos(azimuth),
                              math.cos(elevation) * math.sin(azimuth), math.sin(elevation)],
                             np.float32)
        self._cloud_shift = rng.uniform(0, 512, 2).astype(np.float32)
        xy = np.array([street.line.pose(s)[:2]
                       for s in np.arange(-20.0, street.length_m + 100.0, 10.0)])
        low, high = xy.min(axis=0) - 22.0, xy.max(axis=0) + 22.0
        area = float(np.prod(high - low))
        cell = max(.3, math.sqrt(area / 600_000.0))
        columns, rows = (np.ceil((high - low) / cell).astype(int)).tolist()
        self._grid = (float(low[0]), float(low[1])), cell, rows, columns
        self._shadow = self._cast_shadow(caster)
        self._lamp_map = self._light_lamps(street) if weather.lamps else None

    def radiance(self, hits: Hits, pixel_rad: float,
                 headlight: Headlight) -> Float32Array:
        """Linear RGB [N, 3] along each ray of ``hits``.

        ``pixel_rad`` is the angle of a pixel, ``headlight`` place and unit direction of the ego
        vehicle's lamps.
        """
        color = np.empty((len(hits.distance), 3), np.float32)
        sky = np.isposinf(hits.distance)
        # In pieces that fit the processor's cache, which halves the time.
        for start in range(0, len(sky), _PIECE):
            piece = slice(start, min(start + _PIECE, len(sky)))
            above = np.flatnonzero(sky[piece]) + start
            if len(above):
                color[above] = self._sky(hits.direction[above])
            if len(above) == piece.stop - start:
                continue
            met = np.flatnonzero(~sky[piece]) + start if len(above) else piece
            color[met] = self._reflected(Met.of(hits, met, pixel_rad), headlight)
        return color

    def absorbed(self, met: Met) -> Float32Array:
        """Share [n] of full sun that each surface takes up where it is, a third of which comes
        from the sky, in the shade too; dark ones take up more."""
        albedo, _ = self._surface(met)
        light: Float32Array = np.float32(.33) + np.float32(.67) * self._direct(met)
        light *= np.maximum(1 - albedo @ np.array([.30, .59, .11], np.float32), 0)
        return light

    def _reflected(self, met: Met, headlight: Headlight) -> Float32Array:
        """Light [n, 3] along the rays of ``met``."""
        weather = self._weather
        normal, facing, optics = met.normal, met.facing, met.optics
        albedo, glow = self._surface(met)
        lit = albedo * self._light(met, headlight)
        if weather.lamps:
            lit += optics[:, 4:] * optics[:, :3] * np.float32(weather.lamps) + glow
        else:
            lit += optics[:, 4:] * optics[:, :3] * np.float32(.4)
        if weather.wet:
            sheen = np.where(normal[:, 2] > .8, (1 - facing) ** 3 * np.float32(weather.wet), 0)
            lit += sheen[:, None] * np.asarray(weather.horizon, np.float32)
        through = np.exp(met.range_m * np.float32(-weather.extinction_per_m))[:, None]
        lit *= through
        lit += np.asarray(weather.horizon, np.float32) * (1 - through)
        return lit

    def _surface(self, met: Met) -> tuple[Float32Array, Float32Array]:
        """Albedo and light of windows, [n, 3] each."""
        factor = np.ones(len(met.texture), np.float32)
        albedo = met.optics[:, :3].copy()
        glow = np.zeros_like(albedo)
        for kind, function in TEXTURES.items():
            where = np.flatnonzero(met.texture == kind)
            if not len(where):
                continue
            p, n = met.points.take(where, axis=0), met.normal.take(where, axis=0)
            w = met.footprint.take(where)
            factor[where] = function(p, n, w)
            if kind == Texture.FACADE:
                glass, tone = facade_windows(p, n, w)
                pane = np.array([.06, .08, .11], np.float32) * (1 + tone[:, None])
                albedo[where] += glass[:, None] * (pane - albedo[where])
                if self._weather.lamps:
                    lit = glass * np.maximum(tone - .1, 0) * np.float32(1.6 * self._weather.lamps)
                    glow[where] = lit[:, None] * _WINDOW_LIGHT
        albedo *= np.maximum(factor, .1)[:, None]
        return albedo, glow

    def _direct(self, met: Met) -> Float32Array:
        """Share [n] of the sun's light on what was met: its attitude, and shadows."""
        direct: Float32Array = np.maximum(met.normal @ self._sun, 0)
        ground = np.flatnonzero((met.normal[:, 2] > .8) & (met.points[:, 2] < .5))
        direct[ground] *= 1 - np.float32(self._weather.shadow) * self._shadow.at(
            met.points[ground])
        return direct

    def _light(self, met: Met, headlight: Headlight) -> Float32Array:
        weather, points, normal = self._weather, met.points, met.normal
        direct = self._direct(met)
        sky = np.float32(.65) + np.float32(.35) * normal[:, 2]
        light: Float32Array = (direct[:, None] * np.asarray(weather.sun, np.float32)
                 + sky[:, None] * np.asarray(weather.ambient, np.float32))
        if self._lamp_map is not None:
            lamp = self._lamp_map.at(points) * np.float32(.55 * weather.lamps)
            light += lamp[:, None] * _LAMP_LIGHT
            ray = points - headlight[0].astype(np.float32)
            distance = np.sqrt(np.einsum('ij,ij->i', ray, ray)) + np.float32(.1)
            ahead = np.maximum(ray @ headlight[1].astype(np.float32) / distance, 0)
            facing = np.abs(np.einsum('ij,ij->i', ray, normal)) / distance
            beam = ahead ** 12 * (.25 + .75 * facing) / (1 + (distance / 9) ** 2)
            light += (beam * np.float32(2.2 * weather.lamps))[:, None] * _HEAD_LIGHT
        return light

    def _sky(self, direction: Float32Array) -> Float32Array:
        weather = self._weather
        unit = direction / np.sqrt(np.einsum('ij,ij->i', direction, direction))[:, None]
        up = np.maximum(unit[:, 2], 0)
        zenith = np.asarray(weather.zenith, np.float32)
        horizon = np.asarray(weather.horizon, np.float32)
        color: Float32Array = horizon + np.sqrt(up)[:, None] * (zenith - horizon)
        plane = unit[:, :2] / (up + np.float32(.12))[:, None] * 22 + self._cloud_shift
        density = smooth_noise(plane[:, 0], plane[:, 1]) + np.float32(weather.cloud_cover - .5)
        cloud = np.clip(density * 3 + .2, 0, 1) * np.minimum(up * 6, 1)
        bright = np.asarray(weather.horizon, np.float32) * np.float32(1.15)
        shade = bright * (1 + .5 * smooth_noise(plane[:, 0] * 2, plane[:, 1] * 2))[:, None]
        color += cloud[:, None] * (shade - color)
        glow = np.maximum(unit @ self._sun, 0) ** 64 * (1 - cloud)
        color += glow[:, None] * np.asarray(weather.sun, np.float32)
        return color

    def _cast_shadow(self, caster: Caster) -> GroundMap:
        origin, cell, rows, columns = self._grid
        centers = np.zeros((rows, columns, 3), np.float32)
        centers[..., 0] = origin[0] + (np.arange(columns) + .5) * cell
        centers[..., 1] = (origin[1] + (np.arange(rows) + .5) * cell)[:, None]
        centers[..., 2] = .2
        blocked = caster.occluded(centers.reshape(-1, 3), self._sun)
        return GroundMap(origin, cell, blocked.reshape(rows, columns).astype(np.float32))

    def _light_lamps(self, street: Street) -> GroundMap:
        origin, cell, rows, columns = self._grid
        values = np.zeros((rows, columns), np.float32)
        reach = int(18 / cell)
        for x, y in street.lamps:
            column, row = int((x - origin[0]) / cell), int((y - origin[1]) / cell)
            r0, r1 = max(row - reach, 0), min(row + reach, rows)
            c0, c1 = max(column - reach, 0), min(column + reach, columns)
            if r0 >= r1 or c0 >= c1:
                continue
            dy = (np.arange(r0, r1) - row)[:, None] * cell
            dx = (np.arange(c0, c1) - column)[None, :] * cell
            values[r0:r1, c0:c1] += (1 / (1 + (dx * dx + dy * dy) / 20.0) ** 2).astype(np.float32)
        return GroundMap(origin, cell, values)
