# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Colour images. numpy and OpenCV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.geometry import Rig
from anymodal_seg_ros.modalities.base import Modality, Settings, Uint8Array, settings_of
from anymodal_seg_ros.modalities.images import ColorDecoder


@dataclass(frozen=True, kw_only=True)
class RgbEncoder:
    """The reference camera's image at network size; shrinking averages over pixel areas."""

    channel_names: ClassVar[tuple[str, str, str]] = ('red', 'green', 'blue')

    def encode(self, data: npt.NDArray[Any], rig: Rig, size_hw: tuple[int, int]) -> Uint8Array:
        """uint8 [H, W, 3] to uint8 [h, w, 3]."""
        height, width = size_hw
        if data.shape[:2] == size_hw:
            return data
        shrinks = data.shape[0] >= height and data.shape[1] >= width
        resized = cv2.resize(data, (width, height),
                             interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        return resized.astype(np.uint8, copy=False)

    def settings(self) -> Settings:
        """None to choose."""
        return settings_of(self)


RGB = Modality(
    name='rgb',
    is_camera_plane=True,
    message_types=('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'),
    decoder_type=ColorDecoder,
    encoder_type=RgbEncoder,
)
