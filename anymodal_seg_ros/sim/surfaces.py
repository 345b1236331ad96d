# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What things are made of: class, colour, texture and reflectivity. Simulation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from anymodal_seg_ros import limits


class Texture(IntEnum):
    """The procedural texture of a surface; evaluated in ``shading``."""

    PLAIN = 0
    ASPHALT = 1
    PAVING = 2
    GRASS = 3
    FACADE = 4
    BRICK = 5
    LEAVES = 6
    WATER = 7
    HAZARD = 8
    GRAVEL = 9
    PLANKS = 10
    WORN = 11
    CONCRETE = 12
    CHECKER = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """How warm a surface gets, beside the air around it."""

    sun_k: float
    """In full sun, if it were black."""
    engine_k: float = 0.0
    """At the ground, while what it belongs to drives."""
    body: float = 0.0
    """Share of the way from the air to the inside of a body."""
    emissivity: float = 0.95
    """Of long-wave infrared; the rest is what it mirrors."""

    def __post_init__(self) -> None:
        limits.number('heat body', self.body, 0.0, 1.0)
        limits.number('heat emissivity', self.emissivity, 0.0, 1.0)


STONE = Heat(sun_k=16.0)
GROUND = Heat(sun_k=26.0)
PLANT = Heat(sun_k=5.0)
WATER = Heat(sun_k=1.5)
METAL = Heat(sun_k=20.0, emissivity=0.4)
PAINT = Heat(sun_k=20.0, emissivity=0.85)
HULL = Heat(sun_k=20.0, engine_k=9.0, emissivity=0.85)
TYRE = Heat(sun_k=14.0, engine_k=16.0)
CLOTH = Heat(sun_k=8.0, body=0.45)
SKIN = Heat(sun_k=3.0, body=0.9)
HELMET = Heat(sun_k=8.0, body=0.25)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """A material.

    ``color`` is linear RGB albedo in 0..1, ``reflectivity`` the LiDAR return in 0..1 at normal
    incidence, ``emission`` the light it gives at night relative to its colour, ``heat`` what makes
    it warm.
    """

    class_name: str
    color: tuple[float, float, float]
    texture: Texture = Texture.PLAIN
    reflectivity: float = 0.3
    emission: float = 0.0
    heat: Heat = STONE

    def __post_init__(self) -> None:
        for name, value in (('reflectivity', self.reflectivity), ('color', max(self.color)),
                            ('color', min(self.color))):
            limits.number(f'surface {name}', value, 0.0, 1.0)


SURFACES: Mapping[str, Surface] = {
    'asphalt': Surface(class_name='Road', color=(.085, .085, .092), texture=Texture.ASPHALT,
                       reflectivity=.12, heat=GROUND),
    'road_line': Surface(class_name='RoadLine', color=(.75, .74, .68), texture=Texture.WORN,
                         reflectivity=.85, heat=GROUND),
    'sidewalk': Surface(class_name='SideWalk', color=(.40, .33, .28), texture=Texture.PAVING,
                        reflectivity=.42, heat=GROUND),
    'kerb': Surface(class_name='SideWalk', color=(.50, .47, .44), texture=Texture.CONCRETE,
                    reflectivity=.48, heat=GROUND),
    'plaza': Surface(class_name='Ground', color=(.42, .22, .14), texture=Texture.CHECKER,
                     reflectivity=.27, heat=GROUND),
    'grass': Surface(class_name='Terrain', color=(.16, .27, .055), texture=Texture.GRASS,
                     reflectivity=.58, heat=PLANT),
    'water': Surface(class_name='Water', color=(.05, .15, .26), texture=Texture.WATER,
                     reflectivity=.03, heat=WATER),
    'rail_bed': Surface(class_name='RailTrack', color=(.25, .17, .12), texture=Texture.GRAVEL,
                        reflectivity=.20, heat=GROUND),
    'rail': Surface(class_name='RailTrack', color=(.40, .38, .36), reflectivity=.95, heat=METAL),
    'facade': Surface(class_name='Building', color=(.50, .40, .32), texture=Texture.FACADE,
                      reflectivity=.36),
    'roof': Surface(class_name='Building', color=(.32, .12, .08), reflectivity=.30),
    'plinth': Surface(class_name='Building', color=(.25, .24, .23), texture=Texture.CONCRETE,
                      reflectivity=.34),
    'wall': Surface(class_name='Wall', color=(.55, .27, .18), texture=Texture.BRICK,
                    reflectivity=.65),
    'fence': Surface(class_name='Fence', color=(.32, .20, .10), texture=Texture.PLANKS,
                     reflectivity=.50),
    'guard_rail': Surface(class_name='GroundRail', color=(.58, .60, .63), reflectivity=.92,
                          heat=METAL),
    'bridge': Surface(class_name='Bridge', color=(.47, .44, .37), texture=Texture.CONCRETE,
                      reflectivity=.45),
    'bridge_rail': Surface(class_name='Bridge', color=(.10, .28, .24), reflectivity=.40,
                           heat=PAINT),
    'pole': Surface(class_name='Pole', color=(.22, .23, .24), reflectivity=.55, heat=PAINT),
    'lamp': Surface(class_name='Pole', color=(.85, .80, .62), reflectivity=.60, emission=2.5,
                    heat=PAINT),
    'sign_blue': Surface(class_name='TrafficSign', color=(.02, .10, .60), reflectivity=1.0,
                         emission=.12, heat=PAINT),
    'sign_red': Surface(class_name='TrafficSign', color=(.72, .03, .03), reflectivity=1.0,
                        emission=.12, heat=PAINT),
    'sign_yellow': Surface(class_name='TrafficSign', color=(.80, .55, .02), reflectivity=1.0,
                           emission=.12, heat=PAINT),
    'sign_white': Surface(class_name='TrafficSign', color=(.85, .85, .85), reflectivity=1.0,
                          emission=.12, heat=PAINT),
    'signal': Surface(class_name='TrafficLight', color=(.035, .04, .035), reflectivity=.22,
                      heat=PAINT),
    'signal_frame': Surface(class_name='TrafficLight', color=(.65, .48, .03), reflectivity=.30,
                            heat=PAINT),
    'signal_red': Surface(class_name='TrafficLight', color=(.95, .05, .03), reflectivity=.25,
                          emission=2.0, heat=PAINT),
    'signal_green': Surface(class_name='TrafficLight', color=(.05, .90, .30), reflectivity=.25,
                            emission=2.0, heat=PAINT),
    'leaves': Surface(class_name='Vegetation', color=(.075, .17, .035), texture=Texture.LEAVES,
                      reflectivity=.72, heat=PLANT),
    'trunk': Surface(class_name='Vegetation', color=(.14, .09, .05), reflectivity=.68, heat=PLANT),
    'hedge': Surface(class_name='Vegetation', color=(.06, .14, .04), texture=Texture.LEAVES,
                     reflectivity=.72, heat=PLANT),
    'bin': Surface(class_name='Static', color=(.04, .33, .28), reflectivity=.15, heat=PAINT),
    'bench': Surface(class_name='Static', color=(.42, .24, .06), reflectivity=.18),
    'barrier': Surface(class_name='Static', color=(.80, .25, .04), texture=Texture.HAZARD,
                       reflectivity=.16),
    'cart': Surface(class_name='Dynamic', color=(.60, .08, .50), reflectivity=.80, heat=PAINT),
    'animal': Surface(class_name='Dynamic', color=(.35, .20, .09), reflectivity=.80, heat=CLOTH),
    'sculpture': Surface(class_name='Other', color=(.75, .62, .10), reflectivity=.06),
    'plinth_other': Surface(class_name='Other', color=(.50, .50, .55), reflectivity=.06),
    'car': Surface(class_name='Cars', color=(.50, .05, .05), reflectivity=.55, heat=HULL),
    'car_glass': Surface(class_name='Cars', color=(.03, .045, .06), reflectivity=.05, heat=HULL),
    'car_tyre': Surface(class_name='Cars', color=(.02, .02, .02), reflectivity=.06, heat=TYRE),
    'car_lamp': Surface(class_name='Cars', color=(.90, .85, .70), reflectivity=.9, emission=2.0,
                        heat=HULL),
    'car_tail': Surface(class_name='Cars', color=(.70, .02, .02), reflectivity=.9, emission=1.0,
                        heat=HULL),
    'bus': Surface(class_name='Bus', color=(.75, .50, .02), reflectivity=.70, heat=HULL),
    'bus_glass': Surface(class_name='Bus', color=(.04, .05, .06), reflectivity=.07, emission=1.5,
                         heat=HULL),
    'bus_tyre': Surface(class_name='Bus', color=(.02, .02, .02), reflectivity=.06, heat=TYRE),
    'truck': Surface(class_name='Truck', color=(.70, .72, .74), reflectivity=.35),
    'truck_cab': Surface(class_name='Truck', color=(.10, .20, .45), reflectivity=.40, heat=HULL),
    'truck_glass': Surface(class_name='Truck', color=(.04, .05, .06), reflectivity=.06, heat=HULL),
    'truck_tyre': Surface(class_name='Truck', color=(.02, .02, .02), reflectivity=.06, heat=TYRE),
    'cloth': Surface(class_name='Pedestrian', color=(.25, .10, .35), reflectivity=.50, heat=CLOTH),
    'trousers': Surface(class_name='Pedestrian', color=(.05, .06, .12), reflectivity=.33,
                        heat=CLOTH),
    'skin': Surface(class_name='Pedestrian', color=(.55, .36, .26), reflectivity=.45, heat=SKIN),
    'bike': Surface(class_name='TwoWheeler', color=(.03, .03, .03), reflectivity=.30, heat=PAINT),
    'rider': Surface(class_name='TwoWheeler', color=(.05, .55, .20), reflectivity=.75, heat=CLOTH),
    'helmet': Surface(class_name='TwoWheeler', color=(.85, .80, .10), reflectivity=.75,
                      heat=HELMET),
}
"""Every surface of the street, by name."""
