# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A street made from a seed: its course, its ground and everything that stands on it. Simulation.

Along the street counts s in metres, across it y, positive to the left; the ego vehicle keeps to
the right lane.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros import limits
from anymodal_seg_ros.sim.figures import FIGURES
from anymodal_seg_ros.sim.mesh import Mesh, MeshBuilder, merge
from anymodal_seg_ros.sim.roadside import FURNITURE, LOTS, Lot, build_overpass, build_signals

STREET_KINDS = ('straight', 'curve', 'crossing')
Float64Array = npt.NDArray[np.float64]


class CenterLine:
    """A planar curve of given length, sampled each metre, that starts at the origin along x."""

    def __init__(self, length_m: float, kind: str, rng: np.random.Generator) -> None:
        self.length_m = length_m
        self._s = np.arange(0.0, length_m + 1.0)
        curvature = np.zeros(len(self._s))
        position = 0
        while position < len(self._s):
            run = int(rng.uniform(45, 85))
            if kind == 'curve':
                curvature[position:position + run] = rng.choice((-1, 1)) / rng.uniform(55, 110)
            position += run
        kernel = np.hanning(25)
        curvature = np.convolve(curvature, kernel / kernel.sum(), mode='same')
        # Keeps the course from meeting itself: the mean heading stays near that of the x axis.
        heading = np.cumsum(curvature)
        self._heading = 0.9 * np.tanh(heading / 0.9)
        self._x = np.concatenate([[0.0], np.cumsum(np.cos(self._heading[:-1]))])
        self._y = np.concatenate([[0.0], np.cumsum(np.sin(self._heading[:-1]))])

    def pose(self, s_m: float, y_m: float = 0.0) -> tuple[float, float, float]:
        """x, y and heading (metres, radians) at ``s_m`` along and ``y_m`` left of the line."""
        heading = float(np.interp(s_m, self._s, self._heading))
        # Beyond either end the line goes on straight.
        over = s_m - min(max(s_m, 0.0), self.length_m)
        x = float(np.interp(s_m, self._s, self._x)) + over * math.cos(heading)
        y = float(np.interp(s_m, self._s, self._y)) + over * math.sin(heading)
        return x - y_m * math.sin(heading), y + y_m * math.cos(heading), heading

    def offset(self, s_m: Float64Array, y_m: float) -> Float64Array:
        """Points [N, 2] at many ``s_m``."""
        heading = np.interp(s_m, self._s, self._heading)
        x = np.interp(s_m, self._s, self._x) - y_m * np.sin(heading)
        y = np.interp(s_m, self._s, self._y) + y_m * np.cos(heading)
        return np.stack([x, y], 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The cross section: distances from the centre line in metres."""

    lanes: int
    """In each direction."""
    lane_m: float
    parking_m: float
    """Parking lane on the right."""
    tram_m: float
    """Tram tracks on the left; 0 for none."""
    verge_m: float
    """Grass between kerb and pavement; 0 for none."""
    walk_m: float

    @property
    def left_road_m(self) -> float:
        return self.lanes * self.lane_m

    @property
    def right_road_m(self) -> float:
        return self.lanes * self.lane_m + self.parking_m

    def kerb_m(self, side: int) -> float:
        """From the centre line to the kerb; side 1 is left, -1 right."""
        return self.left_road_m + self.tram_m if side > 0 else self.right_road_m

    def lot_m(self, side: int) -> float:
        """From the centre line to the inner edge of the lots."""
        return self.kerb_m(side) + self.verge_m + self.walk_m


class Street:
    """A street of ``length_m`` metres of one of ``STREET_KINDS``; equal for equal arguments.

    Raises:
        ConfigError: unknown kind or absurd length.
    """

    def __init__(self, seed: int, kind: str, length_m: float) -> None:
        limits.one_of('street', kind, STREET_KINDS)
        limits.number('street length_m', length_m, 60.0, 20000.0)
        rng = np.random.default_rng([seed, 101])
        self.kind = kind
        self.length_m = length_m
        self.line = CenterLine(length_m, kind, rng)
        self.profile = _draw_profile(rng)
        self.gaps = _draw_gaps(kind, length_m, rng)
        self.lamps: list[tuple[float, float]] = []
        """Ground positions [x, y] of the street lamps."""
        self._builder = MeshBuilder()
        self._figures: list[Mesh] = []
        self._ground(rng)
        self._lots(rng)
        self._furniture(rng)
        self._structures(rng)
        self._parked(rng)
        self.mesh = merge([self._builder.build(), *self._figures])

    @property
    def ego_y_m(self) -> float:
        """Where the ego vehicle drives: the middle of the innermost right lane."""
        return -self.profile.lane_m / 2

    def _band(self, surface: str, y_left: float, y_right: float, z: float,
              start: float | None = None, end: float | None = None, z_right: float | None = None,
              color: tuple[float, float, float] | None = None) -> None:
        s = np.arange(-60.0 if start is None else start,
                      (self.length_m + 60.0 if end is None else end) + 1e-6, 4.0)
        if start is not None and end is not None:
            s = np.linspace(start, end, max(2, math.ceil((end - start) / 4.0) + 1))
        left = np.array([self.line.pose(v, y_left)[:2] for v in s])
        right = np.array([self.line.pose(v, y_right)[:2] for v in s])
        self._builder.place(0.0, 0.0, 0.0)
        self._builder.strip(surface, left, right, z, z if z_right is None else z_right, color)

    def _ground(self, rng: np.random.Generator) -> None:
        p = self.profile
        b = self._builder
        middle = self.line.pose(self.length_m / 2)
        size = self.length_m + 600.0
        b.place(middle[0], middle[1], 0.0)
        b.box('grass', (0, 0, -.56), (size, size, 1.0))
        self._band('asphalt', p.left_road_m, -p.right_road_m, 0.0)
        if p.tram_m:
            self._tram()
        self._lines()
        for side in (1, -1):
            for start, end in self._stretches():
                self._walkway(side, start, end)
        for gap in self.gaps:
            self._crossing(gap)

    def _stretches(self) -> Iterator[tuple[float, float]]:
        """Pieces of the street between the crossing roads."""
        start = -60.0
        for gap in self.gaps:
            yield start, gap[0]
            start = gap[1]
        yield start, self.length_m + 60.0

    def _walkway(self, side: int, start: float, end: float) -> None:
        p = self.profile
        kerb, lot = p.kerb_m(side), p.lot_m(side)
        self._band('kerb', side * kerb, side * (kerb + .02), 0.0, start, end, z_right=.14)
        self._band('kerb', side * (kerb + .02), side * (kerb + .3), .14, start, end)
        inner = kerb + .3
        if p.verge_m:
            self._band('grass', side * inner, side * (kerb + p.verge_m), .13, start, end)
            inner = kerb + p.verge_m
        self._band('sidewalk', side * inner, side * lot, .14, start, end)

    def _tram(self) -> None:
        p = self.profile
        y = p.left_road_m
        self._band('rail_bed', y + p.tram_m, y, .025)
        for rail in (.55, p.tram_m - .75):
            self._band('rail', y + rail + .2, y + rail, .07)

    def _lines(self) -> None:
        p = self.profile
        edges = [p.left_road_m - .12, -(p.lanes * p.lane_m) + (.1 if p.parking_m else .12)]
        for start, end in self._stretches():
            for y in edges:
                self._band('road_line', y + .14, y - .14, .012, start, end)
            if p.lanes == 2:
                self._band('road_line', .26, .06, .012, start, end)
                self._band('road_line', -.06, -.26, .012, start, end)
            for y in ([0.0] if p.lanes == 1 else [p.lane_m, -p.lane_m]):
                for s in np.arange(start + 1, end - 3.5, 6.0):
                    self._band('road_line', y + .13, y - .13, .012, float(s), float(s) + 3.0)

    def _crossing(self, gap: tuple[float, float]) -> None:
        """A crossing road where the gap is wide, else a zebra crossing."""
        p = self.profile
        width = gap[1] - gap[0]
        x, y, yaw = self.line.pose((gap[0] + gap[1]) / 2)
        b = self._builder
        if width > 5.0:
            for side in (1, -1):
                kerb, far = p.kerb_m(side), 70.0
                b.place(x, y, yaw)
                edge = np.array([[-width / 2, side * kerb], [-width / 2, side * far]])
                b.strip('asphalt', edge, edge * (-1, 1), .004, .004)
                for u in np.arange(kerb + 7.0, far, 6.0):
                    b.box('road_line', (0, side * u, .012), (.26, 3.0, .012))
                b.box('road_line', (-width / 4 * side, side * (kerb + 5.0), .014),
                      (width / 2 - .3, .5, .012))
        zebra = gap[0] - 2.2 if width > 5.0 else (gap[0] + gap[1]) / 2
        zx, zy, zyaw = self.line.pose(zebra)
        b.place(zx, zy, zyaw)
        for u in np.arange(-p.right_road_m + .5, p.left_road_m - .3, 1.1):
            b.box('road_line', (0, u, .012), (3.2, .58, .014))
        b.box('road_line', (-3.4, -p.right_road_m / 2, .012), (.45, p.right_road_m - .3, .014))

    def _free(self, start: float, end: float) -> bool:
        return not any(gap[1] - gap[0] > 5.0 and start < gap[1] + 1 and end > gap[0] - 1
                       for gap in self.gaps)

    def _lots(self, rng: np.random.Generator) -> None:
        for side in (1, -1):
            deck = _deck(rng, {'building': 5, 'wall': 2, 'fence': 3, 'park': 1, 'canal': 3,
                               'plaza': 2, 'yard': 2})
            s = -40.0
            while s < self.length_m + 60.0:
                length = float(rng.uniform(13, 24))
                gap = next((g for g in self.gaps if g[1] - g[0] > 5.0
                            and s < g[1] and s + length > g[0]), None)
                if gap is not None:
                    length = gap[0] - s
                if length > 5.0:
                    kind = next(deck)
                    LOTS[kind](Lot(self._builder, self.line.pose, s, s + length, side,
                                   self.profile.lot_m(side), rng))
                s = s + length if gap is None else gap[1]

    def _furniture(self, rng: np.random.Generator) -> None:
        for side in (1, -1):
            deck = _deck(rng, {'lamp': 3, 'tree': 3, 'sign': 4, 'bin': 1, 'barrier': 2,
                               'column': 1, 'sculpture': 2, 'bench': 1})
            s = -20.0 + float(rng.uniform(0, 6))
            while s < self.length_m + 20.0:
                kind = next(deck)
                y = side * (self.profile.kerb_m(side) + (.75 if kind != 'bench' else 1.0))
                if self._free(s, s):
                    x, y_world, yaw = self.line.pose(s, y)
                    self._builder.place(x, y_world, yaw)
                    FURNITURE[kind](self._builder, side, rng)
                    if kind == 'lamp':
                        self.lamps.append(self.line.pose(s, y - side * 1.6)[:2])
                s += float(rng.uniform(5.5, 9.5))
            self._guard_rails(side, rng)

    def _guard_rails(self, side: int, rng: np.random.Generator) -> None:
        y = side * (self.profile.kerb_m(side) + .22)
        s = float(rng.uniform(-20, 10))
        while s < self.length_m:
            length = float(rng.uniform(14, 28))
            if self._free(s, s + length):
                self._band('guard_rail', y, y + .001, .85, s, s + length, z_right=.40)
                self._band('guard_rail', y - .05, y + .05, .86, s, s + length)
                for post in np.arange(s, s + length, 4.0):
                    x, y_world, yaw = self.line.pose(float(post), y)
                    self._builder.place(x, y_world, yaw)
                    self._builder.box('guard_rail', (0, .04 * side, .35), (.16, .1, .7))
            s += length + float(rng.uniform(20, 50))

    def _structures(self, rng: np.random.Generator) -> None:
        for gap in self.gaps:
            s = gap[0] - 1.0 if gap[1] - gap[0] > 5.0 else gap[0] - .6
            x, y, yaw = self.line.pose(s)
            self._builder.place(x, y, yaw)
            build_signals(self._builder, self.profile.kerb_m(1), self.profile.kerb_m(-1), rng)
        s = float(rng.uniform(35, 75))
        while s < self.length_m + 40:
            if self._free(s - 6, s + 6):
                x, y, yaw = self.line.pose(s)
                self._builder.place(x, y, yaw)
                build_overpass(self._builder, self.profile.lot_m(1), self.profile.lot_m(-1), rng)
            s += float(rng.uniform(65, 110))

    def _parked(self, rng: np.random.Generator) -> None:
        if not self.profile.parking_m:
            return
        deck = _deck(rng, {'car': 5, 'truck': 2, 'bus': 1, 'bicycles': 2, '': 2})
        y = -self.profile.right_road_m + 1.2
        s = -20.0
        while s < self.length_m + 20:
            kind = next(deck)
            length = {'car': 5.6, 'truck': 9.0, 'bus': 12.5, 'bicycles': 3.0, '': 7.0}[kind]
            near_gap = any(s < gap[1] + 2 and s + length > gap[0] - 6 for gap in self.gaps)
            if kind and not near_gap:
                x, y_world, yaw = self.line.pose(s + length / 2, y)
                turned = math.pi if rng.random() < .1 else 0.0
                if kind == 'bicycles':
                    turned = math.pi / 2
                self._figures.append(FIGURES[kind](rng).moved(x, y_world, yaw + turned))
            s += length


def _draw_profile(rng: np.random.Generator) -> Profile:
    tram = rng.random() < 0.65
    return Profile(
        lanes=2 if rng.random() < 0.15 else 1, lane_m=float(rng.uniform(2.9, 3.3)),
        parking_m=2.4 if rng.random() < 0.4 else 0.0, tram_m=3.0 if tram else 0.0,
        verge_m=float(rng.uniform(1.6, 2.4)) if rng.random() < 0.4 else 0.0,
        walk_m=float(rng.uniform(2.0, 2.8)))


def _draw_gaps(kind: str, length_m: float, rng: np.random.Generator) -> list[tuple[float, float]]:
    gaps = []
    s = float(rng.uniform(25, 55))
    while s < length_m + 30:
        wide = kind == 'crossing' or rng.random() < 0.15
        width = float(rng.uniform(7, 10)) if wide and kind != 'curve' else 3.2
        gaps.append((s, s + width))
        s += float(rng.uniform(45, 75))
    return gaps


def _deck(rng: np.random.Generator, counts: Mapping[str, int]) -> Iterator[str]:
    """Names drawn without replacement from a deck that is shuffled anew when it is used up."""
    cards: Sequence[str] = [name for name, count in counts.items() for _ in range(count)]
    while True:
        for index in rng.permutation(len(cards)):
            yield cards[int(index)]
