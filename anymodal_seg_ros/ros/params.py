# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of ``segmentation_node``: one table, and the settings made from its values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.extrinsics import BASE
from anymodal_seg_ros.geometry import (
    FOV_RANGE_DEG,
    MAX_IMAGE_SIDE_PX,
    OFFSET_RANGE_M,
    CameraModel,
    transform_from_quaternion,
)
from anymodal_seg_ros.health import DEFAULTS as HEALTH_DEFAULTS
from anymodal_seg_ros.health import HealthConfig, check_reasons
from anymodal_seg_ros.inference import BACKENDS, GUIDANCE_RANGE, THREAD_RANGE
from anymodal_seg_ros.intrinsics import CAMERAS
from anymodal_seg_ros.modalities import MODALITIES, Decoding, check_decoding, gathered_decoding
from anymodal_seg_ros.pipeline import check_together
from anymodal_seg_ros.ranges import Range, RangedConfig, range_beside
from anymodal_seg_ros.resources import resource_path
from anymodal_seg_ros.ros.declaration import Spec
from anymodal_seg_ros.ros.inputs import NamedQos
from anymodal_seg_ros.ros.qos import QOS_NAMES
from anymodal_seg_ros.session import SessionSettings
from anymodal_seg_ros.sync import DEFAULT_INPUTS, SyncConfig

AREAS = ('inputs', 'camera', 'cameras', 'extrinsics', 'sync', 'health', 'model', 'output',
         'diagnostics')
"""Prefixes of this node's parameters; a misspelt name below one of them is an error."""
NO_POSE = [0.0] * 7
PLACED: Mapping[str, str] = {
    **{name: f'the {modality.title}' for name, modality in MODALITIES.items() if name != 'rgb'},
    BASE: 'the base frame',
}
"""What has a pose relative to the rgb camera, by its key among the extrinsics."""

_LEARNT = 'what was learnt of each sensor is judged by it at once'
_NEXT = 'holds from the next message on'
_SETS = 'holds for the samples that wait and the sets to come'
_SILENCE = 'the silence that runs is judged by it at the next tick'
_PROBATION = 'holds for a probation that runs'


@dataclass(frozen=True, slots=True)
class Setting:
    """A field of a component's configuration as a parameter; its range is the field's."""

    text: str
    effect: str


SYNC_FIELDS: Mapping[str, Setting] = {
    'max_wait_s': Setting('A set goes out at the latest this long after its reference arrived',
                          'holds for sets that wait: those that are due go out at once'),
    'max_silence_s': Setting('A reference silent for longer hands over to another sensor',
                             _LEARNT),
    'max_misses': Setting('After this many missing samples in a row none is waited for', _LEARNT),
    'arrival_margin_s': Setting('A sample is overdue this long after its learnt arrival',
                                _LEARNT),
    'max_future_s': Setting('A stamp farther ahead of the clock is dropped', _NEXT),
    'max_past_s': Setting('A stamp farther behind the clock is dropped', _NEXT),
    'reset_jump_s': Setting('Time running back by more than this is a restart', _NEXT),
}
INPUT_FIELDS: Mapping[str, Setting] = {
    'tolerance_s': Setting("Greatest distance between its stamp and the set's", _SETS),
    'max_age_s': Setting('An older sample may serve while it is younger than this; 0 = never',
                         _SETS),
}
HEALTH_FIELDS: Mapping[str, Setting] = {
    'grace_s': Setting('Silence after the start before it counts as never received',
                       'counts from the same start'),
    'expected_rate_hz': Setting('Nominal rate; 0 = learn it',
                                'takes the place of the learnt rate at once; 0 returns to that'),
    'timeout_periods': Setting('Lost after this many periods without a message', _SILENCE),
    'timeout_floor_s': Setting('Never lost before this long without a message', _SILENCE),
    'max_latency_s': Setting('Latency above the usual from which samples are withheld', _NEXT),
    'stale_s': Setting('Latency from which a sample is stale, whatever is usual', _NEXT),
    'future_s': Setting('How far a stamp may lie ahead of the clock', _NEXT),
    'probation_s': Setting('Least time of good samples before trust returns', _PROBATION),
    'probation_max_s': Setting('Longest probation of a sensor that keeps failing', _PROBATION),
    'event_silence_s': Setting('Few events for this long are silence',
                               'the silence that runs is judged by it at the next message'),
    'scan_min_points': Setting('A scan with fewer points is empty', _NEXT),
}


def _config_specs(
    prefix: str, config: RangedConfig, fields: Mapping[str, Setting]
) -> Iterable[Spec]:
    for name, setting in fields.items():
        yield Spec(name=f'{prefix}.{name}', default=getattr(config, name), text=setting.text,
                   range=range_beside(config, name, fields), effect=setting.effect)


def _camera_specs(prefix: str, what: str) -> Iterable[Spec]:
    text = f'of {what} while no camera info has come; 0 = not given'
    side_px = Range(1, MAX_IMAGE_SIDE_PX, also=0)
    yield Spec(name=f'{prefix}.width_px', default=0, text=f'Image width {text}', range=side_px)
    yield Spec(name=f'{prefix}.height_px', default=0, text=f'Image height {text}', range=side_px)
    yield Spec(name=f'{prefix}.horizontal_fov_deg', default=0.0,
               text=f'Horizontal field of view {text}', range=replace(FOV_RANGE_DEG, also=0.0))


def _input_specs(modality: str) -> Iterable[Spec]:
    prefix = f'inputs.{modality}'
    yield Spec(name=f'{prefix}.enabled', default=True, text='Whether the sensor is used',
               effect='off: no subscription, its health and waiting samples are forgotten; on: it '
                      'starts at waiting; its counts stay')
    row = MODALITIES[modality]
    forms = tuple(row.forms)
    if len(forms) > 1:
        yield Spec(name=f'{prefix}.form', default=forms[0], choices=forms,
                   text=f'Form of the messages on {row.topic}')
    for setting in row.decoder_settings:
        yield Spec(name=f'{prefix}.{setting.name}', default=setting.default, range=setting.range,
                   text=setting.text_with_bundle)
    yield Spec(name=f'{prefix}.qos', default='BEST_AVAILABLE', choices=QOS_NAMES,
               text='Quality of service; BEST_AVAILABLE is reliable unless a publisher is not')
    yield Spec(name=f'{prefix}.qos_depth', default=row.qos_depth,
               text='Messages kept while the node is busy', range=Range(1, 1000))
    yield from _config_specs(prefix, DEFAULT_INPUTS[modality], INPUT_FIELDS)


def _health_specs(modality: str) -> Iterable[Spec]:
    config = HEALTH_DEFAULTS[modality]
    yield from _config_specs(f'health.{modality}', config, HEALTH_FIELDS)
    yield Spec(name=f'health.{modality}.frame_id', default=config.frame_id, effect=_NEXT,
               text='Frame that every message must name; empty = not checked')
    yield Spec(name=f'health.{modality}.skip_checks', default=sorted(config.skip_checks) or [''],
               choices=check_reasons(modality),
               text='Reason codes of content checks that are off',
               effect='a check that is switched off forgets its evidence; one that is switched on '
                      'knows what is usual')


def parameter_specs() -> list[Spec]:
    """Every parameter of the node, in the order of the parameter file."""
    specs = [
        Spec(name='bundle', default='',
             text='Folder of the bundle to run; empty = the default one'),
        Spec(name='model.backend', default='torch', choices=tuple(BACKENDS),
             text='What executes the network'),
        Spec(name='model.device', default='auto', text='auto, cpu, cuda or cuda:<index>'),
        Spec(name='model.precision', default='auto', choices=('auto', 'fp32', 'fp16', 'bf16'),
             text='Arithmetic of the network; auto = what suits the device'),
        Spec(name='model.num_threads', default=0, range=THREAD_RANGE,
             text='CPU threads of the network; 0 = the library\'s choice'),
        Spec(name='model.guidance_frames', default=1, range=GUIDANCE_RANGE,
             text='Frames that what CLIP sees serves in a segrgbx; 1 with other networks'),
        Spec(name='model.warm_up', default=True,
             text='Run every combination of sensors once before subscribing'),
        Spec(name='camera.frame_id', default='camera_optical_frame',
             text='Frame of the label images until a camera message names it'),
        Spec(name='extrinsics_bag', default='',
             text='Recording whose /tf_static and camera infos serve where nothing else does'),
        Spec(name='base_frame', default='base_link',
             text='Frame of the vehicle on the ground, for heights above it'),
        Spec(name='output.overlay_alpha', default=0.5, range=Range(0.0, 1.0),
             text='Opacity of the label colours in ~/overlay',
             effect='holds from the next one on'),
        Spec(name='diagnostics.rate_hz', default=1.0, range=Range(0.1, 50.0),
             text='Least rate of /diagnostics; every change is published at once'),
        Spec(name='diagnostics.tick_hz', default=20.0, range=Range(5.0, 100.0),
             text='How often silent sensors are looked for'),
        Spec(name='diagnostics.hardware_id', default='',
             text='hardware_id of the diagnostics; empty = name of the machine'),
        Spec(name='clock_jump_s', default=5.0, range=Range(0.1, 3600.0),
             text='A clock that leaps ahead by more than this restarts everything learnt'),
    ]
    specs += _camera_specs('camera', 'the reference camera')
    specs += _config_specs('sync', SyncConfig(), SYNC_FIELDS)
    for modality in MODALITIES:
        specs += _input_specs(modality)
        specs += _health_specs(modality)
    for modality in CAMERAS:
        if modality != 'rgb':
            specs += _camera_specs(f'cameras.{modality}', f'the {MODALITIES[modality].title}')
    specs += [
        Spec(name=f'extrinsics.{key}', default=list(NO_POSE), fixed_length=True,
             range=OFFSET_RANGE_M,
             text=f'Pose of {what} in the camera\'s optical frame: x y z in metres and quaternion '
                  'x y z w; all zero = not given')
        for key, what in PLACED.items()
    ]
    return specs


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Settings:
    """What the parameters mean. Raises ConfigError (from the parts) for what cannot be."""

    bundle_path: Path
    session: SessionSettings
    forms: Mapping[str, str]
    """Modality to a key of its row's ``forms``."""
    decoding: Decoding
    qos: Mapping[str, NamedQos]
    cameras: Mapping[str, CameraModel]
    """Only cameras that are given; ``rgb`` is the reference camera."""
    extrinsics: Mapping[str, npt.NDArray[np.float64]]
    camera_frame: str
    base_frame: str
    overlay_alpha: float

    def is_enabled(self, modality: str) -> bool:
        """Whether the user wants this sensor."""
        return self.session.health[modality].enabled


def settings_from_values(values: Mapping[str, Any]) -> Settings:
    """Settings from the values of all parameters.

    Raises:
        ConfigError: a value, or a combination of values, is not allowed.
    """
    sync: SyncConfig = _fill(SyncConfig(), 'sync', SYNC_FIELDS, values)
    health = {m: _health(m, values) for m in MODALITIES}
    check_together(sync, health)
    return Settings(
        bundle_path=bundle_path(values['bundle']),
        session=SessionSettings(
            sync=sync, health=health,
            inputs={m: _fill(DEFAULT_INPUTS[m], f'inputs.{m}', INPUT_FIELDS, values)
                    for m in MODALITIES}),
        forms={m: values.get(f'inputs.{m}.form', next(iter(row.forms)))
               for m, row in MODALITIES.items()},
        decoding=_decoding(values),
        qos={
            m: NamedQos(name=values[f'inputs.{m}.qos'], depth=values[f'inputs.{m}.qos_depth'])
            for m in MODALITIES
        },
        cameras=_cameras(values),
        extrinsics=_extrinsics(values),
        camera_frame=_frame('camera.frame_id', values),
        base_frame=_frame('base_frame', values),
        overlay_alpha=values['output.overlay_alpha'],
    )


def bundle_path(text: str) -> Path:
    """The folder that the parameter ``bundle`` stands for."""
    return Path(text).expanduser() if text else resource_path('bundles') / 'default'


def _decoding(values: Mapping[str, Any]) -> Decoding:
    decoding = gathered_decoding(values, 'inputs.{}.')
    check_decoding(decoding, 'inputs.{}.')
    return decoding


def _fill(config: Any, prefix: str, fields: Iterable[str], values: Mapping[str, Any]) -> Any:  # noqa: ANN401
    given = {name: values[f'{prefix}.{name}'] for name in fields}
    try:
        return replace(config, **given)
    except ConfigError as error:
        raise ConfigError(f'{prefix}.{error}') from None


def _health(modality: str, values: Mapping[str, Any]) -> HealthConfig:
    prefix = f'health.{modality}'
    config: HealthConfig = _fill(HEALTH_DEFAULTS[modality], prefix, HEALTH_FIELDS, values)
    skipped = frozenset(filter(None, values[f'{prefix}.skip_checks']))
    name = f'{prefix}.frame_id'
    frame_id = _frame(name, values) if values[name] else ''
    return replace(config, skip_checks=skipped, frame_id=frame_id,
                   enabled=values[f'inputs.{modality}.enabled'])


def _frame(name: str, values: Mapping[str, Any]) -> str:
    """A frame as messages name it, without the slash that ROS 1 had before it."""
    frame: str = values[name].lstrip('/')
    if not frame or frame != frame.strip() or not frame.isprintable():
        raise ConfigError(f'{name} is {values[name]!r}; the name of a frame is needed')
    return frame


def _cameras(values: Mapping[str, Any]) -> dict[str, CameraModel]:
    cameras = {}
    for modality in CAMERAS:
        prefix = 'camera' if modality == 'rgb' else f'cameras.{modality}'
        size = (values[f'{prefix}.width_px'], values[f'{prefix}.height_px'])
        fov_deg = values[f'{prefix}.horizontal_fov_deg']
        if not any((*size, fov_deg)):
            continue
        if not all((*size, fov_deg)):
            raise ConfigError(f'{prefix}: width_px, height_px and horizontal_fov_deg are '
                              f'{(*size, fov_deg)}; all three or none must be given')
        try:
            cameras[modality] = CameraModel.from_fov(*size, fov_deg)
        except ConfigError as error:
            raise ConfigError(f'{prefix}: {error}') from None
    return cameras


def _extrinsics(values: Mapping[str, Any]) -> dict[str, npt.NDArray[np.float64]]:
    extrinsics = {}
    for key in PLACED:
        pose = list(values[f'extrinsics.{key}'])
        if pose != NO_POSE:
            try:
                extrinsics[key] = transform_from_quaternion(pose[:3], pose[3:])
            except ConfigError as error:
                raise ConfigError(f'extrinsics.{key}: {error}') from None
    return extrinsics
