# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every inference backend offers, whatever runs underneath. Layer: inference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.bundle import Bundle
from anymodal_seg_ros.ranges import Range

Labels = npt.NDArray[np.uint8]
AUTO_PRECISION = 'auto'
PRECISION_NAMES = ('fp32', 'bf16', 'fp16')
THREAD_RANGE = Range(1, 256, also=0)
"""CPU threads of a network; 0 leaves the library's choice."""
GUIDANCE_RANGE = Range(1, 10_000)
"""Frames that the guidance of a network serves."""


class Segmenter(Protocol):
    """A loaded network. Not thread-safe: one thread calls it.

    The same input gives the same bytes on the same machine, but where guidance is kept.
    """

    @property
    def bundle(self) -> Bundle:
        """What was loaded."""

    @property
    def description(self) -> str:
        """Backend, device and precision in words, for logs and reports."""

    def predict(
        self, images: Mapping[str, npt.NDArray[np.uint8]], out_hw: tuple[int, int]
    ) -> tuple[Labels, Labels]:
        """Segment one instant.

        Args:
            images: modality to uint8 [h, w, 3], encoded at network size; absent ones left out.
            out_hw: height and width of the answer in pixels.

        Returns:
            Class ids uint8 [H, W], and their softmax probability times 255 as uint8 [H, W].

        Raises:
            ValueError: no image, an unknown modality, or a wrong shape, dtype or size.
        """

    def warm_up(self, size_hw: tuple[int, int], out_hw: tuple[int, int]) -> None:
        """Run every subset of the modalities once, so that no later call pays for set-up."""

    def forget(self) -> None:
        """The next image is of another scene: its answer rests on nothing that came before."""


def check_predict_input(
    images: Mapping[str, npt.NDArray[Any]],
    out_hw: tuple[int, int],
    modalities: tuple[str, ...],
    min_px: int,
) -> None:
    """Raise the ValueError that ``Segmenter.predict`` promises."""
    if not images:
        raise ValueError(f'no images; at least one of {list(modalities)} is needed')
    shape = next(iter(images.values())).shape
    for modality, image in images.items():
        if modality not in modalities:
            raise ValueError(f'unknown modality {modality!r}; allowed: {list(modalities)}')
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(
                f'{modality} image is {image.dtype} {image.shape}; allowed: uint8 [h, w, 3]'
            )
        if min(image.shape[:2]) < min_px:
            raise ValueError(f'{modality} image is {image.shape}; at least {min_px} px a side')
        if image.shape != shape:
            raise ValueError(f'{modality} image is {image.shape} but others {shape}')
    if len(out_hw) != 2 or not all(isinstance(n, (int, np.integer)) and n > 0 for n in out_hw):
        raise ValueError(f'out_hw is {out_hw!r}; allowed: two positive integers')
