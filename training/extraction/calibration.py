# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the sensors of a recording sit: as it was recorded, or from a sensor file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
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
    size = event_size = _size(path, topics['rgb'], MODALITIES['rgb'].message_types, _decoded_size)
    event = topics['event_info']
    if bag_info(path).counts.get(event):
        event_size = _size(path, event, ['sensor_msgs/msg/CameraInfo'], _told_size)
    return PlacedRig(rig=build_rig(specs, *size, event_size))


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


def _size(path: Path, topic: str, types: Sequence[str],
          size_of: Callable[[Any], tuple[int, int]]) -> tuple[int, int]:
    """(width, height) that the first readable message on a topic tells."""
    for recorded in read_bag(path, [topic]):
        with suppress(BadMessageError):
            return size_of(recorded.message_of(types))
    raise BagError(f'{path}: nothing readable on {topic}; the size of its images is needed')


def _decoded_size(message: Any) -> tuple[int, int]:  # noqa: ANN401 - an image of any kind
    height, width = MODALITIES['rgb'].decode(message).shape[:2]
    return width, height


def _told_size(message: Any) -> tuple[int, int]:  # noqa: ANN401 - a CameraInfo
    return int(message.width), int(message.height)
