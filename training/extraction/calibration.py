# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the sensors of a recording sit: as it was recorded, or from a sensor file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from anymodal_seg_ros.bags import bag_info, read_bag, read_recorded_rig
from anymodal_seg_ros.errors import BadMessageError, BagError
from anymodal_seg_ros.geometry import CameraModel, Rig
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.placement import PlacedRig
from anymodal_seg_ros.sim.vehicle import build_rig, load_sensors


def read_calibration(path: Path, topics: Mapping[str, str], modalities: Collection[str],
                     sensors: Path | None = None) -> PlacedRig:
    """The rig of a recording, and which of its sensors cannot be placed.

    Args:
        path: the recording.
        topics: keyed like ``anymodal_seg_ros.bags.TOPICS``.
        modalities: of which sensors something is read; always of the rgb camera.
        sensors: a file like ``config/sensors/sim.yaml`` that counts instead of the recorded
            CameraInfo and /tf_static; only the sizes of the images are then read.

    Raises:
        BagError: what is needed was not recorded.
        ConfigError: the sensor file is wrong.
    """
    if sensors is None:
        return read_recorded_rig(path, topics, modalities=modalities, needs_camera=True)
    specs = load_sensors(sensors)
    width, height = _image_size(path, topics, 'rgb')
    event = topics['event_info']
    is_recorded = bool(bag_info(path).counts.get(event))
    event_size = _info_size(path, event) if is_recorded else (width, height)
    return PlacedRig(rig=build_rig(specs, width, height, event_size))


def calibration_dict(rig: Rig) -> dict[str, Any]:
    """All of a rig as plain data."""
    return {
        'camera': _camera_dict(rig.camera),
        'cameras': {name: _camera_dict(camera) for name, camera in sorted(rig.cameras.items())},
        'camera_T': {name: matrix.tolist() for name, matrix in sorted(rig.camera_T.items())},
        'camera_frame': rig.camera_frame,
        'base_z_m': rig.base_z_m,
        'up_camera': rig.up_camera.tolist(),
    }


def sha256_of(data: Any) -> str:  # noqa: ANN401 - any JSON data
    """Hash of JSON data, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _camera_dict(camera: CameraModel) -> dict[str, Any]:
    return {'width_px': camera.width_px, 'height_px': camera.height_px,
            'K': camera.K.tolist(), 'D': camera.D.tolist(),
            'distortion_model': camera.distortion_model}


def _image_size(path: Path, topics: Mapping[str, str], modality: str) -> tuple[int, int]:
    """(width, height) of the first readable image."""
    for recorded in read_bag(path, [topics[modality]]):
        try:
            message = recorded.message_of(MODALITIES[modality].message_types)
            height, width = MODALITIES[modality].decode(message).shape[:2]
        except BadMessageError:
            continue
        return width, height
    raise BagError(f'{path}: no readable image on {topics[modality]}; its size is needed')


def _info_size(path: Path, topic: str) -> tuple[int, int]:
    """(width, height) that the first CameraInfo tells."""
    for recorded in read_bag(path, [topic]):
        try:
            message = recorded.message_of(['sensor_msgs/msg/CameraInfo'])
        except BadMessageError:
            continue
        return int(message.width), int(message.height)
    raise BagError(f'{path}: no readable CameraInfo on {topic}')
