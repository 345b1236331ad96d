# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What stands beside the road: buildings, parks, canals, signs, signals, bridges. Simulation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from anymodal_seg_ros.sim.mesh import Color, MeshBuilder

GROUND_Z_M = 0.14
_FACADES: tuple[Color, ...] = (
    (.52, .42, .33), (.60, .30, .22), (.48, .48, .50), (.66, .60, .48), (.35, .38, .45),
    (.58, .46, .20), (.42, .30, .30), (.70, .68, .64))


@dataclass(frozen=True, slots=True)
class Lot:
    """A piece of land beside the walkway from ``start_m`` to ``end_m`` along the street.

    ``side`` is 1 on the left, -1 on the right; ``edge_m`` its distance from the centre line.
    """

    builder: MeshBuilder
    pose: Callable[[float, float], tuple[float, float, float]]
    start_m: float
    end_m: float
    side: int
    edge_m: float
    rng: np.random.Generator

    @property
    def length_m(self) -> float:
        return self.end_m - self.start_m

    def enter(self) -> MeshBuilder:
        """The builder, set to this lot's frame: x along the street from the lot's middle, y
        across it from the lot's edge, multiplied by ``side`` to go away from the road."""
        s = (self.start_m + self.end_m) / 2
        self.builder.place(*self.pose(s, self.side * self.edge_m))
        return self.builder

    def floor(self, surface: str, depth_m: float, z: float = GROUND_Z_M) -> None:
        b = self.enter()
        b.box(surface, (0, self.side * depth_m / 2, z - .1), (self.length_m + .6, depth_m, .2))


def _house(lot: Lot, setback_m: float, height_m: float) -> None:
    b, rng, side = lot.enter(), lot.rng, lot.side
    color = _tint(rng, _FACADES[int(rng.integers(len(_FACADES)))])
    depth, length = float(rng.uniform(9, 14)), lot.length_m - float(rng.uniform(0, 1.5))
    y = side * (setback_m + depth / 2)
    b.box('facade', (0, y, height_m / 2), (length, depth, height_m), color)
    b.box('plinth', (0, y, .55), (length + .2, depth + .2, 1.1))
    if rng.random() < 0.5:
        b.box('roof', (0, y, height_m + .2), (length + .8, depth + .8, .4))
    else:
        b.box('roof', (0, y, height_m + 1.3), (length + .8, depth + .8, 2.6), taper=.45)
    for x in np.arange(-length / 2 + 2.5, length / 2 - 2, 7.0):
        b.box('roof', (x, y - side * (depth / 2 + .35), 2.95), (3.2, .7, .16))


def _tint(rng: np.random.Generator, color: Color) -> Color:
    r, g, b = np.clip(np.array(color) * rng.uniform(.82, 1.18, 3), .02, .95)
    return float(r), float(g), float(b)


def _building(lot: Lot) -> None:
    lot.floor('sidewalk', 1.6)
    _house(lot, float(lot.rng.uniform(0, 1.2)), float(lot.rng.uniform(7, 22)))


def _wall(lot: Lot) -> None:
    height = float(lot.rng.uniform(2.0, 3.0))
    b = lot.enter()
    color = _tint(lot.rng, (.55, .27, .18))
    b.box('wall', (0, lot.side * .35, height / 2), (lot.length_m + .3, .4, height), color)
    b.box('wall', (0, lot.side * .35, height + .06), (lot.length_m + .3, .6, .12),
          (.5, .4, .35))
    if lot.rng.random() < 0.5:
        _house(lot, 9.0, float(lot.rng.uniform(6, 12)))
    else:
        _trees(lot, 4, 2.5, 9.0)


def _fence(lot: Lot) -> None:
    height = float(lot.rng.uniform(1.3, 1.8))
    b = lot.enter()
    color = _tint(lot.rng, (.34, .21, .10) if lot.rng.random() < .6 else (.55, .55, .50))
    b.box('fence', (0, lot.side * .3, height / 2), (lot.length_m + .3, .12, height), color)
    for x in np.arange(-lot.length_m / 2, lot.length_m / 2, 2.4):
        b.box('fence', (x, lot.side * .3, height / 2 + .1), (.2, .26, height + .2), color)
    if lot.rng.random() < 0.6:
        _house(lot, 8.0, float(lot.rng.uniform(5, 9)))
    _trees(lot, 2, 2.0, 6.5)


def _park(lot: Lot) -> None:
    lot.floor('grass', 26.0)
    b = lot.enter()
    for _ in range(3):
        x = float(lot.rng.uniform(-.45, .45)) * lot.length_m
        b.blob('hedge', (x, lot.side * float(lot.rng.uniform(1.5, 4)), .5), (1.5, .9, 1.0),
               lot.rng)
    _trees(lot, 5, 3.0, 20.0)


def _canal(lot: Lot) -> None:
    b = lot.enter()
    b.box('water', (0, lot.side * 8.0, GROUND_Z_M - .2), (lot.length_m + .3, 16.0, .3))
    b.box('plinth_other', (0, lot.side * 16.2, .4), (lot.length_m + .3, .5, .8))
    if lot.rng.random() < 0.6:
        _house(lot, 17.0, float(lot.rng.uniform(6, 14)))
    else:
        _trees(lot, 4, 18.0, 24.0)


def _plaza(lot: Lot) -> None:
    lot.floor('plaza', 18.0)
    b, rng, side = lot.enter(), lot.rng, lot.side
    b.cylinder('plinth_other', (0, side * 5.0, 0), 1.5, .9, num_sides=8)
    _statue(b, 0, side * 5.0, .9, rng)
    for x in (-.35, .32):
        b.box('bench', (x * lot.length_m, side * 2.2, .45), (2.4, .7, .5))
        b.box('bench', (x * lot.length_m, side * 2.5, .85), (2.4, .15, .6))
    b.box('bin', (.12 * lot.length_m, side * 1.4, .6), (.9, .8, 1.1))
    if rng.random() < 0.7:
        _house(lot, 18.0, float(rng.uniform(8, 16)))


def _yard(lot: Lot) -> None:
    lot.floor('plaza', 14.0)
    b, rng, side = lot.enter(), lot.rng, lot.side
    for x in np.arange(-.4, .41, .2):
        kind = 'bin' if rng.random() < .5 else 'barrier'
        b.box(kind, (x * lot.length_m, side * float(rng.uniform(1.4, 4.0)), .65),
              (1.3, 1.0, float(rng.uniform(1.0, 1.5))))
    _house(lot, 12.0, float(rng.uniform(5, 8)))


def _trees(lot: Lot, count: int, near_m: float, far_m: float) -> None:
    b = lot.enter()
    for _ in range(count):
        x = float(lot.rng.uniform(-.48, .48)) * lot.length_m
        _crown(b, x, lot.side * float(lot.rng.uniform(near_m, far_m)), lot.rng)


def _crown(b: MeshBuilder, x: float, y: float, rng: np.random.Generator,
           slim: float = 1.0) -> None:
    height = float(rng.uniform(2.2, 3.2))
    size = float(rng.uniform(1.3, 2.1)) * slim
    color = _tint(rng, (.075, .17, .035) if rng.random() < .8 else (.20, .15, .03))
    b.cylinder('trunk', (x, y, 0), .22, height + .5)
    if rng.random() < .25:
        b.cylinder('leaves', (x, y, 1.4), size, size * 3.2, color, num_sides=8, taper=0.0)
        return
    b.blob('leaves', (x, y, height + size * .8), (size, size, size * 1.1), rng, color)


def _statue(b: MeshBuilder, x: float, y: float, z: float, rng: np.random.Generator) -> None:
    color = _tint(rng, (.75, .62, .10) if rng.random() < .6 else (.10, .60, .55))
    shape = rng.random()
    if shape < .4:
        b.blob('sculpture', (x, y, z + .95), (.95, .95, .95), color=color)
    elif shape < .7:
        b.cylinder('sculpture', (x, y, z), .95, 2.4, color, num_sides=4, taper=0.0)
    else:
        b.cylinder('sculpture', (x, y, z), .35, 1.0, color)
        b.blob('sculpture', (x, y, z + 1.5), (.8, .8, .7), color=color)


def _lamp(b: MeshBuilder, side: int, rng: np.random.Generator) -> None:
    b.cylinder('pole', (0, 0, 0), .17, 6.2, num_sides=6, taper=.8)
    b.box('pole', (0, -side * .9, 6.15), (.22, 1.9, .2))
    b.box('lamp', (0, -side * 1.7, 6.05), (.45, .8, .16))


def _tree(b: MeshBuilder, side: int, rng: np.random.Generator) -> None:
    _crown(b, 0, side * .15, rng, slim=.85)


def _sign(b: MeshBuilder, side: int, rng: np.random.Generator) -> None:
    b.cylinder('pole', (0, 0, 0), .13, 3.3, num_sides=5)
    kind = ('sign_blue', 'sign_red', 'sign_yellow', 'sign_white')[int(rng.integers(4))]
    inner = 'sign_white' if kind != 'sign_white' else 'sign_red'
    if rng.random() < 0.5:
        b.box(kind, (-.16, 0, 2.75), (.07, 1.05, 1.05))
        b.box(inner, (-.21, 0, 2.75), (.03, .62, .3))
    else:
        n = int(rng.choice((3, 8, 8)))
        angle = np.arange(n) * 2 * np.pi / n + np.pi / 2
        for surface, radius, x in ((kind, .62, -.16), (inner, .34, -.20)):
            rim = np.stack([np.full(n, x), radius * np.cos(angle), 2.75 + radius * np.sin(angle)],
                           1).astype(np.float32)
            i = np.arange(1, n - 1)
            b.add(surface, rim, np.stack([0 * i, i, i + 1], 1).astype(np.uint32))
    if rng.random() < .4:
        b.box(kind, (-.16, 0, 1.9), (.07, .8, .4))


def _bin(b: MeshBuilder, side: int, rng: np.random.Generator) -> None:
    color = _tint(rng, (.04, .33, .28))
    b.box('bin', (0, side * .1, .65), (1.4, .9, 1.3), color, taper=1.08)
    b.box('bin', (1.6, side * .1, .6), (1.2, .9, 1.2), _tint(rng, (.08, .28, .40)), taper=1.08)


def _bench(b: MeshBuilder, side: int, rng: np.random.Generator) -> None:
    b.box('bench', (0, 0, .42), (2.4, .7, .46))
    b.box('bench', (0, side * .3, .85), (2.4, .14, .6))


def _barrier(b: MeshBuilder, side: int, rng: np.random.Generator) -> None:
    for x in (0.0, 2.1):
        b.box('barrier', (x, 0, .55), (1.9, .55, 1.1), taper=.6)


def _column(b: MeshBuilder, side: int, rng: np.random.Generator) -> None:
    color = _tint(rng, (.70, .55, .12))
    b.cylinder('plinth_other', (0, side * .3, 0), .85, .6, num_sides=8)
    b.cylinder('sculpture', (0, side * .3, .6), .75, 2.3, color, num_sides=8)
    b.cylinder('sculpture', (0, side * .3, 2.9), .95, .7, color, num_sides=8, taper=.1)


def _sculpture(b: MeshBuilder, side: int, rng: np.random.Generator) -> None:
    b.box('plinth_other', (0, side * .4, .4), (1.3, 1.3, .8))
    _statue(b, 0, side * .4, .8, rng)


def build_signals(b: MeshBuilder, left_m: float, right_m: float,
                  rng: np.random.Generator) -> None:
    """Traffic lights at both kerbs and above the right lane, facing back along the street."""
    state = int(rng.integers(2))
    for y in (left_m + .7, -right_m - .7):
        b.cylinder('pole', (0, y, 0), .17, 5.9, num_sides=6)
        _head(b, -.35, y, 3.0, state)
    b.box('pole', (0, (-right_m - .7 - 1.6) / 2, 5.8), (.22, right_m + .7 - 1.6, .22))
    _head(b, -.25, -1.7, 5.0, state)


def _head(b: MeshBuilder, x: float, y: float, z: float, state: int) -> None:
    b.box('signal_frame', (x + .06, y, z), (.10, .95, 1.75))
    b.box('signal', (x - .12, y, z), (.30, .62, 1.45))
    b.box('signal_red' if state else 'signal', (x - .29, y, z + .45), (.06, .40, .40))
    b.box('signal_green' if not state else 'signal', (x - .29, y, z - .45), (.06, .40, .40))


def build_overpass(b: MeshBuilder, left_m: float, right_m: float,
                   rng: np.random.Generator) -> None:
    """A foot bridge over the road, from beyond one walkway to beyond the other."""
    z, width = float(rng.uniform(4.8, 5.6)), float(rng.uniform(3.0, 6.0))
    span, middle = left_m + right_m + 8.0, (left_m - right_m) / 2
    color = _tint(rng, (.47, .44, .37))
    b.box('bridge', (0, middle, z + .5), (width, span, 1.0), color)
    for x in (-width / 2, width / 2):
        b.box('bridge_rail', (x, middle, z + 1.5), (.16, span, 1.1), _tint(rng, (.10, .30, .26)))
    for y in (left_m - .9, -right_m + .9):
        b.box('bridge', (0, y, z / 2), (1.3, 1.1, z), color)
    for y in (left_m + 2.6, -right_m - 2.6):
        b.box('bridge', (0, y, z / 2), (width, 2.4, z), color)


LOTS: Mapping[str, Callable[[Lot], None]] = {
    'building': _building,
    'wall': _wall,
    'fence': _fence,
    'park': _park,
    'canal': _canal,
    'plaza': _plaza,
    'yard': _yard,
}
"""What can fill the land beside the walkway, by name."""

FURNITURE: Mapping[str, Callable[[MeshBuilder, int, np.random.Generator], None]] = {
    'lamp': _lamp,
    'tree': _tree,
    'sign': _sign,
    'bin': _bin,
    'bench': _bench,
    'barrier': _barrier,
    'column': _column,
    'sculpture': _sculpture,
}
"""What can stand along the kerb, by name; takes the builder, the side and a generator."""
