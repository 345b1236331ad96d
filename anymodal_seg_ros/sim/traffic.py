# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Who moves through the street, and where they are at a time. Simulation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from anymodal_seg_ros.sim.figures import FIGURES
from anymodal_seg_ros.sim.mesh import Mesh, merge
from anymodal_seg_ros.sim.street import Street

_BEHIND_M = 30.0
_WINDOW_M = 125.0


@dataclass(frozen=True, slots=True, eq=False)
class Actor:
    """A figure on a course parallel to the street.

    It leaves the stretch around the ego vehicle at one end and enters at the other, so that
    there is always traffic to see.
    """

    mesh: Mesh
    offset_m: float
    """Place in the stretch at time zero."""
    y_m: float
    speed_m_s: float
    """Along the street; negative comes towards the ego vehicle."""

    def ahead_m(self, t_s: float, ego_speed_m_s: float) -> float:
        """Metres ahead of the ego vehicle."""
        travelled = (self.speed_m_s - ego_speed_m_s) * t_s
        return (self.offset_m + travelled) % _WINDOW_M - _BEHIND_M


class Traffic:
    """All actors of a street."""

    def __init__(self, street: Street, seed: int, ego_speed_m_s: float) -> None:
        rng = np.random.default_rng([seed, 202])
        self._street = street
        self._ego_speed_m_s = ego_speed_m_s
        self.actors = tuple(_cast(street, rng, ego_speed_m_s))

    def mesh(self, t_s: float, ego_s_m: float) -> Mesh:
        """Everyone at time ``t_s``, when the ego vehicle is at ``ego_s_m`` along the street."""
        return merge([self._placed(actor, t_s, ego_s_m) for actor in self.actors])

    def _placed(self, actor: Actor, t_s: float, ego_s_m: float) -> Mesh:
        s = ego_s_m + actor.ahead_m(t_s, self._ego_speed_m_s)
        x, y, yaw = self._street.line.pose(s, actor.y_m)
        return actor.mesh.moved(x, y, yaw + (math.pi if actor.speed_m_s < 0 else 0.0))


def _cast(street: Street, rng: np.random.Generator, ego_speed: float) -> list[Actor]:
    p = street.profile
    actors = []

    def enter(kind: str, ahead: float, y: float, speed: float) -> None:
        actors.append(Actor(FIGURES[kind](rng), ahead + _BEHIND_M, y, speed))

    ahead = float(rng.uniform(12, 26))
    enter(_vehicle(rng), ahead, street.ego_y_m, ego_speed)
    enter(_vehicle(rng), ahead + float(rng.uniform(14, 25)), street.ego_y_m, ego_speed)
    for lane in range(p.lanes):
        y = p.lane_m * (lane + .5)
        _lane(enter, rng, y, -ego_speed * (.9 + .2 * lane))
        if lane:
            _lane(enter, rng, -y, ego_speed * .75)
    edge = p.lanes * p.lane_m - .75
    for y, speed in ((-edge, 3.5), (edge, -4.0)):
        if p.lanes == 2 or y > 0:
            continue
        enter('two_wheeler', float(rng.uniform(6, 90)), y, speed)
    for side in (1, -1):
        walk = p.kerb_m(side) + p.verge_m
        for _ in range(8):
            enter('pedestrian', float(rng.uniform(-25, 90)), side * (walk + rng.uniform(.6, 1.9)),
                  float(rng.choice((-1, 1)) * rng.uniform(1.0, 1.7)))
        for kind in ('cart', 'animal', 'cart'):
            enter(kind, float(rng.uniform(-20, 90)), side * (walk + rng.uniform(.7, 1.5)),
                  float(rng.choice((-1, 1)) * rng.uniform(.6, 1.4)))
        for _ in range(2):
            enter('two_wheeler', float(rng.uniform(-20, 90)), side * (walk + .7),
                  float(rng.choice((-1, 1)) * rng.uniform(2.5, 4.0)))
    return actors


def _vehicle(rng: np.random.Generator) -> str:
    return str(rng.choice(('car', 'bus', 'truck', 'two_wheeler'), p=(.4, .2, .25, .15)))


def _lane(enter: Callable[[str, float, float, float], None], rng: np.random.Generator, y: float,
          speed: float) -> None:
    ahead = -_BEHIND_M + float(rng.uniform(0, 10))
    while ahead < _WINDOW_M - _BEHIND_M - 12.0:
        enter(_vehicle(rng), ahead, y, speed)
        ahead += float(rng.uniform(16, 34))
