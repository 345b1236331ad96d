# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whole samples degraded as the robustness benchmark does, on encoded images in 0..255 units.

Training with them is not in the papers; their RMM and NM scores collapse without. (Liao et al.,
Benchmarking Multi-modal Semantic Segmentation under Sensor Failures, arXiv 2503.18445.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from anymodal_seg_ros.corruption import FAULTS
from anymodal_seg_ros.models.network_config import RGB_STD
from training.datasets.frames import Image

MISSING_RATES = (0.05, 0.75)
AFFECTED = 0.5
"""Probability that one modality of a chosen sample loses elements or blocks."""
MAX_DENSITY = 0.2
MAX_SIGMA = 0.5
"""Salt-and-pepper density and Gaussian sigma of the benchmark's highest level."""
SIGMA_UNITS: Mapping[str, float] = {'rgb': RGB_STD[2], 'event': 0.0}
"""Grey levels in a sigma of 1. The benchmark adds noise to normalised images: a unit is ImageNet's
deviation for the camera (blue's, for all channels), 255 for the others; events get none."""
MAX_BLOCK_SHARE = 0.5


def miss_elements(
    images: Mapping[str, Image], rng: np.random.Generator, mean: Mapping[str, Sequence[float]]
) -> dict[str, Image]:
    """As RMM: half of the modalities lose elements, pixels and channels alike, at a random rate.

    A lost element is 0 after the network's normalisation.

    Args:
        mean: of each channel of each modality, as the network subtracts it.
    """
    rate = float(rng.uniform(*MISSING_RATES))
    degraded = {}
    for name, image in images.items():
        if rng.random() < AFFECTED:
            lost = rng.random(image.shape, np.float32) < rate
            fill = np.array(mean[name], np.float32)
            image = np.where(lost, _as_dtype(fill, image.dtype), image)
        degraded[name] = image
    return degraded


def add_noise(images: Mapping[str, Image], rng: np.random.Generator) -> dict[str, Image]:
    """As NM at a random level: salt and pepper on all modalities, then Gaussian but on events.

    Salt and pepper are the largest and the smallest value of the image. Unlike in the benchmark
    the result is clipped to 0..255.
    """
    level = float(rng.random())
    degraded = {}
    for name, image in images.items():
        noisy = _salt_and_pepper(image, MAX_DENSITY * level, rng).astype(np.float32)
        sigma = MAX_SIGMA * level * SIGMA_UNITS.get(name, 255.0)
        if sigma:
            noisy += rng.standard_normal(image.shape, np.float32) * np.float32(sigma)
        degraded[name] = _as_dtype(noisy, image.dtype)
    return degraded


def zero_blocks(images: Mapping[str, Image], rng: np.random.Generator) -> dict[str, Image]:
    """Half of the modalities lose a random share of the cells of an 8 x 8 grid, each its own."""
    degraded = {}
    for name, image in images.items():
        if rng.random() < AFFECTED:
            share = float(rng.uniform(0.05, MAX_BLOCK_SHARE))
            image = FAULTS['block_mask'].apply(image, share, rng, 'rgb')
        degraded[name] = image
    return degraded


def _salt_and_pepper(image: Image, density: float, rng: np.random.Generator) -> Image:
    """Pepper is drawn second and wins, as in the benchmark."""
    noisy = image.copy()
    for value in (image.max(), image.min()):
        noisy[rng.random(image.shape, np.float32) < density / 2] = value
    return noisy


def _as_dtype(values: Image, dtype: np.dtype[np.generic]) -> Image:
    clipped = np.clip(values, 0.0, 255.0)
    return np.rint(clipped).astype(dtype) if dtype == np.uint8 else clipped.astype(dtype)
