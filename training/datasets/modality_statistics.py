# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Mean and standard deviation of each modality's channels, for the network's input statistics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.errors import ConfigError
from training.datasets.frames import Frames, Image

MIN_STD = 1.0
"""In 0..255 units: a channel that never changes is not blown up."""


class ChannelMoments:
    """Mean and variance of [H, W, 3] images one by one, merged in float64 without cancellation.
    An image of weight w counts as w of it would.

    (Chan, Golub and LeVeque, Algorithms for Computing the Sample Variance, 1983, eq. 2.1.)
    """

    def __init__(self) -> None:
        self._num_pixels = 0.0
        self._mean_3: npt.NDArray[np.float64] = np.zeros(3)
        self._deviation_3: npt.NDArray[np.float64] = np.zeros(3)

    def add(self, image: Image, weight: float = 1.0) -> None:
        """Takes in all pixels of an image."""
        pixels_P3 = image.reshape(-1, 3).astype(np.float64)
        count = weight * len(pixels_P3)
        mean_3 = pixels_P3.mean(axis=0)
        deviation_3 = weight * np.square(pixels_P3 - mean_3).sum(axis=0)
        total = self._num_pixels + count
        delta_3 = mean_3 - self._mean_3
        self._mean_3 = self._mean_3 + delta_3 * (count / total)
        self._deviation_3 = (self._deviation_3 + deviation_3
                             + delta_3**2 * (self._num_pixels * count / total))
        self._num_pixels = total

    @property
    def mean(self) -> tuple[float, ...]:
        """In 0..255 units, over all pixels so far."""
        return tuple(self._mean_3.tolist())

    @property
    def std(self) -> tuple[float, ...]:
        """Of the population; ``MIN_STD`` where it is less, and where there is no image yet."""
        std_3 = np.sqrt(self._deviation_3 / max(self._num_pixels, 1.0))
        return tuple(np.maximum(std_3, MIN_STD).tolist())


def modality_statistics(
    frames: Frames, modalities: Sequence[str], counted: Iterable[tuple[int, float]]
) -> dict[str, ChannelMoments]:
    """Mean and spread of each modality over some frames.

    Args:
        counted: index of each, and what it counts for.

    Raises:
        ConfigError: a modality is in none of these frames.
    """
    moments: dict[str, ChannelMoments] = {}
    num_counted = 0
    for index, weight in counted:
        num_counted += 1
        for name, image in frames[index].images.items():
            moments.setdefault(name, ChannelMoments()).add(image, weight)
    for name in modalities:
        if name not in moments:
            raise ConfigError(f'none of {num_counted} counted frames has {name}; its statistics '
                              'cannot be worked out')
    return moments
