# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The simulated vehicle's sensors, as read from ``config/sensors/sim.yaml``. Simulation."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros import limits
from anymodal_seg_ros.documents import read_yaml
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.existence import is_file
from anymodal_seg_ros.geometry import (
    FOV_RANGE_DEG,
    OFFSET_RANGE_M,
    CameraModel,
    Rig,
    invert_transform,
    optical_T_body,
    rotation_from_rpy,
)
from anymodal_seg_ros.modalities.thermal import COUNTS, check_counts
from anymodal_seg_ros.ranges import Range, check_config
from anymodal_seg_ros.resources import resource_path

SENSOR_NAMES = ('rgb', 'depth', 'lidar', 'event')
"""What the vehicle measures with unless others are asked for."""
ALL_SENSORS = (*SENSOR_NAMES, 'thermal')
"""In the order of messages that have one stamp."""
PIXELS = Range(32, 4096)
_CAMERA_KEYS = {'horizontal_fov_deg': (90.0, FOV_RANGE_DEG)}
_ELEVATION_DEG = Range(-90.0, 90.0)
_OPTIONS: Mapping[str, Mapping[str, tuple[float, Range]]] = {
    'rgb': _CAMERA_KEYS,
    'depth': _CAMERA_KEYS,
    'lidar': {'beams': (64, Range(1, 512)), 'azimuths': (1024, Range(8, 8192)),
              'low_deg': (-25.0, _ELEVATION_DEG), 'high_deg': (10.0, _ELEVATION_DEG)},
    'event': {**_CAMERA_KEYS, 'window_ms': (100.0, Range(1.0, 1000.0)),
              'substeps': (2, Range(1, 64)), 'render_width_px': (256, Range(16, 4096))},
    'thermal': {**_CAMERA_KEYS, 'width_px': (320, PIXELS), 'height_px': (256, PIXELS),
                'bits': (16, Range(8, 16)), 'low': (26315, COUNTS), 'high': (32315, COUNTS),
                'netd_k': (0.05, Range(0.0, 10.0)), 'blur_px': (0.7, Range(0.0, 20.0))},
}
_TURN_DEG = Range(-360.0, 360.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorSpec:
    """One sensor: where it sits, when it speaks and the options of its kind."""

    name: str
    frame_id: str
    xyz: tuple[float, float, float]
    rpy_deg: tuple[float, float, float]
    rate_hz: Annotated[float, Range(0.1, 200.0)]
    phase_ms: Annotated[float, Range(0.0, 1000.0)]
    """First stamp after the start."""
    latency_ms: Annotated[float, Range(0.0, 1000.0)]
    """From stamp to arrival."""
    options: Mapping[str, float]
    ORDER: ClassVar[tuple[tuple[str, str], ...]] = ()

    def __post_init__(self) -> None:
        try:
            check_config(self)
            for key, value in self.options.items():
                _OPTIONS[self.name][key][1].check(key, value)
            if self.options.get('low_deg', -90.0) >= self.options.get('high_deg', 90.0):
                raise ConfigError(f'low_deg is {self.options["low_deg"]}; less than high_deg '
                                  f'({self.options["high_deg"]}) is allowed')
            if 'bits' in self.options:
                limits.one_of('bits', self.options['bits'], (8, 16))
                check_counts(self.options['low'], self.options['high'])
            for metres, degrees in zip(self.xyz, self.rpy_deg, strict=True):
                OFFSET_RANGE_M.check('xyz', metres)
                _TURN_DEG.check('rpy_deg', degrees)
        except ConfigError as error:
            raise ConfigError(f'sensor {self.name!r}: {error}') from None

    @property
    def base_T_sensor(
            self) -> npt.NDArray[np.float64]:
        """To base_link from the sensor's frame, which is optical for cameras."""
        matrix = np.eye(4)
        matrix[:3, :3] = rotation_from_rpy(*(math.radians(v) for v in self.rpy_deg))
        matrix[:3, 3] = self.xyz
        return matrix if self.name == 'lidar' else matrix @ invert_transform(optical_T_body)

    def stamp_ns(self, index: int, start_ns: int) -> int:
        """Stamp of message ``index``."""
        return start_ns + round(self.phase_ms * 1e6) + round(index * 1e9 / self.rate_hz)

    def num_messages(self, duration_s: float) -> int:
        """How many stamps lie in the first ``duration_s`` seconds."""
        return max(0, math.ceil((duration_s - self.phase_ms * 1e-3) * self.rate_hz - 1e-9))

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height, of a camera that has its own."""
        return int(self.options['width_px']), int(self.options['height_px'])

    def camera(self, width_px: int, height_px: int) -> CameraModel:
        """Its camera for an image of this size."""
        return CameraModel.from_fov(width_px, height_px, self.options['horizontal_fov_deg'])


def chosen_sensors(names: Collection[str]) -> tuple[str, ...]:
    """``names`` in the order of ``ALL_SENSORS``.

    Raises:
        ConfigError: one is unknown, or rgb is not among them: labels are of its pictures.
    """
    for name in names:
        limits.one_of('sensors', name, ALL_SENSORS)
    if 'rgb' not in names:
        raise ConfigError.of('sensors', ', '.join(names) or 'none', 'rgb, and any of '
                             + ', '.join(ALL_SENSORS[1:]))
    return tuple(name for name in ALL_SENSORS if name in names)


def load_sensors(path: str | Path | None = None) -> Mapping[str, SensorSpec]:
    """Read all sensors of a YAML file, by default ``config/sensors/sim.yaml``, in the order of
    ``ALL_SENSORS``.

    Raises:
        ConfigError: the file or one of ``SENSOR_NAMES`` is missing, or a sensor or value in it is
            wrong.
    """
    path = Path(path) if path is not None else resource_path('config') / 'sensors' / 'sim.yaml'
    if not is_file(path):
        raise ConfigError(f'no sensor file at {path}')
    data = read_yaml(path)
    sensors = data.get('sensors') if isinstance(data, dict) else None
    if not isinstance(sensors, dict) or not set(SENSOR_NAMES) <= set(sensors) <= set(ALL_SENSORS):
        raise ConfigError(f'{path} needs a map "sensors" with {", ".join(SENSOR_NAMES)}, and may '
                          f'have {", ".join(ALL_SENSORS[len(SENSOR_NAMES):])} in it')
    return MappingProxyType({name: _spec(name, sensors[name]) for name in ALL_SENSORS
                             if name in sensors})


def _spec(name: str, values: object) -> SensorSpec:
    try:
        if not isinstance(values, dict):
            raise TypeError(f'a map of values is needed, not {values!r}')
        values = dict(values)
        given = {key: values.pop(key) for key in
                 ('frame_id', 'rate_hz', 'phase_ms', 'latency_ms')}
        xyz, rpy = (tuple(float(v) for v in values.pop(key)) for key in ('xyz', 'rpy_deg'))
        if len(xyz) != 3 or len(rpy) != 3:
            raise ValueError('xyz and rpy_deg have three numbers each')
        unknown = set(values) - set(_OPTIONS[name])
        if unknown:
            raise ValueError(f'unknown key {sorted(unknown)[0]!r}')
        options = {key: float(values.get(key, default))
                   for key, (default, _) in _OPTIONS[name].items()}
        return SensorSpec(
            name=name, frame_id=str(given['frame_id']), xyz=xyz, rpy_deg=rpy,
            rate_hz=float(given['rate_hz']), phase_ms=float(given['phase_ms']),
            latency_ms=float(given['latency_ms']), options=MappingProxyType(options))
    except KeyError as error:
        raise ConfigError(f'sensor {name!r} needs {error}') from None
    except (TypeError, ValueError) as error:
        raise ConfigError(f'sensor {name!r}: {error}') from None


def build_rig(sensors: Mapping[str, SensorSpec], width_px: int, height_px: int,
              event_size_px: tuple[int, int]) -> Rig:
    """The rig whose reference is the RGB camera; ``event_size_px`` is (width, height)."""
    rgb = sensors['rgb']
    camera_T_base = invert_transform(rgb.base_T_sensor)
    sizes_px = {'depth': (width_px, height_px), 'event': event_size_px}
    if 'thermal' in sensors:
        sizes_px['thermal'] = sensors['thermal'].size_px
    return Rig(
        camera=rgb.camera(width_px, height_px),
        cameras={name: sensors[name].camera(*size_px) for name, size_px in sizes_px.items()
                 if name in sensors},
        camera_T={name: camera_T_base @ spec.base_T_sensor for name, spec in sensors.items()},
        camera_frame=rgb.frame_id, base_z_m=rgb.xyz[2])
