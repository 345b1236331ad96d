# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Colour images. numpy and OpenCV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy.typing as npt

from anymodal_seg_ros.geometry import Rig
from anymodal_seg_ros.modalities.base import Settings, Uint8Array, settings_of
from anymodal_seg_ros.modalities.images import ColorDecoder
from anymodal_seg_ros.modalities.modality import IMAGE_FORMS, Modality
from anymodal_seg_ros.modalities.plane import resize_area
from anymodal_seg_ros.samples import Payload


@dataclass(frozen=True, kw_only=True)
class RgbEncoder:
    """The reference camera's image at network size; shrinking averages over pixel areas."""

    channel_names: ClassVar[tuple[str, str, str]] = ('red', 'green', 'blue')

    def encode(self, data: npt.NDArray[Any], rig: Rig, size_hw: tuple[int, int]) -> Uint8Array:
        """uint8 [H, W, 3] to uint8 [h, w, 3]."""
        return resize_area(data, size_hw)

    def settings(self) -> Settings:
        """None to choose."""
        return settings_of(self)


RGB = Modality(
    name='rgb',
    title='camera',
    payload=Payload.IMAGE,
    is_camera_plane=True,
    topic='camera/image',
    argument='camera',
    messages='Camera image (colour, grey, Bayer, YUV)',
    forms=IMAGE_FORMS,
    decoder_type=ColorDecoder,
    encoder_type=RgbEncoder,
    sync={'max_age_s': 0.12},
    # A plain sky and a noiseless wall are constant too.
    health={'skip_checks': frozenset({'image_covered'})},
)
