# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a session asks about where its sensors sit. Above intrinsics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy.typing as npt

from anymodal_seg_ros.geometry import Rig
from anymodal_seg_ros.intrinsics import fit_rig, image_size, misfit_reason, overflows
from anymodal_seg_ros.samples import Sample


class Placement(Protocol):
    """Where the sensors sit, as far as it is known now; a ``RigKeeper`` or a ``PlacedRig``."""

    @property
    def rig(self) -> Rig:
        """Cameras and extrinsics; another object where anything of it has changed."""

    def problem(self, modality: str) -> str:
        """Why this sensor cannot be placed now, as a reason code; ``''`` when it can."""

    def on_sample(self, modality: str, frame_id: str, data: npt.NDArray[Any]) -> None:
        """Learn what a sample tells of its sensor; ``data`` as in ``Sample``.

        Raises:
            BadMessageError: no camera has images of such a size.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedRig:
    """A ``Placement`` that stays as it is: the rig of a recording, for example."""

    rig: Rig
    unplaced: Mapping[str, str] = field(default_factory=dict)
    """Modality to reason code, as the node's health has it: ``no_camera_info``, ..."""

    def problem(self, modality: str) -> str:
        """See ``Placement``."""
        return self.unplaced.get(modality, '')

    def on_sample(self, modality: str, frame_id: str, data: npt.NDArray[Any]) -> None:
        """See ``Placement``; nothing is learnt."""


def misfit(sample: Sample, rig: Rig) -> str:
    """Why the rig's calibration does not place this sample, as a reason code, or ''.

    Raises:
        BadMessageError: no camera has images of such a size.
    """
    name, data = sample.modality, sample.data
    if data.dtype.names is not None:
        return misfit_reason(rig, name) if overflows(rig.camera_of(name), data) else ''
    size = image_size(name, data)
    if size is None or name == 'rgb':
        return ''
    return fit_rig(rig, {name: size})[1].get(name, '')
