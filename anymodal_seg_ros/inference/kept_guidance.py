# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Guidance that serves several frames of a drive. Layer: inference; torch."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from anymodal_seg_ros.models.abilities import GuidedNetwork


class KeptGuidance:
    """A network's guidance, worked out anew every so many frames.

    So it is in between where a sensor comes that it does not know. One that leaves changes
    nothing: the guidance of more sensors serves fewer.

    Args:
        network: prepared for inference.
        frames: how many each guidance serves.
        missing: see ``Network``.
    """

    def __init__(self, network: GuidedNetwork, frames: int, missing: str) -> None:
        self._network = network
        self._frames = frames
        self._missing = missing
        self.forget()

    def forget(self) -> None:
        """The next frame is of another scene."""
        self._known: frozenset[str] = frozenset()
        self._left = 0
        self._guidance: Tensor | None = None

    def of(self, images: Mapping[str, Tensor]) -> Tensor:
        """For the next frame: [1, G, D]."""
        if self._guidance is None or self._left == 0 or not self._known.issuperset(images):
            self._guidance = self._network.guide(images, missing=self._missing)
            self._known, self._left = frozenset(images), self._frames
        self._left -= 1
        return self._guidance
