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
class Surface:
    """A material.

    ``color`` is linear RGB albedo in 0..1, ``reflectivity`` the LiDAR return in 0..1 at normal
    incidence, ``emission`` the light it gives at night relative to its colour.
    """

    class_name: str
    color: tuple[float, float, float]
    texture: Texture = Texture.PLAIN
    reflectivity: float = 0.3
    emission: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (('reflectivity', self.reflectivity), ('color', max(self.color)),
                            ('color', min(self.color))):
            limits.number(f'surface {name}', value, 0.0, 1.0)


SURFACES: Mapping[str, Surface] = {
    'asphalt': Surface(class_name='Road', color=(.085, .085, .092), texture=Texture.ASPHALT,
                       reflectivity=.12),
    'road_line': Surface(class_name='RoadLine', color=(.75, .74, .68), texture=Texture.WORN,
                         reflectivity=.85),
    'sidewalk': Surface(class_name='SideWalk', color=(.40, .33, .28), texture=Texture.PAVING,
                        reflectivity=.42),
    'kerb': Surface(class_name='SideWalk', color=(.50, .47, .44), texture=Texture.CONCRETE,
                    reflectivity=.48),
    'plaza': Surface(class_name='Ground', color=(.42, .22, .14), texture=Texture.CHECKER,
                     reflectivity=.27),
    'grass': Surface(class_name='Terrain', color=(.16, .27, .055), texture=Texture.GRASS,
                     reflectivity=.58),
    'water': Surface(class_name='Water', color=(.05, .15, .26), texture=Texture.WATER,
                     reflectivity=.03),
    'rail_bed': Surface(class_name='RailTrack', color=(.25, .17, .12), texture=Texture.GRAVEL,
                        reflectivity=.20),
    'rail': Surface(class_name='RailTrack', color=(.40, .38, .36), reflectivity=.95),
    'facade': Surface(class_name='Building', color=(.50, .40, .32), texture=Texture.FACADE,
                      reflectivity=.36),
    'roof': Surface(class_name='Building', color=(.32, .12, .08), reflectivity=.30),
    'plinth': Surface(class_name='Building', color=(.25, .24, .23), texture=Texture.CONCRETE,
                      reflectivity=.34),
    'wall': Surface(class_name='Wall', color=(.55, .27, .18), texture=Texture.BRICK,
                    reflectivity=.65),
    'fence': Surface(class_name='Fence', color=(.32, .20, .10), texture=Texture.PLANKS,
                     reflectivity=.50),
    'guard_rail': Surface(class_name='GroundRail', color=(.58, .60, .63), reflectivity=.92),
    'bridge': Surface(class_name='Bridge', color=(.47, .44, .37), texture=Texture.CONCRETE,
                      reflectivity=.45),
    'bridge_rail': Surface(class_name='Bridge', color=(.10, .28, .24), reflectivity=.40),
    'pole': Surface(class_name='Pole', color=(.22, .23, .24), reflectivity=.55),
    'lamp': Surface(class_name='Pole', color=(.85, .80, .62), reflectivity=.60, emission=2.5),
    'sign_blue': Surface(class_name='TrafficSign', color=(.02, .10, .60), reflectivity=1.0,
                         emission=.12),
    'sign_red': Surface(class_name='TrafficSign', color=(.72, .03, .03), reflectivity=1.0,
                        emission=.12),
    'sign_yellow': Surface(class_name='TrafficSign', color=(.80, .55, .02), reflectivity=1.0,
                           emission=.12),
    'sign_white': Surface(class_name='TrafficSign', color=(.85, .85, .85), reflectivity=1.0,
                          emission=.12),
    'signal': Surface(class_name='TrafficLight', color=(.035, .04, .035), reflectivity=.22),
    'signal_frame': Surface(class_name='TrafficLight', color=(.65, .48, .03), reflectivity=.30),
    'signal_red': Surface(class_name='TrafficLight', color=(.95, .05, .03), reflectivity=.25,
                          emission=2.0),
    'signal_green': Surface(class_name='TrafficLight', color=(.05, .90, .30), reflectivity=.25,
                            emission=2.0),
    'leaves': Surface(class_name='Vegetation', color=(.075, .17, .035), texture=Texture.LEAVES,
                      reflectivity=.72),
    'trunk': Surface(class_name='Vegetation', color=(.14, .09, .05), reflectivity=.68),
    'hedge': Surface(class_name='Vegetation', color=(.06, .14, .04), texture=Texture.LEAVES,
                     reflectivity=.72),
    'bin': Surface(class_name='Static', color=(.04, .33, .28), reflectivity=.15),
    'bench': Surface(class_name='Static', color=(.42, .24, .06), reflectivity=.18),
    'barrier': Surface(class_name='Static', color=(.80, .25, .04), texture=Texture.HAZARD,
                       reflectivity=.16),
    'cart': Surface(class_name='Dynamic', color=(.60, .08, .50), reflectivity=.80),
    'animal': Surface(class_name='Dynamic', color=(.35, .20, .09), reflectivity=.80),
    'sculpture': Surface(class_name='Other', color=(.75, .62, .10), reflectivity=.06),
    'plinth_other': Surface(class_name='Other', color=(.50, .50, .55), reflectivity=.06),
    'car': Surface(class_name='Cars', color=(.50, .05, .05), reflectivity=.55),
    'car_glass': Surface(class_name='Cars', color=(.03, .045, .06), reflectivity=.05),
    'car_tyre': Surface(class_name='Cars', color=(.02, .02, .02), reflectivity=.06),
    'car_lamp': Surface(class_name='Cars', color=(.90, .85, .70), reflectivity=.9, emission=2.0),
    'car_tail': Surface(class_name='Cars', color=(.70, .02, .02), reflectivity=.9, emission=1.0),
    'bus': Surface(class_name='Bus', color=(.75, .50, .02), reflectivity=.70),
    'bus_glass': Surface(class_name='Bus', color=(.04, .05, .06), reflectivity=.07, emission=1.5),
    'bus_tyre': Surface(class_name='Bus', color=(.02, .02, .02), reflectivity=.06),
    'truck': Surface(class_name='Truck', color=(.70, .72, .74), reflectivity=.35),
    'truck_cab': Surface(class_name='Truck', color=(.10, .20, .45), reflectivity=.40),
    'truck_glass': Surface(class_name='Truck', color=(.04, .05, .06), reflectivity=.06),
    'truck_tyre': Surface(class_name='Truck', color=(.02, .02, .02), reflectivity=.06),
    'cloth': Surface(class_name='Pedestrian', color=(.25, .10, .35), reflectivity=.50),
    'trousers': Surface(class_name='Pedestrian', color=(.05, .06, .12), reflectivity=.33),
    'skin': Surface(class_name='Pedestrian', color=(.55, .36, .26), reflectivity=.45),
    'bike': Surface(class_name='TwoWheeler', color=(.03, .03, .03), reflectivity=.30),
    'rider': Surface(class_name='TwoWheeler', color=(.05, .55, .20), reflectivity=.75),
    'helmet': Surface(class_name='TwoWheeler', color=(.85, .80, .10), reflectivity=.75),
}
"""Every surface of the street, by name."""
