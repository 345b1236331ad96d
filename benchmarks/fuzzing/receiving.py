# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A node's callbacks: sequences of messages, calibrations, transforms, ticks and parameters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros import bags
from anymodal_seg_ros.bundle import Bundle
from anymodal_seg_ros.corruption import FAULTS, FaultSchedule
from anymodal_seg_ros.errors import AnymodalError, ConfigError
from anymodal_seg_ros.extrinsics import RigKeeper
from anymodal_seg_ros.geometry import CameraModel
from anymodal_seg_ros.intrinsics import CAMERAS
from anymodal_seg_ros.labels import load_label_space
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.ros.clock_watch import ClockPhase, ClockState
from anymodal_seg_ros.ros.conversions import header
from anymodal_seg_ros.ros.declaration import Spec
from anymodal_seg_ros.ros.diagnostics import (
    InferenceStats,
    fusion_info,
    modality_status,
    synchronization_status,
)
from anymodal_seg_ros.ros.fault_injector_node import live_faults
from anymodal_seg_ros.ros.params import parameter_specs, settings_from_values
from anymodal_seg_ros.ros.segmentation_node import SegmentationNode
from anymodal_seg_ros.ros.state_log import StateLog
from anymodal_seg_ros.samples import EVENT_DTYPE
from anymodal_seg_ros.session import PlacedSet, Session
from fuzzing.messages import STAMP_NS, Make, Rng, camera_info, forms
from fuzzing.mutation import HOSTILE_VALUES, altered, damaged, pick
from fuzzing.target import Read, Target

S = 1_000_000_000
NAMES = tuple(MODALITIES)
FRAMES = {**dict.fromkeys(NAMES, 'camera'), 'depth': 'depth', 'lidar': 'lidar'}
ODD_FRAMES = ('', '/', 'else', '\0', 'é' * 500)
SIZE_HW = (24, 32)
CALIBRATED = {
    'camera.width_px': 64, 'camera.height_px': 48, 'camera.horizontal_fov_deg': 90.0,
    'extrinsics.depth': [0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0],
    'extrinsics.lidar': [0.0, -0.5, -0.4, 0.5, -0.5, 0.5, -0.5]}
"""What the parameters say of the sensors."""
STEPS_OF_TIME_NS = (0, 1, S // 1000, S // 100, S // 30, S // 10, S // 10, S // 10, S, 20 * S, -S,
                    -100 * S)
OFFSETS_NS = (*[-S // 100] * 8, 0, -S // 20, -S, -30 * S, S // 10, S, 2**62, -2**62)
Step = Callable[['Callbacks'], object]


def targets() -> Iterator[Target]:
    """What a node does with what it is sent."""
    made = forms()
    specs = {spec.name: spec for spec in parameter_specs()}
    yield Target(name='received', weight=20, refuses=False, prepare=lambda rng: _received(
        rng, made, specs))
    yield Target(name='parameters', weight=10, prepare=lambda rng: _parameters(rng, specs))
    yield Target(name='injected', weight=10, prepare=_injected)


class StoppedError(Exception):
    """A node would have ended, or lost what it was at, by an error of its own."""


@contextmanager
def running() -> Iterator[None]:
    """A block in which nothing is refused any more: what comes is counted, and work goes on."""
    try:
        yield
    except AnymodalError as error:
        raise StoppedError(f'{type(error).__name__}: {error}') from error


class Callbacks(SegmentationNode):
    """The callbacks of the node without ROS beneath: its clock is a number, what it would hand to
    the network is encoded at once, and no guard stands before an error."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        space = load_label_space('mfnet')
        segmenter = SimpleNamespace(bundle=Bundle(
            model_name='m_segformer', model_config={'num_classes': space.num_classes},
            encoders={name: {} for name in NAMES}, label_space=space, short_side_px=32))
        self.now_ns = STAMP_NS
        self.guard = SimpleNamespace(watch=lambda source: nullcontext())
        self.transforms: dict[tuple[str, str], npt.NDArray[np.float64]] = {}
        self._values = dict(values)
        self._settings = settings_from_values(values)
        self._keeper = RigKeeper(
            camera_frame=self._settings.camera_frame, base_frame=self._settings.base_frame,
            lookup=lambda target, source: self.transforms.get((target, source)),
            extrinsics=self._settings.extrinsics, cameras=self._settings.cameras)
        self._reported: set[tuple[str, str]] = set()
        self._session = Session(
            segmenter, self._keeper, settings=self._settings.session,
            decoding=self._settings.decoding, on_refused=self._on_refused)
        self._stats = InferenceStats()
        self._num_bad_camera_infos: Counter[str] = Counter()
        self._logger = _Silent()
        self._state_log = StateLog(self._logger)
        self._outputs = SimpleNamespace(overlay_alpha=0.5)
        self._labelling = SimpleNamespace(submit=self._label)
        self._deadline = SimpleNamespace(arm=lambda deadline_ns, now_ns: None)
        self._inputs = {name: SimpleNamespace(set_active=lambda active: None) for name in NAMES}

    def _label(self, placed: PlacedSet) -> None:
        sample_set, rig = placed.sample_set, placed.rig
        encoded, images = self._session.pipeline.encode(sample_set, rig)
        if len(images) < len(sample_set.samples):
            raise RuntimeError(f'an encoder failed: {encoded.absent}')
        header(sample_set.stamp_ns, rig.camera_frame)
        fusion_info(sample_set, rig.camera_frame, placed.reports, images, self.now_ns, {})

    def get_logger(self) -> _Silent:
        return self._logger

    def _now_ns(self) -> int:
        return self.now_ns

    def _steady_ns(self) -> int:
        return self.now_ns

    def refresh(self) -> None:
        """What the node does now and then."""
        self._keeper.refresh()
        pipeline = self._session.pipeline
        self._state_log.write(pipeline.health.drain_transitions(), self.now_ns)
        for name, report in pipeline.health.reports(self.now_ns).items():
            modality_status('node', 'machine', report, pipeline.decoders[name].known(),
                            self._keeper.calibration_error(name))
        synchronization_status('node', 'machine', pipeline.synchronizer.stats(),
                               ClockState(ClockPhase.RUNNING))

    def pass_time(self, step_ns: int) -> None:
        """Time goes on, or jumps back as in a replay that starts again."""
        self.now_ns = max(self.now_ns + step_ns, 1)
        if step_ns < 0:
            self._state_log.restart('back')
            self._session.restart(self.now_ns, 'back')
        self._on_deadline()


class _Silent:
    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **kwargs: None


def _received(rng: Rng, made: Mapping[str, tuple[str, Make]], specs: Mapping[str, Spec]) -> Read:
    values = _defaults(specs) | (CALIBRATED if rng.random() < 0.7 else {})
    steps = [_step(rng, made, specs) for _ in range(int(rng.integers(1, 60)))]

    def read() -> None:
        node = Callbacks(values)
        with running():
            for step in steps:
                step(node)

    return read


def _step(rng: Rng, made: Mapping[str, tuple[str, Make]], specs: Mapping[str, Spec]) -> Step:
    kind = rng.random()
    if kind < 0.62:
        return _message_step(rng, *_good(rng))
    if kind < 0.74:
        modality, make = pick(rng, tuple(made.values()))
        return _message_step(rng, modality, make(rng))
    if kind < 0.80:
        return _camera_info_step(rng)
    if kind < 0.86:
        return _transform_step(rng)
    if kind < 0.94:
        time_ns = pick(rng, STEPS_OF_TIME_NS)
        return lambda node: node.pass_time(time_ns)
    if kind < 0.96:
        return _parameter_step(rng, specs)
    if kind < 0.98:
        modality, number = pick(rng, NAMES), int(rng.integers(1, 2**31))
        return lambda node: node._on_lost(modality, number)
    return lambda node: node.refresh()


def _good(rng: Rng) -> tuple[str, Any]:
    modality = pick(rng, NAMES)
    height, width = SIZE_HW
    if modality == 'rgb':
        return modality, bags.image_message(0, '', rng.integers(
            0, 256, (height, width, 3), np.uint8), 'rgb8')
    if modality == 'thermal':
        return modality, bags.image_message(0, '', rng.integers(
            20_000, 30_000, SIZE_HW, np.uint16), 'mono16')
    if modality == 'depth':
        return modality, bags.image_message(0, '', rng.random(SIZE_HW, np.float32) * 50, '32FC1')
    if modality == 'lidar':
        return modality, bags.cloud_message(0, '', rng.normal(0, 9, (80, 4)).astype(np.float32))
    events = np.zeros(50, EVENT_DTYPE)
    events['x'], events['y'] = rng.integers(0, width, 50), rng.integers(0, height, 50)
    events['t_ns'] = STAMP_NS + rng.integers(0, 10**9, 50)
    return modality, bags.events_message(0, '', events)


def _message_step(rng: Rng, modality: str, message: Any) -> Step:  # noqa: ANN401
    step_ns, offset_ns = pick(rng, (0, S // 100, S // 40)), pick(rng, OFFSETS_NS)
    frame = FRAMES[modality] if rng.random() < 0.9 else pick(rng, ODD_FRAMES)

    def step(node: Callbacks) -> None:
        node.now_ns += step_ns
        _stamp(message, node.now_ns + offset_ns, frame)
        node._on_message(modality, message)

    return step


def _stamp(message: Any, stamp_ns: int, frame: str) -> None:  # noqa: ANN401
    """As far as the header's fields hold it."""
    sec, nanosec = divmod(stamp_ns, S)
    message.header = SimpleNamespace(frame_id=frame, stamp=SimpleNamespace(
        sec=min(max(sec, -2**31), 2**31 - 1), nanosec=nanosec))


def _camera_info_step(rng: Rng) -> Step:
    modality = pick(rng, CAMERAS)
    if rng.random() < 0.6:
        width, height = pick(rng, ((32, 24), (32, 24), (64, 48), (24, 32), (320, 240), (1, 1)))
        message = bags.camera_info_message(0, '', CameraModel.from_fov(
            width, height, float(pick(rng, (90.0, 0.2, 170.0)))))
    else:
        message = camera_info(rng)
    frame = pick(rng, (FRAMES[modality], FRAMES[modality], 'else', ''))

    def step(node: Callbacks) -> None:
        _stamp(message, node.now_ns, frame)
        node._on_camera_info(modality, message)

    return step


def _transform_step(rng: Rng) -> Step:
    pose = np.eye(4)
    pose[:3, 3] = rng.normal(0, 1, 3)
    for _ in range(int(rng.choice([0, 0, 1, 3]))):
        place = tuple(rng.integers(0, 4, 2))
        pose[place] = pick(rng, (np.nan, np.inf, -np.inf, 1e300, 1e-300, 999.0, 1e30, -1.0, 0.0))
    frames = pick(rng, ('lidar', 'depth', 'base_link', 'camera', 'else'))
    is_gone = rng.random() < 0.1

    def step(node: Callbacks) -> None:
        if is_gone:
            node.transforms.clear()
            return
        for camera in ('camera', 'depth', 'camera_optical_frame'):
            node.transforms[camera, frames] = pose

    return step


# Parameters


def _defaults(specs: Mapping[str, Spec]) -> dict[str, Any]:
    return {**{name: spec.default for name, spec in specs.items()}, 'bundle': '/'}


def _some_value(rng: Rng, spec: Spec) -> Any:  # noqa: ANN401 - of any type
    kind = rng.random()
    if kind < 0.25:
        return pick(rng, HOSTILE_VALUES)
    if spec.is_list:
        one = Spec(name=spec.name, default=spec.default[0], text='', range=spec.range,
                   choices=spec.choices)
        length = len(spec.default) if spec.fixed_length else int(rng.integers(0, 5))
        return [_some_value(rng, one) for _ in range(length)]
    if spec.choices:
        return pick(rng, spec.choices)
    if spec.range is not None:
        ends = (spec.range.least, spec.range.most, spec.range.also, spec.default,
                float(rng.uniform(spec.range.least, spec.range.most)),
                float(spec.range.least + rng.exponential(0.1)))
        value = pick(rng, [end for end in ends if end is not None])
        return int(value) if spec.is_whole else float(value)
    if isinstance(spec.default, bool):
        return bool(rng.integers(2))
    return pick(rng, ('', '/', 'camera', '/camera', 'é', '\0', 'a' * 5000))


def _parameter_step(rng: Rng, specs: Mapping[str, Spec]) -> Step:
    """As ROS sets them: of the declared types, and not those that are for the start only."""
    dynamic = [spec for spec in specs.values() if spec.dynamic]
    given = {}
    for _ in range(int(rng.integers(1, 5))):
        spec = pick(rng, dynamic)
        value = _some_value(rng, spec)
        if type(value) is type(spec.default):
            given[spec.name] = value
    parameters = [SimpleNamespace(name=name, value=value) for name, value in given.items()]
    return lambda node: node._on_parameters(parameters)


def _parameters(rng: Rng, specs: Mapping[str, Spec]) -> Read:
    given = {spec.name: _some_value(rng, spec) for spec in (
        pick(rng, tuple(specs.values())) for _ in range(int(rng.integers(1, 9))))}
    wild = rng.random() < 0.3
    steps = [_message_step(rng, *_good(rng)) for _ in range(20)]
    steps.insert(8, _parameter_step(rng, specs))
    steps.insert(14, _parameter_step(rng, specs))

    def read() -> None:
        values = _defaults(specs) | CALIBRATED
        for name, value in given.items():
            try:
                specs[name].check(value)
                settings_from_values({**values, name: value})
            except ConfigError:
                if wild:
                    raise
                continue
            values[name] = value
        node = Callbacks(values)
        with running():
            for step in steps:
                step(node)

    return read


# The injector


def _injected(rng: Rng) -> Read:
    data = _schedule(rng)
    live = {}
    if rng.random() < 0.3:
        name = pick(rng, NAMES)
        faults = _faults_of(name) if rng.random() < 0.8 else ['', *FAULTS]
        live[name] = pick(rng, faults), float(pick(rng, (1.0, 1.0, 0.5, 0.001, 0.0, np.nan)))
    sent = [_serialized(rng) for _ in range(int(rng.integers(1, 12)))]
    unit_m = float(pick(rng, (0.001, 1e-6, 1.0)))
    given_start = pick(rng, (None, None, 0, STAMP_NS, 2**62))

    def read() -> None:
        relay = bags.FaultRelay(FaultSchedule.from_dict(data), given_start,
                                {'depth': {'unit_m': unit_m}})
        relay.set_live(live_faults(live))
        with running():
            for modality, msgtype, cdr in sent:
                relay.relay(modality, msgtype, cdr)
                relay.relay_info(modality, cdr)
                if relay.newest_stamp_ns is not None:
                    relay.update(relay.newest_stamp_ns)

    return read


def _schedule(rng: Rng) -> Any:  # noqa: ANN401 - what YAML holds
    faults = []
    for index in range(int(rng.integers(1, 5))):
        modality = pick(rng, NAMES)
        start_s = float(pick(rng, (0.0, 0.0, 0.1, 1.0, 5.0, 1e-300, 9e8)))
        faults.append({
            'name': f'fault {index}', 'modality': modality,
            'fault': pick(rng, _faults_of(modality)),
            'start_s': start_s,
            'end_s': float(pick(rng, (start_s + 0.5, start_s + 3.0, 1e9, np.inf))),
            'severity': float(pick(rng, (1.0, 0.5, 0.001, 0.999999, rng.random())))})
    data = {'seed': int(pick(rng, (0, 1, 2**31, 10**17))), 'faults': faults}
    return altered(rng, data) if rng.random() < 0.3 else data


def _faults_of(modality: str) -> list[str]:
    return [name for name, row in FAULTS.items() if modality in row.modalities]


def _serialized(rng: Rng) -> tuple[str, str, bytes]:
    modality, message = _good(rng)
    step_ns = int(rng.integers(0, 8 * S))
    stamp_ns = pick(rng, (STAMP_NS + step_ns, STAMP_NS + step_ns, STAMP_NS - step_ns, 0,
                          2**31 * S - 1))
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, S)
    cdr = bags.to_cdr(message)
    kind = rng.random()
    if kind < 0.3:
        cdr = damaged(rng, cdr)
    msgtype = message.__msgtype__ if rng.random() < 0.95 else pick(
        rng, ('sensor_msgs/msg/CompressedImage', 'sensor_msgs/msg/Image',
              'sensor_msgs/msg/PointCloud2'))
    return modality, msgtype, cdr
