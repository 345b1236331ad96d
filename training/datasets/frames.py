# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a data set yields: encoded camera-plane images of one instant with their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.samples import Payload

UInt8 = npt.NDArray[np.uint8]
Image: TypeAlias = npt.NDArray[Any]
"""uint8 or float32, both in 0..255 units."""

NORMAL = 'normal'
"""The failure of a frame whose sensors all work."""
PAYLOADS: Mapping[str, Payload] = {
    **{name: row.payload for name, row in MODALITIES.items()},
    'nir': Payload.IMAGE,
    'lightfield': Payload.IMAGE,
    'radar': Payload.CLOUD,
}
"""What a modality's picture was made of: of the sensors that have a row, and of those that only
data sets have, as their authors encoded them. Angle and degree of polarization are none of it."""
PICTURES = tuple(name for name, payload in PAYLOADS.items() if payload is Payload.IMAGE)
DENSE_MODALITIES = (*PICTURES, 'dolp')
"""Those with a measurement at every pixel that may be averaged with its neighbours. In all others
0 means no return, or a value is an angle."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One labelled instant. An absent modality is an absent key."""

    id: str
    """Relative path without the modality, unique in the data set."""
    condition: str
    failure: str
    """``'normal'`` or a sensor failure of the data set."""
    images: dict[str, Image]
    """Modality to [H, W, 3], red first, all of one size: uint8, or float32 in 0..255 units where
    the data set has more than 8 bit."""
    labels: UInt8
    """[H, W] class ids, 255 unlabelled; may be of another size than the images."""

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the images."""
        return first_shape(self.images)


class Frames(Protocol):
    """Frames by index: a data set, a cache of one, several of them joined."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Frame: ...


class FrameSource(Frames, Protocol):
    """A data set, with a description for the provenance."""

    def describe(self) -> dict[str, Any]: ...


class DatasetType(Protocol):
    """A row of ``DATASETS``: a class with these constants and this constructor."""

    MODALITIES: tuple[str, ...]
    """All that such a data set can have, in the order of the network's."""
    SPLITS: tuple[str, ...]
    OPTIONS: type[Any]
    """Settings class of what such a data set alone can be told."""
    LABEL_SPACE: str
    """Name of the label space in ``config/labels``."""

    def __call__(
        self, root: str | Path, split: str, modalities: Sequence[str] | None = None, *,
        conditions: Sequence[str] = (), failures: Sequence[str] = (),
        options: Mapping[str, Any] | None = None,
    ) -> FrameSource:
        """Opens a split; raises ConfigError naming a missing folder or a wrong argument."""

    def modalities_of(self, root: str | Path) -> tuple[str, ...]:
        """Those of ``MODALITIES`` that the data set at ``root`` has."""


def resize_image(image: Image, modality: str, size_hw: tuple[int, int]) -> Image:
    """Area or linear for dense images; nearest for maps in which 0 means no return."""
    if image.shape[:2] == size_hw:
        return image
    interpolation = cv2.INTER_NEAREST_EXACT
    if modality in DENSE_MODALITIES:
        interpolation = cv2.INTER_AREA if size_hw[0] < image.shape[0] else cv2.INTER_LINEAR
    resized = cv2.resize(image, (size_hw[1], size_hw[0]), interpolation=interpolation)
    return np.asarray(resized, image.dtype)


def resize_labels(labels: UInt8, size_hw: tuple[int, int]) -> UInt8:
    """Nearest neighbour."""
    if labels.shape == size_hw:
        return labels
    resized = cv2.resize(labels, (size_hw[1], size_hw[0]),
                         interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(resized, np.uint8)


def resize_frame(frame: Frame, size_hw: tuple[int, int], *, labels_too: bool) -> Frame:
    """The frame at another size; the labels keep theirs unless ``labels_too``."""
    return replace(
        frame,
        images={name: resize_image(image, name, size_hw) for name, image in frame.images.items()},
        labels=resize_labels(frame.labels, size_hw) if labels_too else frame.labels,
    )


class FrameCache:
    """Frames at training size, kept in memory after the first reading.

    Args:
        source: the data set.
        size_hw: what every frame is brought to, labels too; None keeps its size.
        keep: False reads every frame anew.
    """

    def __init__(
        self, source: FrameSource, size_hw: tuple[int, int] | None = None, *, keep: bool = True
    ) -> None:
        self._source = source
        self._size_hw = size_hw
        self._keep = keep
        self._frames: dict[int, Frame] = {}

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Frame:
        if index in self._frames:
            return self._frames[index]
        frame = self._source[index]
        frame = resize_frame(frame, self._size_hw or frame.size_hw, labels_too=True)
        if self._keep:
            self._frames[index] = frame
        return frame


def first_shape(images: Mapping[str, Image]) -> tuple[int, int]:
    """Height and width of the first image."""
    height, width = next(iter(images.values())).shape[:2]
    return height, width
