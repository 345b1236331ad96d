# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Static transforms and the sensor rig of a recording. Layer: bags."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.bags.reading import read_bag
from anymodal_seg_ros.calibration import read_camera_info
from anymodal_seg_ros.errors import BadMessageError, BagError, ConfigError
from anymodal_seg_ros.geometry import (
    CameraModel,
    Rig,
    invert_transform,
    transform_from_quaternion,
)
from anymodal_seg_ros.intrinsics import Intrinsics, image_size
from anymodal_seg_ros.modalities import build_decoders

Float64Array = npt.NDArray[np.float64]
StaticTransforms = Mapping[str, tuple[str, Float64Array]]
"""Child frame to (parent frame, parent_T_child)."""

TOPICS: Mapping[str, str] = {
    'rgb': '/camera/image',
    'rgb_info': '/camera/camera_info',
    'depth': '/depth/image',
    'depth_info': '/depth/camera_info',
    'lidar': '/lidar/points',
    'event': '/events',
    'label': '/ground_truth/label',
}
"""Topics of a simulated recording: a modality, ``<modality>_info`` for its camera, ``label``."""

BASE_FRAME = 'base_link'
_TF_STATIC = '/tf_static'
_OTHER_SENSORS = ('depth', 'lidar', 'event')

logger = logging.getLogger(__name__)


def read_tf_static(path: Path | str) -> dict[str, tuple[str, Float64Array]]:
    """All static transforms of a recording; the last one recorded for a child counts.

    Returns child frame to (parent frame, parent_T_child float64 [4, 4]); empty without /tf_static.

    Raises:
        BagError: the recording is damaged or a transform in it is not finite.
    """
    transforms: dict[str, tuple[str, Float64Array]] = {}
    for recorded in read_bag(path, [_TF_STATIC]):
        try:
            for stamped in recorded.message().transforms:
                t, q = stamped.transform.translation, stamped.transform.rotation
                parent_T_child = transform_from_quaternion((t.x, t.y, t.z), (q.x, q.y, q.z, q.w))
                child = stamped.child_frame_id.lstrip('/')
                transforms[child] = (stamped.header.frame_id.lstrip('/'), parent_T_child)
        except (BadMessageError, ConfigError) as error:
            raise BagError(f'{path}: {_TF_STATIC}: {error}') from None
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


def _first_messages(path: Path | str, topics: list[str]) -> dict[str, Any]:
    """The first readable message of each topic that has one."""
    first: dict[str, Any] = {}
    with read_bag(path, topics) as reader:
        missing = {topic for topic, count in reader.info().counts.items()
                   if topic in topics and count}
        for recorded in reader if missing else ():
            if recorded.topic in missing:
                try:
                    first[recorded.topic] = recorded.message()
                    missing.discard(recorded.topic)
                except BadMessageError as error:
                    logger.warning('%s: skipped a message of %s: %s', path, recorded.topic, error)
            if not missing:
                break
    return first


def read_rig(path: Path | str, topics: Mapping[str, str] = TOPICS) -> Rig:
    """The sensors' rig, from the recording's CameraInfo messages and /tf_static.

    ``topics`` is keyed like ``TOPICS``. Cameras have the size of their first images. A sensor in
    the camera's own frame, or without header frame, needs no transform; one that /tf_static does
    not connect to the camera is left out of ``camera_T`` with a warning. ``base_z_m`` and
    ``up_camera`` come from ``base_link`` if present.

    Raises:
        BagError: there is no usable CameraInfo for ``rgb_info``, or the recording is damaged.
    """
    wanted = [topic for key, topic in topics.items() if key != 'label']
    first = _first_messages(path, wanted)
    reference = first.get(topics.get('rgb_info', ''))
    if reference is None:
        raise BagError(f'{path}: no CameraInfo on {topics.get("rgb_info")}; '
                       'the camera model is needed')
    try:
        rig = Rig(camera=_camera('rgb', reference, first.get(topics.get('rgb', ''))),
                  camera_frame=reference.header.frame_id.lstrip('/'))
        for modality in _OTHER_SENSORS:
            info = first.get(topics.get(f'{modality}_info', ''))
            if info is not None:
                image = first.get(topics.get(modality, ''))
                rig = rig.with_camera(modality, _camera(modality, info, image))
    except BadMessageError as error:
        raise BagError(f'{path}: CameraInfo: {error}') from None
    return _with_static_transforms(rig, path, topics, first)


def _camera(modality: str, info: Any, image: Any) -> CameraModel:  # noqa: ANN401 - messages
    """The camera of ``info``, at the size of the first image where it fits that."""
    camera = read_camera_info(info)
    intrinsics = Intrinsics(modality)
    intrinsics.learn('camera_info', camera)
    size = None
    if image is not None:
        try:
            size = image_size(modality, build_decoders()[modality].decode(image))
        except BadMessageError as error:
            logger.warning('the first image of %s: %s', modality, error)
    if size is not None:
        intrinsics.see(size)
    return intrinsics.camera or camera


def _with_static_transforms(rig: Rig, path: Path | str, topics: Mapping[str, str],
                            first: Mapping[str, Any]) -> Rig:
    transforms = read_tf_static(path)
    for modality in _OTHER_SENSORS:
        message = first.get(topics.get(modality, ''))
        frame = '' if message is None else message.header.frame_id.lstrip('/')
        if frame in ('', rig.camera_frame):
            continue
        try:
            camera_T_sensor = lookup_transform(transforms, rig.camera_frame, frame)
            rig = rig.with_extrinsic(modality, camera_T_sensor)
        except BagError as error:
            logger.warning('%s: extrinsic of %s: %s', path, modality, error)
    try:
        base_T_camera = lookup_transform(transforms, BASE_FRAME, rig.camera_frame)
    except BagError:
        return rig
    return Rig(camera=rig.camera, cameras=rig.cameras, camera_T=rig.camera_T,
               camera_frame=rig.camera_frame, base_z_m=float(base_T_camera[2, 3]),
               up_camera=base_T_camera[2, :3])
