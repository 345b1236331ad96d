# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Random changes of one training sample: geometry, colour, partial sensor faults, dropout.

All work is on encoded images [H, W, 3] as the network gets them, uint8 or float32 in 0..255 units;
0, 0, 0 is 'no return' in every map but the camera's. Order: crop and flip, colour, blur, faults;
then, for the student alone, lost elements, noise, blocks, for which probability 0 draws no random
number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import cv2
import numpy as np

from anymodal_seg_ros.corruption import FAULTS
from anymodal_seg_ros.inference import modality_subsets
from anymodal_seg_ros.labels import UNLABELLED
from anymodal_seg_ros.samples import Payload
from training.datasets import Frame
from training.datasets.frames import PAYLOADS, PICTURES, Image, resize_image, resize_labels
from training.datasets.polarization import mirror_aolp
from training.sample_damage import add_noise, miss_elements, zero_blocks
from training.train_config import AugmentConfig, DropoutConfig

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
            images={name: _mirror(image, name) for name, image in frame.images.items()},
            labels=frame.labels[:, ::-1])
    images = {}
    for name, image in frame.images.items():
        if name == 'rgb' and rng.random() < config.color:
            image = jitter_color(image, rng)
        if name == 'rgb' and rng.random() < config.blur:
            image = np.asarray(cv2.GaussianBlur(image, (3, 3), 0), image.dtype)
        if rng.random() < config.fault:
            image = corrupt_encoded(image, name, rng)
        images[name] = np.ascontiguousarray(image)
    return replace(frame, images=images, labels=np.ascontiguousarray(frame.labels))


def degrade(
    frame: Frame, config: AugmentConfig, rng: np.random.Generator,
    mean: Mapping[str, Sequence[float]],
) -> Frame:
    """A copy with lost elements, noise or lost blocks: what a student sees and its teacher does
    not. ``mean`` is that of the network's input."""
    images = frame.images
    steps = ((config.random_missing, partial(miss_elements, mean=mean)),
             (config.noise, add_noise), (config.block, zero_blocks))
    for probability, damage in steps:
        if probability and rng.random() < probability:
            images = damage(images, rng)
    return replace(frame, images=images)


def _mirror(image: Image, modality: str) -> Image:
    """Angles are mirrored with the scene; all else keeps its values."""
    return mirror_aolp(image) if modality == 'aolp' else image[:, ::-1]


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


def _window(image: Image, box: Box, side: int, fill: int) -> Image:
    top, left, height, width = box
    window = image[top:top + height, left:left + width]
    if (height, width) == (side, side):
        return window
    padded = np.full((side, side, *image.shape[2:]), fill, image.dtype)
    padded[:height, :width] = window
    return padded


def jitter_color(image: Image, rng: np.random.Generator) -> Image:
    """Brightness, contrast and saturation, each scaled by 0.5 to 1.5."""
    brightness, contrast, saturation = rng.uniform(*COLOR_RANGE, 3)
    values = image.astype(np.float32) * np.float32(brightness)
    mean = np.float32(values[::4, ::4].mean())
    values = (values - mean) * np.float32(contrast) + mean
    grey = (values @ GREY_WEIGHTS)[:, :, None]
    values = (values - grey) * np.float32(saturation) + grey
    jittered: Image = np.clip(values, 0, 255).astype(image.dtype)
    return jittered


def corrupt_encoded(image: Image, modality: str, rng: np.random.Generator) -> Image:
    """A partial fault of a random kind and severity on an encoded image.

    Faults of cameras and events are of 8 bit; a float32 image is rounded by them.
    """
    severity = float(rng.uniform(0.05, MAX_FAULT_SEVERITY))
    is_event = PAYLOADS.get(modality) is Payload.EVENTS
    if is_event or modality in PICTURES:
        names, kind = (EVENT_FAULTS, 'event') if is_event else (CAMERA_FAULTS, 'rgb')
        name = names[rng.integers(len(names))]
        shown = image if image.dtype == np.uint8 else np.rint(image).astype(np.uint8)
        return FAULTS[name].apply(shown, severity, rng, kind).astype(image.dtype, copy=False)
    choices = ENCODED_FAULTS[modality]
    return choices[rng.integers(len(choices))](image, severity, rng)


def lose_returns(image: Image, severity: float, rng: np.random.Generator) -> Image:
    """Each pixel loses its return with probability ``severity``."""
    return np.where(rng.random((*image.shape[:2], 1)) < severity, image.dtype.type(0), image)


def block_columns(image: Image, severity: float, rng: np.random.Generator) -> Image:
    """A band of columns without returns, a share of ``severity`` of the width."""
    blocked = image.copy()
    width = image.shape[1]
    band = max(round(severity * width), 1)
    left = int(rng.integers(0, width - band + 1))
    blocked[:, left:left + band] = 0
    return blocked


def shift(image: Image, severity: float, rng: np.random.Generator) -> Image:
    """The map is moved by up to severity * width / 64 pixels on each axis, as by a loose mount."""
    reach = max(round(severity * image.shape[1] * MAX_SHIFT_SHARE), 1)
    down, right = (int(v) for v in rng.integers(-reach, reach + 1, 2))
    matrix = np.array([[1, 0, right], [0, 1, down]], np.float32)
    moved = cv2.warpAffine(image, matrix, (image.shape[1], image.shape[0]),
                           flags=cv2.INTER_NEAREST)
    return np.asarray(moved, image.dtype)


EncodedFault = Callable[[Image, float, np.random.Generator], Image]
MAP_FAULTS: tuple[EncodedFault, ...] = (lose_returns, block_columns)
SCAN_FAULTS: tuple[EncodedFault, ...] = (*MAP_FAULTS, shift)
ENCODED_FAULTS: Mapping[str, tuple[EncodedFault, ...]] = {
    **{name: MAP_FAULTS for name, payload in PAYLOADS.items() if payload is Payload.DEPTH},
    **{name: SCAN_FAULTS for name, payload in PAYLOADS.items() if payload is Payload.CLOUD},
    'aolp': MAP_FAULTS,
    'dolp': MAP_FAULTS,
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
            # A frame that lacks sensors may have none of the sets: it keeps what it has.
            weights = [float(len(subset) == len(modalities)) for subset in subsets]
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
