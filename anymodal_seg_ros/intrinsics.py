# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which of a camera's calibrations its images are seen with. Above modalities."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.calibration import fit_to_image
from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.geometry import CameraModel, Rig, size_problem
from anymodal_seg_ros.modalities import MODALITIES

SOURCES = ('camera_info', 'parameters', 'recording')
"""Where calibrations come from, the best first."""
MISMATCH = 'calibration_mismatch'
"""Reason code: a calibration is of another aspect than the images."""
NO_CAMERA_INFO = 'no_camera_info'
"""Reason code: nothing usable tells what the reference camera, or this one, sees."""
CAMERAS = tuple(name for name, modality in MODALITIES.items() if modality.is_camera_plane)
UNCALIBRATED_FOV_DEG = 90.0
"""What an uncalibrated rgb camera is taken to see; nothing is projected on it."""
LARGEST_SHARE_OUTSIDE = 0.01
"""So many of a batch of events may lie outside the camera: a few are transmission errors."""
Size = tuple[int, int]
_log = logging.getLogger(__name__)


def image_size(modality: str, data: npt.NDArray[Any]) -> Size | None:
    """(width, height) of a camera's image; None for scans and lists of events.

    Raises:
        BadMessageError: no camera has such a size.
    """
    if modality not in CAMERAS or data.ndim < 2:
        return None
    size = data.shape[1], data.shape[0]
    problem = size_problem(*size)
    if problem is not None:
        raise BadMessageError(*problem)
    return size


def overflows(camera: CameraModel, events: npt.NDArray[Any]) -> bool:
    """Whether events [N] of ``EVENT_DTYPE`` come from a larger sensor than ``camera``."""
    x, y = events['x'], events['y']
    if not x.size or (x.max() < camera.width_px and y.max() < camera.height_px):
        return False
    outside = (x >= camera.width_px) | (y >= camera.height_px)
    return bool(outside.mean() > LARGEST_SHARE_OUTSIDE)


def fit_rig(rig: Rig, sizes: Mapping[str, Size]) -> tuple[Rig, dict[str, str]]:
    """``rig`` for a set with images of these sizes, and who cannot be placed by it, and why.

    The reference camera is rescaled to the rgb image, and with it the label image. Where the
    calibrations are of another aspect than the images, another camera cannot be placed;
    on the rgb image, which needs no placing, nobody else can.
    """
    if 'rgb' in sizes:
        camera = fit_to_image(rig.camera, *sizes['rgb'])
        if camera is None:
            camera = CameraModel.from_fov(*sizes['rgb'], UNCALIBRATED_FOV_DEG)
            others = [name for name in MODALITIES if name != 'rgb']
            return replace(rig, camera=camera), dict.fromkeys(others, NO_CAMERA_INFO)
        if camera is not rig.camera:
            rig = replace(rig, camera=camera)
    return rig, {name: misfit_reason(rig, name) for name, size in sizes.items()
                 if name != 'rgb' and fit_to_image(rig.camera_of(name), *size) is None}


def misfit_reason(rig: Rig, modality: str) -> str:
    """Why a sensor does not fit: its own calibration, or that it has none and must look as the
    reference camera does."""
    return MISMATCH if modality in rig.cameras else NO_CAMERA_INFO


class Intrinsics:
    """The calibrations of one camera by their source, and the size of its images.

    ``camera`` is the best calibration that fits the images, at their size; None without one.
    One that fitted goes on while a newer one does not: a driver that changes its size says so
    before its images do.
    """

    def __init__(self, modality: str) -> None:
        self.camera: CameraModel | None = None
        self.source = 'none'
        """Where ``camera`` came from."""
        self.size: Size | None = None
        """Of the newest image; None before the first."""
        self.problem = ''
        """``MISMATCH`` while the best calibration does not fit the images."""
        self.text = ''
        """What is wrong, or was put right, in words."""
        self._modality = modality
        self._given: dict[str, CameraModel] = {}
        self._refused = ''
        self._reported: set[str] = set()

    def learn(self, source: str, camera: CameraModel) -> bool:
        """Take a calibration; True when ``camera`` is another one now."""
        self._refused = ''
        known = self._given.get(source)
        if known is not None and _same_camera(known, camera):
            return False
        self._given[source] = camera
        return self._choose()

    def refuse(self, reason: str) -> None:
        """A camera info could not be read; what was known before it counts on."""
        self._refused = reason

    def see(self, size: Size) -> bool:
        """Take the size of an image; True when ``camera`` or ``size`` is another one now."""
        if size == self.size:
            return False
        self.size = size
        self._choose()
        return True

    def values(self) -> dict[str, object]:
        """For diagnostics."""
        best = next((self._given[source] for source in SOURCES if source in self._given), None)
        state = self.problem or self._refused or ('none' if best is None else 'ok')
        is_rescaled = (best is not None and self.size is not None
                       and (best.width_px, best.height_px) != self.size)
        if state == 'ok' and is_rescaled:
            state = 'rescaled'
        return {
            'intrinsics_source': self.source,
            'calibration': state,
            'calibration_size': '' if best is None else f'{best.width_px}x{best.height_px}',
            'image_size': '' if self.size is None else f'{self.size[0]}x{self.size[1]}',
        }

    def _choose(self) -> bool:
        before = self.camera
        self.problem = self.text = ''
        for source in SOURCES:
            told = self._given.get(source)
            if told is None:
                continue
            fitted = told if self.size is None else fit_to_image(told, *self.size)
            if fitted is None:
                self.problem = MISMATCH
                self._report(f'{_what(source)} of {told.width_px}x{told.height_px} is not used: '
                             f'its aspect is not that of the images, {self._size_text()}')
                continue
            if fitted is not told:
                self._report(f'{_what(source)} of {told.width_px}x{told.height_px} is rescaled '
                             f'to the images of {self._size_text()}')
            self.camera, self.source = fitted, source
            return fitted is not before
        if before is not None and self.size != (before.width_px, before.height_px):
            self.camera, self.source = None, 'none'
        return self.camera is not before

    def _size_text(self) -> str:
        return '' if self.size is None else f'{self.size[0]}x{self.size[1]}'

    def _report(self, text: str) -> None:
        """Into the log once; the diagnostics keep it while it is so."""
        self.text = self.text or text
        if text not in self._reported:
            self._reported.add(text)
            _log.warning('%s: the %s', self._modality, text)


def _what(source: str) -> str:
    return {'camera_info': 'camera info', 'parameters': "parameters' camera",
            'recording': "recording's camera"}[source]


def _same_camera(a: CameraModel, b: CameraModel) -> bool:
    return a is b or (
        (a.width_px, a.height_px) == (b.width_px, b.height_px)
        and a.distortion_model == b.distortion_model
        and np.array_equal(a.K, b.K)
        and np.array_equal(a.D, b.D)
    )
