# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The shapes of what moves or could move: cars, buses, trucks, people. Simulation.

Every figure stands with its centre at the origin of the ground plane and looks along x.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from anymodal_seg_ros.sim.mesh import Color, Mesh, MeshBuilder


def _vivid(rng: np.random.Generator, palette: list[Color], spread: float = 0.25) -> Color:
    base = np.array(palette[int(rng.integers(len(palette)))])
    r, g, b = np.clip(base * rng.uniform(1 - spread, 1 + spread, 3), 0.01, 0.95)
    return float(r), float(g), float(b)


def _car(rng: np.random.Generator) -> Mesh:
    color = _vivid(rng, [(.5, .04, .04), (.05, .08, .35), (.65, .65, .67), (.03, .03, .035),
                         (.30, .31, .33), (.08, .25, .12), (.75, .75, .72)])
    b = MeshBuilder()
    length, width = rng.uniform(3.9, 4.7), rng.uniform(1.75, 1.9)
    tall = rng.uniform(1.4, 1.75)
    b.box('car', (0, 0, .58), (length, width, .62), color, taper=.97)
    b.box('car_glass', (-.25, 0, (.89 + tall - .08) / 2), (length * .62, width * .92, tall - .97),
          taper=.80)
    b.box('car', (-.25, 0, tall - .05), (length * .48, width * .74, .08), color)
    for x in (-length * .31, length * .31):
        for y in (-width / 2 + .08, width / 2 - .08):
            b.box('car_tyre', (x, y, .31), (.64, .24, .62))
    for y in (-width * .36, width * .36):
        b.box('car_lamp', (length / 2, y, .68), (.06, .34, .18))
        b.box('car_tail', (-length / 2, y, .72), (.06, .34, .18))
    return b.build()


def _bus(rng: np.random.Generator) -> Mesh:
    color = _vivid(rng, [(.80, .52, .02), (.70, .05, .04), (.85, .80, .30)], 0.1)
    b = MeshBuilder()
    b.box('bus', (0, 0, .95), (10.5, 2.5, 1.2), color)
    b.box('bus_glass', (0, 0, 2.05), (10.45, 2.46, 1.0))
    b.box('bus', (0, 0, 2.85), (10.5, 2.5, .6), color)
    for x in np.linspace(-5.1, 5.1, 7):
        for y in (-1.22, 1.22):
            b.box('bus', (x, y, 2.05), (.14, .08, 1.0), color)
    for x in (-3.4, 3.2):
        for y in (-1.15, 1.15):
            b.box('bus_tyre', (x, y, .48), (1.0, .26, .96))
    return b.build()


def _truck(rng: np.random.Generator) -> Mesh:
    color = _vivid(rng, [(.78, .79, .80), (.55, .60, .66), (.70, .66, .55)], 0.12)
    cab = _vivid(rng, [(.08, .18, .50), (.05, .30, .30), (.40, .06, .06)])
    b = MeshBuilder()
    b.box('truck', (-1.2, 0, 2.3), (5.6, 2.5, 2.7), color)
    b.box('truck_tyre', (-.4, 0, .8), (7.0, 1.6, .3))
    b.box('truck_cab', (2.85, 0, 1.55), (1.9, 2.35, 2.1), cab, taper=.92)
    b.box('truck_glass', (3.74, 0, 2.0), (.2, 2.0, .8))
    b.box('truck_glass', (3.1, 0, 2.0), (.9, 2.37, .7))
    for x in (-3.2, -1.9, 2.7):
        for y in (-1.1, 1.1):
            b.box('truck_tyre', (x, y, .5), (1.0, .32, 1.0))
    return b.build()


def _pedestrian(rng: np.random.Generator) -> Mesh:
    color = _vivid(rng, [(.55, .05, .30), (.85, .35, .05), (.25, .08, .45), (.7, .65, .6),
                         (.05, .3, .55)])
    b = MeshBuilder()
    scale = rng.uniform(.92, 1.1)
    stride = rng.uniform(.05, .28)
    b.box('trousers', (stride, .12, .43 * scale), (.2, .2, .86 * scale), lean=-stride)
    b.box('trousers', (-stride, -.12, .43 * scale), (.2, .2, .86 * scale), lean=stride)
    b.box('cloth', (0, 0, 1.14 * scale), (.34, .52, .64 * scale), color, taper=.85)
    for y, swing in ((.33, -stride), (-.33, stride)):
        b.box('cloth', (swing, y, 1.1 * scale), (.15, .14, .62 * scale), color, lean=-swing)
    b.blob('skin', (0, 0, 1.62 * scale), (.15, .14, .18))
    return b.build()


def _two_wheeler(rng: np.random.Generator) -> Mesh:
    color = _vivid(rng, [(.05, .55, .20), (.10, .45, .60), (.70, .30, .60)])
    b = MeshBuilder()
    _bicycle(b, rng)
    b.box('rider', (-.05, .12, .80), (.25, .18, .60), color, lean=-.2)
    b.box('rider', (-.05, -.12, .80), (.25, .18, .60), color, lean=-.2)
    b.box('rider', (-.15, 0, 1.32), (.32, .46, .62), color, lean=.22)
    b.box('rider', (.28, 0, 1.28), (.62, .56, .14), color)
    b.blob('helmet', (.12, 0, 1.76), (.19, .17, .19))
    return b.build()


def _bicycle(b: MeshBuilder, rng: np.random.Generator) -> None:
    angle = np.linspace(0, 2 * np.pi, 9)
    for x in (-.58, .58):
        rim = np.stack([x + .36 * np.cos(angle), .36 + .36 * np.sin(angle)], 1)
        n = len(rim)
        vertices = np.zeros((2 * n, 3), np.float32)
        vertices[:n, 0], vertices[:n, 2], vertices[:n, 1] = rim[:, 0], rim[:, 1], -.07
        vertices[n:] = vertices[:n]
        vertices[n:, 1] = .07
        i = np.arange(n - 1)
        quads = np.concatenate([np.stack([i, i + n, i + 1], 1),
                                np.stack([i + 1, i + n, i + n + 1], 1),
                                np.stack([0 * i, i, i + 1], 1),
                                np.stack([0 * i + n, i + n, i + n + 1], 1)])
        b.add('bike', vertices, quads.astype(np.uint32))
    paint = _vivid(rng, [(.5, .05, .05), (.1, .1, .12), (.05, .3, .5)])
    b.box('bike', (0, 0, .62), (1.0, .14, .26), paint)
    b.box('bike', (.52, 0, .82), (.12, .14, .5), paint)
    b.box('bike', (.48, 0, 1.05), (.14, .60, .10), paint)
    b.box('bike', (-.35, 0, .92), (.42, .24, .14))


def _parked_bicycle(rng: np.random.Generator) -> Mesh:
    b = MeshBuilder()
    for k in range(3):
        b.place(.3 * k, .55 * k - .55, 0.0)
        _bicycle(b, rng)
    return b.build()


def _cart(rng: np.random.Generator) -> Mesh:
    color = _vivid(rng, [(.65, .06, .52), (.50, .05, .65), (.80, .20, .60)], .12)
    b = MeshBuilder()
    b.box('cart', (0, 0, .70), (1.5, 1.0, .75), color, taper=1.12)
    b.cylinder('cart', (0, 0, 1.07), .12, .95, color)
    b.cylinder('cart', (0, 0, 1.95), .95, .45, color, num_sides=8, taper=0.0)
    for y in (-.42, .42):
        b.box('cart', (0, y, .22), (.46, .12, .44), (.05, .03, .05))
    return b.build()


def _animal(rng: np.random.Generator) -> Mesh:
    color = _vivid(rng, [(.38, .20, .08), (.60, .50, .38), (.10, .07, .05)])
    b = MeshBuilder()
    b.box('animal', (0, 0, .95), (1.4, .5, .55), color)
    for x in (-.55, .55):
        for y in (-.16, .16):
            b.box('animal', (x, y, .36), (.17, .15, .72), color)
    b.box('animal', (.78, 0, 1.32), (.3, .26, .6), color, lean=.2)
    b.box('animal', (1.05, 0, 1.6), (.55, .28, .28), color)
    return b.build()


FIGURES: Mapping[str, Callable[[np.random.Generator], Mesh]] = {
    'car': _car,
    'bus': _bus,
    'truck': _truck,
    'pedestrian': _pedestrian,
    'two_wheeler': _two_wheeler,
    'bicycles': _parked_bicycle,
    'cart': _cart,
    'animal': _animal,
}
"""Makers of figures by kind; each takes the generator that draws its colour and proportions."""
