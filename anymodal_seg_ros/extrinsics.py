# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the sensors sit, gathered from camera infos, transforms, parameters and a recording.

Node and bag driver place their sensors by the same rules. Above intrinsics.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.calibration import fit_to_image, read_camera_info
from anymodal_seg_ros.errors import BadMessageError, ConfigError
from anymodal_seg_ros.geometry import CameraModel, Rig, invert_transform
from anymodal_seg_ros.intrinsics import (
    CAMERAS,
    NO_CAMERA_INFO,
    UNCALIBRATED_FOV_DEG,
    Intrinsics,
    image_size,
)
from anymodal_seg_ros.modalities import MODALITIES

Transform = npt.NDArray[np.float64]
Lookup = Callable[[str, str], Transform | None]
"""(target frame, source frame) -> target_T_source, or None while unknown."""

BASE = 'base'
"""Key of the vehicle's base frame (on the ground, z up) among the extrinsics."""
HAND_OVER_COUNT = 30
"""So many samples of calibrated cameras without a picture of the uncalibrated rgb camera between
them take the reference away from it."""
_log = logging.getLogger(__name__)


@dataclass
class RigKeeper:
    """The rig as it is known now, and where each part of it came from.

    Extrinsics come from tf2, else from parameters, else from a recording; sensors in the
    camera's own frame need none. Cameras come from their camera infos, else from parameters,
    else from the recording, whichever fits the camera's images; another camera without any is
    taken for the reference camera.

    The reference is the rgb camera. While nothing tells its intrinsics and it shows no picture
    either, another camera whose intrinsics are known is the reference instead.

    Args:
        camera_frame: the rgb camera's frame until a message names another; a recording's own
            comes before it.
        base_frame: the vehicle's frame on the ground, for heights above it.
        lookup: tf2, the static transforms of a recording, or None.
        extrinsics: ``camera_T_<sensor>`` by modality (and ``BASE``), from parameters.
        cameras: camera models by modality (``rgb`` is the reference), from parameters.
        recording: a rig read from a recording, or None.
    """

    camera_frame: str
    base_frame: str = 'base_link'
    lookup: Lookup | None = None
    extrinsics: Mapping[str, Transform] = field(default_factory=dict)
    cameras: Mapping[str, CameraModel] = field(default_factory=dict)
    recording: Rig | None = None

    def __post_init__(self) -> None:
        self.reference = 'rgb'
        """The camera on whose plane everything is placed."""
        self.sources: dict[str, str] = {}
        """Where each sensor's pose came from, by modality."""
        self.intrinsics = {name: Intrinsics(name) for name in CAMERAS}
        self._frames: dict[str, str] = {}
        self._num_since_rgb = HAND_OVER_COUNT
        self._refused: set[str] = set()
        if self.recording is not None:
            for name, camera in {'rgb': self.recording.camera, **self.recording.cameras}.items():
                self.intrinsics[name].learn('recording', camera)
        for name, camera in self.cameras.items():
            self.intrinsics[name].learn('parameters', camera)
        self.rig = self._bare_rig()
        self._place_cameras()
        self._elect()
        self.refresh()

    @property
    def camera_sources(self) -> dict[str, str]:
        """Where each camera's intrinsics came from, by modality; those that are known only."""
        return {name: own.source for name, own in self.intrinsics.items()
                if own.camera is not None}

    def calibration_error(self, modality: str) -> str:
        """What is wrong with a camera's calibration beside its images, for the user, or ''."""
        own = self.intrinsics.get(modality)
        return f'{own.problem}: the {own.text}' if own is not None and own.problem else ''

    def problem(self, modality: str) -> str:
        """Why this sensor cannot be projected yet, as a reason code; ``''`` when it can."""
        if modality == self.reference:
            return ''
        if modality == 'rgb' or self.reference not in self.camera_sources:
            return NO_CAMERA_INFO
        own = self.intrinsics.get(modality)
        if own is not None and own.camera is None and (
                own.problem or (modality not in self.rig.cameras and own.size is not None)):
            return own.problem or NO_CAMERA_INFO
        return '' if modality in self.sources else 'no_extrinsic'

    def on_camera_info(self, modality: str, msg: Any) -> None:  # noqa: ANN401 - rclpy's or rosbags'
        """Take the intrinsics of ``msg``; raises BadMessageError when it has none."""
        try:
            camera = read_camera_info(msg)
        except BadMessageError as error:
            self.intrinsics[modality].refuse(f'bad_{error.field}')
            raise
        if self.intrinsics[modality].learn('camera_info', camera):
            self._place_cameras()
        # A driver may stamp images and camera infos differently: an image has the last word.
        if modality not in self._frames:
            self._see_frame(modality, msg.header.frame_id.lstrip('/'))
        self._elect()

    def on_sample(self, modality: str, frame_id: str, data: npt.NDArray[Any]) -> None:
        """Learn a sensor's frame, and the size of a camera's images.

        Raises:
            BadMessageError: no camera has images of such a size.
        """
        size = image_size(modality, data)
        self._elect(modality)
        self._see_frame(modality, frame_id)
        if size is not None and self.intrinsics[modality].see(size):
            self._place_cameras()
            self._elect()

    def refresh(self) -> None:
        """Look every pose up again: tf trees grow and change while a node runs."""
        for modality in MODALITIES:
            if modality not in ('rgb', self.reference):
                self._resolve(modality, self._frames.get(modality, ''))
        self._resolve_base()

    def _elect(self, speaker: str = '') -> None:
        """Choose the reference camera, after a sample of ``speaker`` or a camera info."""
        others = [name for name in CAMERAS if name != 'rgb' and name in self.camera_sources]
        if speaker == 'rgb':
            self._num_since_rgb = 0
        elif speaker in others:
            self._num_since_rgb += 1
        reference = 'rgb'
        if ('rgb' not in self.camera_sources and others
                and self._num_since_rgb >= HAND_OVER_COUNT):
            reference = self.reference if self.reference in others else others[0]
        if reference == self.reference:
            return
        _log.info('the reference camera is now %s', reference)
        self.reference = reference
        self.sources.clear()
        if reference != 'rgb':
            self.sources[reference] = 'reference camera'
        self.rig = self._bare_rig()
        self._place_cameras()
        self.refresh()

    def _bare_rig(self) -> Rig:
        """The rig before any camera was placed and any pose looked up."""
        rig = self.recording or Rig(
            camera=CameraModel.from_fov(512, 512, 90.0), camera_frame=self.camera_frame)
        return replace(rig, cameras={},
                       camera_frame=self._frames.get(self.reference, rig.camera_frame))

    def _place_cameras(self) -> None:
        """Put the cameras into the rig as they are known now, guessed where they are not."""
        own = self.intrinsics[self.reference]
        camera = self.rig.camera if own.camera is None else own.camera
        if own.camera is None and own.size is not None:
            camera = CameraModel.from_fov(*own.size, UNCALIBRATED_FOV_DEG)
        cameras = {}
        for name, other in self.intrinsics.items():
            if name in ('rgb', self.reference):
                continue
            found = other.camera
            if found is None and other.size is not None and not other.problem:
                found = fit_to_image(camera, *other.size)
            if found is not None:
                cameras[name] = found
        self.rig = replace(self.rig, camera=camera, cameras=cameras)

    def _see_frame(self, modality: str, frame_id: str) -> None:
        known = self._frames.get(modality)
        is_resolved = modality in ('rgb', self.reference) or modality in self.sources
        if not frame_id or (known == frame_id and is_resolved):
            return
        self._frames[modality] = frame_id
        if modality == self.reference:
            if frame_id != self.rig.camera_frame:
                self.rig = replace(self.rig, camera_frame=frame_id)
                self.refresh()
        elif modality != 'rgb':
            if known not in (None, frame_id):
                # The pose known so far is that of another frame.
                self.sources.pop(modality, None)
            self._resolve(modality, frame_id)

    def _find(self, key: str, frame: str) -> tuple[Transform | None, str]:
        if self.lookup is not None and frame:
            found = self.lookup(self.rig.camera_frame, frame)
            if found is not None:
                return found, 'tf'
        given, source = self._given(key)
        reference_T_rgb = self._pose_of_rgb() if given is not None else None
        if given is not None and reference_T_rgb is not None:
            return reference_T_rgb @ given, source
        if frame and frame == self.rig.camera_frame:
            return np.eye(4), 'same frame'
        return None, ''

    def _given(self, key: str) -> tuple[Transform | None, str]:
        """``rgb_T_<key>`` from parameters or the recording."""
        if key in self.extrinsics:
            return self.extrinsics[key], 'parameters'
        if self.recording is not None and key in self.recording.camera_T:
            return self.recording.camera_T[key], 'recording'
        return None, ''

    def _pose_of_rgb(self) -> Transform | None:
        """``reference_T_rgb``, for given poses: they are relative to the rgb camera."""
        rgb_frame, frame = self._frames.get('rgb', self.camera_frame), self.rig.camera_frame
        if self.reference == 'rgb':
            return np.eye(4)
        if self.lookup is not None and (found := self.lookup(frame, rgb_frame)) is not None:
            return found
        rgb_T_reference, _ = self._given(self.reference)
        if rgb_T_reference is not None:
            return invert_transform(rgb_T_reference)
        return np.eye(4) if frame == rgb_frame else None

    def _resolve(self, modality: str, frame: str) -> None:
        found, source = self._find(modality, frame)
        if found is None:
            return
        if not np.array_equal(self.rig.camera_T.get(modality, np.zeros(0)), found):
            try:
                self.rig = self.rig.with_extrinsic(modality, found)
            except ConfigError as error:
                self._refuse(modality, modality, error)
                return
        if self.sources.get(modality) != source:
            _log.info('pose of %s relative to the camera: %s', modality, source)
        self.sources[modality] = source

    def _resolve_base(self) -> None:
        found, source = self._find(BASE, self.base_frame)
        if found is not None:
            self._take_base(found, source)
        elif self.recording is not None:
            self.sources[BASE] = 'recording'

    def _take_base(self, camera_T_base: Transform, source: str) -> None:
        height_m, up_camera = float(invert_transform(camera_T_base)[2, 3]), camera_T_base[:3, 2]
        try:
            if height_m != self.rig.base_z_m or (up_camera != self.rig.up_camera).any():
                self.rig = replace(self.rig, base_z_m=height_m, up_camera=up_camera)
        except ConfigError as error:
            self._refuse(BASE, self.base_frame, error)
            return
        self.sources[BASE] = source

    def _refuse(self, key: str, what: str, error: ConfigError) -> None:
        """A pose that cannot be: what was known before it counts no more. Said once for each."""
        self.sources.pop(key, None)
        if key not in self._refused:
            _log.warning('the pose of %s is not used: %s', what, error)
        self._refused.add(key)
