# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Static transforms and the sensor rig of a recording. Layer: bags."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.bags.reading import BagMessage, read_bag
from anymodal_seg_ros.calibration import read_camera_info
from anymodal_seg_ros.errors import BadMessageError, BagError, ConfigError
from anymodal_seg_ros.extrinsics import Lookup, RigKeeper, Transform
from anymodal_seg_ros.geometry import Rig, invert_transform, transform_from_quaternion
from anymodal_seg_ros.intrinsics import CAMERAS, image_size
from anymodal_seg_ros.modalities import MODALITIES, Decoder, build_decoders
from anymodal_seg_ros.placement import PlacedRig

Float64Array = npt.NDArray[np.float64]
StaticTransforms = Mapping[str, tuple[str, Float64Array]]
"""Child frame to (parent frame, parent_T_child)."""

TOPICS: Mapping[str, str] = {
    **{name: f'/{modality.topic}' for name, modality in MODALITIES.items()},
    **{f'{name}_info': f'/{MODALITIES[name].camera_info_topic}' for name in CAMERAS},
    'label': '/ground_truth/label',
}
"""Topics where nothing else is said: a modality, ``<modality>_info`` for its camera, ``label`` for
the ground truth of a simulation."""

BASE_FRAME = 'base_link'
_TF_STATIC = '/tf_static'
_TF_TYPE = 'tf2_msgs/msg/TFMessage'
_INFO_TYPE = 'sensor_msgs/msg/CameraInfo'
# What a decoder may raise by accident for data nobody thought of.
_DECODE_ERRORS = (ValueError, TypeError, OverflowError, MemoryError, cv2.error)

logger = logging.getLogger(__name__)


def read_tf_static(path: Path | str) -> dict[str, tuple[str, Float64Array]]:
    """All static transforms of a recording; the last one recorded for a child counts.

    Returns child frame to (parent frame, parent_T_child float64 [4, 4]); empty without /tf_static.
    One that is malformed or not finite is passed over with a warning.

    Raises:
        BagError: nothing in the recording can be read.
    """
    transforms: dict[str, tuple[str, Float64Array]] = {}
    for recorded in read_bag(path, [_TF_STATIC]):
        try:
            stamped = recorded.message_of([_TF_TYPE]).transforms
        except BadMessageError as error:
            logger.warning('%s: %s: %s', path, _TF_STATIC, error)
            continue
        for one in stamped:
            t, q = one.transform.translation, one.transform.rotation
            child = one.child_frame_id.lstrip('/')
            try:
                parent_T_child = transform_from_quaternion((t.x, t.y, t.z), (q.x, q.y, q.z, q.w))
            except ConfigError as error:
                logger.warning('%s: %s: the pose of %s is not used: %s', path, _TF_STATIC, child,
                               error)
                continue
            transforms[child] = (one.header.frame_id.lstrip('/'), parent_T_child)
    return transforms


def lookup_transform(transforms: StaticTransforms, target: str, source: str) -> Float64Array:
    """``target_T_source`` [4, 4], chained over common ancestors; frames may be in any order.

    Raises:
        BagError: the frames are not connected, or there is a loop.
    """
    root_T_target, target_root = _to_root(transforms, target)
    root_T_source, source_root = _to_root(transforms, source)
    if target_root != source_root:
        known = ', '.join(sorted(transforms)) or 'none'
        raise BagError(f'no static transform from {source!r} to {target!r}; '
                       f'frames with a parent: {known}')
    return invert_transform(root_T_target) @ root_T_source


def _to_root(transforms: StaticTransforms, frame: str) -> tuple[Float64Array, str]:
    root_T_frame: Float64Array = np.eye(4)
    visited = {frame}
    while frame in transforms:
        frame, parent_T_child = transforms[frame]
        root_T_frame = parent_T_child @ root_T_frame
        if frame in visited:
            raise BagError(f'static transforms form a loop through {frame!r}')
        visited.add(frame)
    return root_T_frame, frame


def static_lookup(path: Path | str) -> Lookup:
    """The static transforms of a recording, as a ``RigKeeper`` asks for them."""
    transforms = read_tf_static(path)

    def lookup(target: str, source: str) -> Transform | None:
        try:
            return lookup_transform(transforms, target, source)
        except BagError:
            return None

    return lookup


def read_recorded_rig(path: Path | str, topics: Mapping[str, str] = TOPICS, *,
                      modalities: Collection[str] = tuple(MODALITIES),
                      needs_camera: bool = False) -> PlacedRig:
    """Where the sensors of a recording sit, by the rules by which the node places them.

    ``topics`` is keyed like ``TOPICS``. What counts is the first usable message of each topic,
    and /tf_static. Topics without one, and why, are warnings: no sensor is mandatory, but with
    ``needs_camera`` the rgb camera's calibration is. Of sensors that are not in ``modalities``
    nothing is read, but for the rgb camera, in whose picture the others are placed.

    Raises:
        BagError: nothing in the recording can be read, or there is no calibration that is needed.
    """
    placed = {'rgb', *modalities}
    first = _first_usable(path, {key: topic for key, topic in topics.items()
                                 if key.removesuffix('_info') in placed})
    keeper = RigKeeper(camera_frame='', base_frame=BASE_FRAME, lookup=static_lookup(path))
    for modality in CAMERAS:
        found = first.get(f'{modality}_info')
        if found is not None:
            keeper.on_camera_info(modality, found[0])
    for modality in MODALITIES:
        found = first.get(modality)
        if found is not None:
            message, data = found
            keeper.on_sample(modality, message.header.frame_id.lstrip('/'), data)
    if needs_camera and 'rgb' not in keeper.camera_sources:
        raise BagError(f'{path}: no CameraInfo on {topics.get("rgb_info")} that can be used; the '
                       'camera model is needed')
    unplaced = {modality: problem for modality in MODALITIES
                if modality in first and (problem := keeper.problem(modality))}
    for modality, problem in unplaced.items():
        frame = first[modality][0].header.frame_id
        logger.warning('%s: %s in frame %r is left out, for it cannot be placed in the picture of '
                       '%s in frame %r: %s', path, modality, frame, keeper.reference,
                       keeper.rig.camera_frame, problem)
    return PlacedRig(rig=keeper.rig, unplaced=unplaced)


def read_rig(path: Path | str, topics: Mapping[str, str] = TOPICS, *,
             modalities: Collection[str] = tuple(MODALITIES)) -> Rig:
    """The rig of a recording whose rgb camera is calibrated; see ``read_recorded_rig``."""
    return read_recorded_rig(path, topics, modalities=modalities, needs_camera=True).rig


def _first_usable(path: Path | str, topics: Mapping[str, str]) -> dict[str, tuple[Any, Any]]:
    """The first message of each topic that can be used, and its data; keyed like ``topics``."""
    keys = {topic: key for key, topic in topics.items()}
    found: dict[str, tuple[Any, Any]] = {}
    problems: dict[str, str] = {}
    decoders = build_decoders()
    with read_bag(path, tuple(keys)) as reader:
        missing = {keys[topic] for topic, count in reader.info().counts.items()
                   if topic in keys and count}
        for recorded in reader if missing else ():
            key = keys[recorded.topic]
            if key not in missing:
                continue
            try:
                found[key] = _usable(key, recorded, decoders)
                missing.discard(key)
            except BadMessageError as error:
                problems.setdefault(key, str(error))
            if not missing:
                break
    for key, problem in problems.items():
        outcome = 'the first messages are not used' if key in found else 'no message can be used'
        logger.warning('%s: %s: %s: %s', path, key, outcome, problem)
    return found


def _usable(key: str, recorded: BagMessage, decoders: Mapping[str, Decoder]) -> tuple[Any, Any]:
    if key not in MODALITIES:
        message = recorded.message_of([_INFO_TYPE])
        read_camera_info(message)
        return message, None
    return decode_message(key, recorded, decoders[key])


def decode_message(modality: str, recorded: BagMessage,
                   decoder: Decoder) -> tuple[Any, npt.NDArray[Any]]:
    """A recorded message of a sensor, and its data in ``Sample.data``'s form.

    Raises:
        BadMessageError: it is malformed, or of a type that this sensor does not have.
    """
    message = recorded.message_of(MODALITIES[modality].message_types)
    try:
        data = decoder.decode(message)
    except _DECODE_ERRORS as error:
        raise BadMessageError('data', repr(error)) from None
    image_size(modality, data)
    return message, data
