# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Random changes of one training sample: geometry, colour, partial sensor faults, dropout.

All work is on encoded images, uint8 [H, W, 3], as the network gets them; 0, 0, 0 is 'no return'
in every map but the camera's. Order: crop and flip, colour, blur, faults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.corruption import FAULTS
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.inference import modality_subsets
from anymodal_seg_ros.labels import UNLABELLED
from training.config import AugmentConfig, DropoutConfig
from training.datasets import Frame
from training.datasets.frames import UInt8, resize_image, resize_labels

Box = tuple[int, int, int, int]
CAMERA_FAULTS = ('noise', 'overexposure', 'underexposure', 'motion_blur', 'block_mask')
EVENT_FAULTS = ('noise', 'low_resolution', 'black')
MAX_FAULT_SEVERITY = 0.6
MAX_SHIFT_SHARE = 1 / 64
COLOR_RANGE = (0.5, 1.5)
GREY_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)


def augment(
    frame: Frame, config: AugmentConfig, crop_px: int, rng: np.random.Generator
) -> Frame:
    """A changed copy with square images and labels of ``crop_px``; the input stays as it was."""
    frame = random_crop(frame, config, crop_px, rng)
    if rng.random() < config.flip:
        frame = replace(
            frame,
            images={name: image[:, ::-1] for name, image in frame.images.items()},
            labels=frame.labels[:, ::-1])
    images = {}
    for name, image in frame.images.items():
        if name == 'rgb' and rng.random() < config.color:
            image = jitter_color(image, rng)
        if name == 'rgb' and rng.random() < config.blur:
            image = np.asarray(cv2.GaussianBlur(image, (3, 3), 0), np.uint8)
        if rng.random() < config.fault:
            image = corrupt_encoded(image, name, rng)
        images[name] = np.ascontiguousarray(image)
    return replace(frame, images=images, labels=np.ascontiguousarray(frame.labels))


def random_crop(
    frame: Frame, config: AugmentConfig, crop_px: int, rng: np.random.Generator
) -> Frame:
    """A square window of crop_px / scale source pixels, brought to crop_px.

    Where the window is larger than the frame, images are padded with 0 and labels with 255.
    """
    height, width = frame.labels.shape
    scale = np.exp(rng.uniform(np.log(config.scale_min), np.log(config.scale_max)))
    side = max(round(crop_px / scale), 1)
    top = int(rng.integers(0, height - side + 1)) if side < height else 0
    left = int(rng.integers(0, width - side + 1)) if side < width else 0
    box = (top, left, min(side, height), min(side, width))
    size_hw = (crop_px, crop_px)
    return replace(
        frame,
        images={name: resize_image(_window(image, box, side, 0), name, size_hw)
                for name, image in frame.images.items()},
        labels=resize_labels(_window(frame.labels, box, side, UNLABELLED), size_hw))


def _window(image: UInt8, box: Box, side: int, fill: int) -> UInt8:
    top, left, height, width = box
    window = image[top:top + height, left:left + width]
    if (height, width) == (side, side):
        return window
    padded = np.full((side, side, *image.shape[2:]), fill, np.uint8)
    padded[:height, :width] = window
    return padded


def jitter_color(image: UInt8, rng: np.random.Generator) -> UInt8:
    """Brightness, contrast and saturation, each scaled by 0.5 to 1.5."""
    brightness, contrast, saturation = rng.uniform(*COLOR_RANGE, 3)
    values = image.astype(np.float32) * np.float32(brightness)
    mean = np.float32(values[::4, ::4].mean())
    values = (values - mean) * np.float32(contrast) + mean
    grey = (values @ GREY_WEIGHTS)[:, :, None]
    values = (values - grey) * np.float32(saturation) + grey
    jittered: UInt8 = np.clip(values, 0, 255).astype(np.uint8)
    return jittered


def corrupt_encoded(image: UInt8, modality: str, rng: np.random.Generator) -> UInt8:
    """A partial fault of a random kind and severity on an encoded image."""
    severity = float(rng.uniform(0.05, MAX_FAULT_SEVERITY))
    if modality in ('rgb', 'event'):
        names = CAMERA_FAULTS if modality == 'rgb' else EVENT_FAULTS
        name = names[rng.integers(len(names))]
        return FAULTS[name].apply(image, severity, rng, modality)
    choices = ENCODED_FAULTS[modality]
    return choices[rng.integers(len(choices))](image, severity, rng)


def lose_returns(image: UInt8, severity: float, rng: np.random.Generator) -> UInt8:
    """Each pixel loses its return with probability ``severity``."""
    return np.where(rng.random((*image.shape[:2], 1)) < severity, np.uint8(0), image)


def block_columns(image: UInt8, severity: float, rng: np.random.Generator) -> UInt8:
    """A band of columns without returns, a share of ``severity`` of the width."""
    blocked = image.copy()
    width = image.shape[1]
    band = max(round(severity * width), 1)
    left = int(rng.integers(0, width - band + 1))
    blocked[:, left:left + band] = 0
    return blocked


def shift(image: UInt8, severity: float, rng: np.random.Generator) -> UInt8:
    """The map is moved by up to severity * width / 64 pixels on each axis, as by a loose mount."""
    reach = max(round(severity * image.shape[1] * MAX_SHIFT_SHARE), 1)
    down, right = (int(v) for v in rng.integers(-reach, reach + 1, 2))
    matrix = np.array([[1, 0, right], [0, 1, down]], np.float32)
    moved = cv2.warpAffine(image, matrix, (image.shape[1], image.shape[0]),
                           flags=cv2.INTER_NEAREST)
    return np.asarray(moved, np.uint8)


EncodedFault = Callable[[UInt8, float, np.random.Generator], UInt8]
ENCODED_FAULTS: Mapping[str, tuple[EncodedFault, ...]] = {
    'depth': (lose_returns, block_columns),
    'lidar': (lose_returns, block_columns, shift),
}
"""Faults of maps whose physical form is not in the data set."""


def subset_probabilities(
    modalities: Sequence[str], config: DropoutConfig
) -> dict[tuple[str, ...], float]:
    """How often each non-empty set of sensors is drawn; the values add up to 1.

    'by_size' gives a set S the probability 1 / (M * C(M, |S|)) (AnySeg, arXiv 2411.17141).
    """
    subsets = modality_subsets(tuple(modalities))
    if config.weights:
        given = {frozenset(name.split('+')): w for name, w in config.weights.items()}
        weights = [given.get(frozenset(subset), 0.0) for subset in subsets]
        if not sum(weights):
            raise ConfigError(f'dropout.weights names no set of {", ".join(modalities)}')
    elif config.mode == 'uniform':
        weights = [1.0] * len(subsets)
    else:
        sizes = [len(subset) for subset in subsets]
        weights = [1.0 / sizes.count(size) for size in sizes]
    return {subset: w / sum(weights) for subset, w in zip(subsets, weights, strict=True)}


def draw_subset(
    available: Sequence[str], config: DropoutConfig, rng: np.random.Generator
) -> tuple[str, ...]:
    """The sensors that a sample keeps, of those that it has."""
    table = subset_probabilities(available, config)
    subsets = list(table)
    return subsets[int(rng.choice(len(subsets), p=list(table.values())))]


def presence_row(kept: Sequence[str], modalities: Sequence[str]) -> npt.NDArray[np.bool_]:
    """bool [M] in the order of ``modalities``."""
    return np.array([name in kept for name in modalities])
