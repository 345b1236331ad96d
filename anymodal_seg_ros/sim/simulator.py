# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A drive through a simulated street, as the samples of its sensors. Simulation."""

from __future__ import annotations

import heapq
import itertools
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros import limits
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.geometry import CameraModel, Rig
from anymodal_seg_ros.labels import load_label_space
from anymodal_seg_ros.modalities.thermal import grey_levels
from anymodal_seg_ros.ranges import Range, check_config
from anymodal_seg_ros.samples import Sample
from anymodal_seg_ros.sim import sensors as sense
from anymodal_seg_ros.sim import thermal
from anymodal_seg_ros.sim.failures import FAILURES, failed
from anymodal_seg_ros.sim.scene import Caster, Hits
from anymodal_seg_ros.sim.shading import Shader
from anymodal_seg_ros.sim.street import STREET_KINDS, Street
from anymodal_seg_ros.sim.traffic import Traffic
from anymodal_seg_ros.sim.vehicle import (
    PIXELS,
    SENSOR_NAMES,
    SensorSpec,
    build_rig,
    chosen_sensors,
    load_sensors,
)
from anymodal_seg_ros.sim.weather import WEATHERS, Weather

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
Pixels = Annotated[int, PIXELS]
_START_M = 25.0
_LOOK_AHEAD_M = 110.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SimConfig:
    """A drive; equal configurations give equal bytes.

    Raises:
        ConfigError: a value is outside what is allowed.
    """

    seed: Annotated[int, Range(0, 2**63 - 1)] = 0
    sensors: tuple[str, ...] = SENSOR_NAMES
    """Of ``ALL_SENSORS``, rgb among them; kept in that order."""
    street: str = 'straight'
    """One of ``STREET_KINDS``."""
    condition: str = 'sun'
    """One of ``WEATHERS``."""
    changes: tuple[tuple[float, str], ...] = ()
    """Later conditions: from how many seconds after the start, and which; times increase."""
    failure: str = ''
    """One of ``FAILURES``, or '' for none."""
    width_px: Pixels = 512
    height_px: Pixels = 512
    event_width_px: Pixels = 512
    event_height_px: Pixels = 512
    duration_s: Annotated[float, Range(0.05, 1800.0)] = 10.0
    speed_m_s: Annotated[float, Range(0.0, 30.0)] = 8.0
    start_ns: Annotated[int, Range(0, 2**62)] = 1_750_000_000_000_000_000
    num_threads: Annotated[int, Range(0, 256)] = 0
    """For ray casting; 0 takes all cores."""
    ORDER: ClassVar[tuple[tuple[str, str], ...]] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, 'sensors', chosen_sensors(self.sensors))
        for name, value, allowed in (
                ('street', self.street, STREET_KINDS), ('failure', self.failure, ('', *FAILURES)),
                *(('condition', name, tuple(WEATHERS)) for _, name in self._conditions())):
            limits.one_of(name, value, allowed)
        times = [time_s for time_s, _ in self._conditions()]
        if not all(a < b for a, b in itertools.pairwise(times)):
            raise ConfigError(f'conditions change at {times[1:]} s; the times must increase from '
                              'more than 0')
        check_config(self)

    def _conditions(self) -> tuple[tuple[float, str], ...]:
        return ((0.0, self.condition), *self.changes)

    def condition_at(self, t_s: float) -> str:
        """The condition ``t_s`` seconds after the start."""
        return [name for time_s, name in self._conditions() if time_s <= max(t_s, 0.0)][-1]


@dataclass(frozen=True, slots=True, eq=False)
class SimOutput:
    """One sensor message and, with camera images, the truth."""

    sample: Sample
    labels: npt.NDArray[np.uint8] | None = None
    """[H, W] class ids, with ``rgb`` samples only."""
    counts: npt.NDArray[np.uint16] | None = None
    """[H, W] that the sample's grey levels are of, with ``thermal`` samples of 16 bits only."""


class Simulator:
    """Measures what the sensors see at given moments of the drive.

    Every measurement depends on the configuration, the sensor and its index alone, so any one can
    be made without the others. Not thread-safe.
    """

    def __init__(self, config: SimConfig,
                 sensors: Mapping[str, SensorSpec] | None = None) -> None:
        self.config = config
        described = load_sensors() if sensors is None else sensors
        for name in config.sensors:
            limits.one_of('sensor', name, described)
        self.sensors = {name: described[name] for name in config.sensors}
        length = _START_M + config.duration_s * config.speed_m_s + _LOOK_AHEAD_M
        self.street = Street(config.seed, config.street, length)
        self.traffic = Traffic(self.street, config.seed, config.speed_m_s)
        sky = load_label_space('deliver').id_of('Sky')
        self._caster = Caster(self.street.mesh, sky, config.num_threads)
        self._shaders: dict[str, Shader] = {}
        self._moving_ns = -1
        self._view: tuple[tuple[Any, ...], Hits] | None = None
        self._pictures: dict[tuple[int, str], Float32Array] = {}
        self._levels = np.random.default_rng([config.seed, 404]).uniform(
            0, sense.EVENT_THRESHOLD, (config.event_height_px, config.event_width_px)
        ).astype(np.float32)
        self._pattern: Float32Array | None = None

    def rig(self) -> Rig:
        """The true rig; the reference is the RGB camera."""
        config = self.config
        return build_rig(self.sensors, config.width_px, config.height_px,
                         (config.event_width_px, config.event_height_px))

    def num_frames(self, sensor: str) -> int:
        """How many messages the sensor sends within the drive."""
        return self.sensors[sensor].num_messages(self.config.duration_s)

    def schedule(self) -> Iterator[tuple[str, int]]:
        """Sensor and index of all messages of the drive, in the order of their stamps."""
        def of_sensor(order: int, name: str) -> Iterator[tuple[int, int, int, str]]:
            for index in range(self.num_frames(name)):
                yield self._stamp_ns(name, index), order, index, name

        for _, _, index, name in heapq.merge(*(
                of_sensor(order, name) for order, name in enumerate(self.sensors))):
            yield name, index

    def outputs(self) -> Iterator[SimOutput]:
        """All messages of the drive, in the order of their stamps.

        ``parallel.parallel_outputs`` gives the same from two processes.
        """
        for name, index in self.schedule():
            yield self.measure(name, index)

    def measure(self, sensor: str, index: int) -> SimOutput:
        """Message ``index`` of one sensor."""
        if sensor not in self.sensors:
            raise ConfigError(f'no sensor {sensor!r}; there are {", ".join(self.sensors)}')
        spec, stamp_ns = self.sensors[sensor], self._stamp_ns(sensor, index)
        rng = np.random.default_rng([self.config.seed, zlib.crc32(sensor.encode()), index])
        labels = counts = None
        data: npt.NDArray[Any]
        if sensor == 'rgb':
            data, labels = self._camera(spec, stamp_ns, rng)
        elif sensor == 'depth':
            data = self._depth(spec, stamp_ns, rng)
        elif sensor == 'lidar':
            data = self._lidar(spec, stamp_ns, rng)
        elif sensor == 'event':
            data = self._events(spec, stamp_ns, rng)
        else:
            counts = self._thermal(spec, stamp_ns, rng)
            data = grey_levels(counts, spec.options['low'], spec.options['high'])
            if spec.options['bits'] == 8:
                counts = None
        data = failed(self.config.failure, sensor, data, rng)
        sample = Sample(modality=sensor, stamp_ns=stamp_ns,
                        received_ns=stamp_ns + round(spec.latency_ms * 1e6),
                        frame_id=spec.frame_id, data=data)
        return SimOutput(sample, labels, counts)

    def labels(self, index: int) -> npt.NDArray[np.uint8]:
        """The truth [H, W] in the RGB camera at its message ``index``."""
        hits = self._camera_hits(self.sensors['rgb'], self._stamp_ns('rgb', index))
        return self._image(hits.label[hits.triangle])

    def world_T_base(self, stamp_ns: int) -> Float64Array:
        """The vehicle's pose: on its lane, swaying a little on its springs."""
        t_s = self._time_s(stamp_ns)
        x, y, yaw = self.street.line.pose(self._ego_s_m(stamp_ns), self.street.ego_y_m)
        pitch, roll = 0.004 * math.sin(8.1 * t_s), 0.004 * math.sin(5.3 * t_s + 1)
        cy, sy = math.cos(yaw), math.sin(yaw)
        cp, sp, cr, sr = math.cos(pitch), math.sin(pitch), math.cos(roll), math.sin(roll)
        matrix = np.eye(4)
        matrix[:3, :3] = (np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
                          @ np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
                          @ np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]]))
        matrix[:3, 3] = x, y, 0.0
        return matrix

    def _camera(self, spec: SensorSpec, stamp_ns: int, rng: np.random.Generator
                ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        hits = self._camera_hits(spec, stamp_ns)
        model = spec.camera(self.config.width_px, self.config.height_px)
        radiance = self._radiance(hits, model, stamp_ns, self._condition(stamp_ns))
        image = sense.camera_image(radiance.reshape(model.height_px, model.width_px, 3),
                                   self._weather(stamp_ns), rng)
        return image, self._image(hits.label[hits.triangle])

    def _depth(self, spec: SensorSpec, stamp_ns: int, rng: np.random.Generator) -> Float32Array:
        hits = self._camera_hits(spec, stamp_ns)
        return sense.depth_image(self._image(hits.distance), self._weather(stamp_ns), rng)

    def _lidar(self, spec: SensorSpec, stamp_ns: int, rng: np.random.Generator) -> Float32Array:
        options = spec.options
        directions = sense.lidar_directions(int(options['beams']), int(options['azimuths']),
                                            options['low_deg'], options['high_deg'])
        hits = self._cast(spec, directions, stamp_ns)
        return sense.lidar_points(hits, directions, self._weather(stamp_ns), rng)

    def _events(self, spec: SensorSpec, stamp_ns: int,
                rng: np.random.Generator) -> npt.NDArray[np.void]:
        config = self.config
        window_ns = round(spec.options['window_ms'] * 1e6)
        steps = int(spec.options['substeps'])
        start_ns = stamp_ns - window_ns
        times = [start_ns + window_ns * step // steps for step in range(steps + 1)]
        # A window has one condition, or a change of condition would be a flash of events.
        condition = self._condition(stamp_ns)
        kept = {(t, condition) for t in times}
        self._pictures = {key: p for key, p in self._pictures.items() if key in kept}
        frames = [self._picture(spec, t, condition) for t in times]
        events = sense.events_between(frames, times, self._levels)
        return sense.with_event_noise(
            events, (config.event_height_px, config.event_width_px), start_ns, stamp_ns,
            self._weather(stamp_ns).event_noise_hz, rng)

    def _picture(self, spec: SensorSpec, t_ns: int, condition: str) -> Float32Array:
        """Log intensity [H, W] of the event camera at one moment."""
        key = (t_ns, condition)
        if key not in self._pictures:
            config = self.config
            width = min(int(spec.options['render_width_px']), config.event_width_px)
            height = round(width * config.event_height_px / config.event_width_px)
            model = spec.camera(config.event_width_px, config.event_height_px).resized(
                width, height)
            hits = self._cast(spec, _directions(model), t_ns)
            radiance = self._radiance(hits, model, t_ns, condition)
            picture = sense.log_intensity(radiance.reshape(height, width, 3),
                                          WEATHERS[condition].exposure)
            self._pictures[key] = sense.enlarged(
                picture, (config.event_height_px, config.event_width_px))
        return self._pictures[key]

    def _thermal(self, spec: SensorSpec, stamp_ns: int,
                 rng: np.random.Generator) -> npt.NDArray[np.uint16]:
        model = spec.camera(*spec.size_px)
        shape_hw = model.height_px, model.width_px
        condition = self._condition(stamp_ns)
        degc = thermal.apparent_degc(
            self._cast(spec, _directions(model), stamp_ns), self._shader(condition),
            WEATHERS[condition], 1.0 / float(model.K[0, 0]))
        if self._pattern is None:
            self._pattern = thermal.fixed_pattern(
                shape_hw, np.random.default_rng([self.config.seed, 707]))
        return thermal.counts(degc.reshape(shape_hw), self._pattern, self._time_s(stamp_ns),
                              netd_k=spec.options['netd_k'], blur_px=spec.options['blur_px'],
                              rng=rng)

    def _camera_hits(self, spec: SensorSpec, stamp_ns: int) -> Hits:
        """Hits of the camera's pixels; kept for a second camera at the same place and time."""
        model = spec.camera(self.config.width_px, self.config.height_px)
        key = (stamp_ns, spec.xyz, spec.rpy_deg, spec.options['horizontal_fov_deg'])
        if self._view is None or self._view[0] != key:
            self._view = key, self._cast(spec, _directions(model), stamp_ns)
        return self._view[1]

    def _cast(self, spec: SensorSpec, directions: Float32Array, stamp_ns: int) -> Hits:
        if stamp_ns != self._moving_ns:
            self._caster.set_moving(
                self.traffic.mesh(self._time_s(stamp_ns), self._ego_s_m(stamp_ns)))
            self._moving_ns = stamp_ns
        world_T_sensor = self.world_T_base(stamp_ns) @ spec.base_T_sensor
        # Numpy's matrix product of three columns starts a thread on every core; OpenCV's does not.
        turned = cv2.transform(directions[:, None], world_T_sensor[:3, :3].astype(np.float32))
        return self._caster.cast(world_T_sensor[:3, 3],
                                 turned.reshape(-1, 3).astype(np.float32, copy=False))

    def _radiance(self, hits: Hits, model: CameraModel, stamp_ns: int,
                  condition: str) -> Float32Array:
        world_T_base = self.world_T_base(stamp_ns)
        lamp = (world_T_base @ [1.0, 0.0, .8, 1.0])[:3]
        beam = world_T_base[:3, :3] @ [math.cos(.03), 0.0, -math.sin(.03)]
        return self._shader(condition).radiance(hits, 1.0 / float(model.K[0, 0]), (lamp, beam))

    def _shader(self, condition: str) -> Shader:
        if condition not in self._shaders:
            self._shaders[condition] = Shader(
                self.street, self._caster, WEATHERS[condition],
                np.random.default_rng([self.config.seed, 303]))
        return self._shaders[condition]

    def _image(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return values.reshape(self.config.height_px, self.config.width_px)

    def _condition(self, stamp_ns: int) -> str:
        return self.config.condition_at(self._time_s(stamp_ns))

    def _weather(self, stamp_ns: int) -> Weather:
        return WEATHERS[self._condition(stamp_ns)]

    def _stamp_ns(self, sensor: str, index: int) -> int:
        return self.sensors[sensor].stamp_ns(index, self.config.start_ns)

    def _time_s(self, stamp_ns: int) -> float:
        return (stamp_ns - self.config.start_ns) * 1e-9

    def _ego_s_m(self, stamp_ns: int) -> float:
        return _START_M + self.config.speed_m_s * self._time_s(stamp_ns)


_DIRECTIONS: dict[bytes, Float32Array] = {}


def _directions(model: CameraModel) -> Float32Array:
    """Ray directions float32 [H * W, 3] with z = 1 in the optical frame."""
    key = model.K.tobytes() + bytes(f'{model.width_px}x{model.height_px}', 'ascii')
    if key not in _DIRECTIONS:
        _DIRECTIONS[key] = model.ray_directions().reshape(-1, 3).astype(np.float32)
    return _DIRECTIONS[key]
