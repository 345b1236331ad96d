# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Procedural textures, evaluated at hit points. Simulation.

A texture is a factor on the albedo. Details fade out where they are smaller than a pixel, so that
the picture and the events it makes do not flicker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.sim.surfaces import Texture

Array: TypeAlias = npt.NDArray[Any]
"""float32 [N] or [N, 3]"""
_SIZE = 512
_MASK = _SIZE - 1
STOREY_M, WINDOW_M = 3.2, 2.6


@lru_cache(maxsize=1)
def _tables() -> tuple[Array, Array]:
    """White and smooth noise [512 * 512], tileable, in -0.5..0.5."""
    white = np.random.default_rng(7).random((_SIZE, _SIZE), dtype=np.float32) - np.float32(.5)
    smooth = np.zeros_like(white)
    for octave, weight in ((8, 1.0), (4, .6), (2, .35)):
        coarse = white[:_SIZE // octave, :_SIZE // octave]
        wrapped = np.pad(coarse, ((0, 1), (0, 1)), mode='wrap')
        at = np.arange(_SIZE, dtype=np.float32) / octave
        i, f = at.astype(np.intp), (at % 1.0).astype(np.float32)
        f = f * f * (3 - 2 * f)
        rows = wrapped[i] * (1 - f)[:, None] + wrapped[i + 1] * f[:, None]
        smooth += np.float32(weight) * (rows[:, i] * (1 - f) + rows[:, i + 1] * f)
    smooth /= np.float32(2 * np.abs(smooth).max())
    return white.ravel(), smooth.ravel()


def white_noise(u: Array, v: Array) -> Array:
    """One value in -0.5..0.5 for each unit cell."""
    return _tables()[0][_cell(u, v)]


def smooth_noise(u: Array, v: Array) -> Array:
    """Value noise in -0.5..0.5; features are about 8 units large."""
    return _tables()[1][_cell(u, v)]


def _cell(u: Array, v: Array) -> npt.NDArray[np.int32]:
    column = (u + np.float32(65536)).astype(np.int32) & _MASK
    row = (v + np.float32(65536)).astype(np.int32) & _MASK
    return (row << 9) | column


def _fade(size_m: float, footprint_m: Array) -> Array:
    return np.minimum(np.float32(size_m * .6) / footprint_m, np.float32(1))


def _fraction(values: Array) -> Array:
    return values - np.floor(values)


def along_wall(p: Array, n: Array) -> Array:
    """Horizontal coordinate of points [N, 3] on walls with normals [N, 3], metres."""
    u: Array = n[:, 0] * p[:, 1] - n[:, 1] * p[:, 0]
    return u


def _asphalt(p: Array, n: Array, w: Array) -> Array:
    x, y = p[:, 0], p[:, 1]
    return (1 + .30 * _fade(.08, w) * white_noise(x / .08, y / .08)
            + .35 * smooth_noise(x / .12, y / .12))


def _paving(p: Array, n: Array, w: Array) -> Array:
    x, y = p[:, 0] / .6, p[:, 1] / .6
    joint = (_fraction(x) < .1) | (_fraction(y) < .1)
    tone = .5 * _fade(.6, w) * white_noise(x, y)
    return 1 + tone - .45 * _fade(.25, w) * joint


def _grass(p: Array, n: Array, w: Array) -> Array:
    x, y = p[:, 0], p[:, 1]
    return (1 + .9 * _fade(.12, w) * white_noise(x / .12, y / .12)
            + .9 * smooth_noise(x / .2, y / .2))


def _facade(p: Array, n: Array, w: Array) -> Array:
    u = along_wall(p, n)
    return 1 + .25 * smooth_noise(u / .3, p[:, 2] / .3)


def facade_windows(p: Array, n: Array, w: Array) -> tuple[Array, Array]:
    """Share of glass in each pixel, 0..1, and a noise value for each window, -0.5..0.5."""
    u, z = along_wall(p, n) / WINDOW_M, p[:, 2] / STOREY_M
    fu, fz = _fraction(u), _fraction(z)
    inside = (fu > .22) & (fu < .74) & (fz > .28) & (fz < .80) & (np.abs(n[:, 2]) < .5)
    sharp = _fade(.8, w)
    glass = inside * sharp + (1 - sharp) * np.float32(.27) * (np.abs(n[:, 2]) < .5)
    return glass, white_noise(np.floor(u) + 37 * np.round(n[:, 0] * 3), np.floor(z))


def _brick(p: Array, n: Array, w: Array) -> Array:
    u, z = along_wall(p, n) / .6, p[:, 2] / .24
    row = np.floor(z)
    u = u + .5 * row
    joint = (_fraction(u) < .08) | (_fraction(z) < .16)
    return 1 + .6 * _fade(.3, w) * white_noise(u, row) + .5 * _fade(.15, w) * joint


def _leaves(p: Array, n: Array, w: Array) -> Array:
    u, v = p[:, 0] + .53 * p[:, 2], p[:, 1] + .71 * p[:, 2]
    return (1 + 1.5 * _fade(.2, w) * white_noise(u / .2, v / .2)
            + .9 * smooth_noise(u / .1, v / .1))


def _water(p: Array, n: Array, w: Array) -> Array:
    x, y = p[:, 0], p[:, 1]
    return 1 + 1.1 * _fade(.4, w) * smooth_noise(x / .12, y / .05)


def _hazard(p: Array, n: Array, w: Array) -> Array:
    stripe = _fraction((p[:, 0] + p[:, 1] + p[:, 2]) / .55) < .5
    factor: Array = 1 + _fade(.4, w) * (np.float32(1.2) * stripe - .5)
    return factor


def _gravel(p: Array, n: Array, w: Array) -> Array:
    x, y = p[:, 0], p[:, 1]
    return (1 + 1.3 * _fade(.14, w) * white_noise(x / .14, y / .14)
            + .4 * smooth_noise(x / .2, y / .2))


def _planks(p: Array, n: Array, w: Array) -> Array:
    u = along_wall(p, n) / .28
    gap = _fraction(u) < .16
    return 1 + .5 * _fade(.28, w) * white_noise(u, u * 0) - .65 * _fade(.12, w) * gap


def _worn(p: Array, n: Array, w: Array) -> Array:
    x, y = p[:, 0], p[:, 1]
    return 1 + .25 * _fade(.1, w) * white_noise(x / .1, y / .1) + .5 * smooth_noise(x / .1, y / .1)


def _concrete(p: Array, n: Array, w: Array) -> Array:
    u, v = p[:, 0] + .31 * p[:, 2], p[:, 1] + .83 * p[:, 2]
    return (1 + .35 * smooth_noise(u / .25, v / .25)
            + .15 * _fade(.1, w) * white_noise(u / .1, v / .1))


def _checker(p: Array, n: Array, w: Array) -> Array:
    x, y = np.floor(p[:, 0] / .9), np.floor(p[:, 1] / .9)
    dark = ((x + y) % 2) < .5
    return 1 + _fade(.6, w) * (np.float32(.3) - .6 * dark + .2 * white_noise(x, y))


TEXTURES: Mapping[int, Callable[[Array, Array, Array], Array]] = {
    Texture.ASPHALT: _asphalt,
    Texture.PAVING: _paving,
    Texture.GRASS: _grass,
    Texture.FACADE: _facade,
    Texture.BRICK: _brick,
    Texture.LEAVES: _leaves,
    Texture.WATER: _water,
    Texture.HAZARD: _hazard,
    Texture.GRAVEL: _gravel,
    Texture.PLANKS: _planks,
    Texture.WORN: _worn,
    Texture.CONCRETE: _concrete,
    Texture.CHECKER: _checker,
}
"""Albedo factor [N] from points [N, 3], normals [N, 3] and pixel footprints [N] in metres."""
