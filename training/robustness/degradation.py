# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Degraded images of one sample. Each random number depends on what is degraded and how, and on
nothing else."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.corruption import DELIVER_FAILURES, FAULTS
from training.robustness.protocol import NO_GAUSSIAN, NoiseLevel

Float32 = npt.NDArray[np.float32]
STEPS = 256


def generator(seed: int, *names: object) -> np.random.Generator:
    """The generator of benchmark, level, combination, sample and modality."""
    digest = hashlib.sha256('\n'.join(map(str, (seed, *names))).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, np.uint32))


def without_elements(x_CHW: Float32, rate: float, rng: np.random.Generator) -> Float32:
    """RMM: a copy in which each element is 0 with probability ``rate``, on its own.

    Raises:
        ValueError: ``rate`` is no multiple of 1/256.
    """
    if rate * STEPS != int(rate * STEPS):
        raise ValueError(f'rate {rate}; allowed: multiples of 1/{STEPS}')
    kept_CHW = rng.integers(0, STEPS, x_CHW.shape, np.uint8) >= int(rate * STEPS)
    return np.where(kept_CHW, x_CHW, np.float32(0.0))


def noisy(x_CHW: Float32, modality: str, level: NoiseLevel, rng: np.random.Generator) -> Float32:
    """NM: a copy with salt (the image's largest value), pepper (its smallest) and, but for
    events, Gaussian noise. Nothing is clipped."""
    noisy_CHW = x_CHW.copy()
    flat = noisy_CHW.reshape(-1)
    count = round(level.density / 2 * flat.size)
    flat[rng.integers(0, flat.size, count)] = x_CHW.max()
    flat[rng.integers(0, flat.size, count)] = x_CHW.min()
    if modality not in NO_GAUSSIAN:
        noisy_CHW += rng.standard_normal(x_CHW.shape, np.float32) * np.float32(level.sigma)
    return noisy_CHW


def failed(
    image: npt.NDArray[np.generic], failure: str, severity: float, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """An encoded image [H, W, 3] under one of DELIVER's failures; more than 8 bit is rounded."""
    modality, fault, _ = DELIVER_FAILURES[failure]
    image_u8 = image if image.dtype == np.uint8 else np.clip(np.rint(image), 0, 255)
    degraded: npt.NDArray[np.uint8] = FAULTS[fault].apply(
        np.asarray(image_u8, np.uint8), severity, rng, modality)
    return degraded
