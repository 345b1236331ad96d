# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How images are encoded: the settings of a bundle, or the encoders' defaults, without network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros import limits
from anymodal_seg_ros.bundle import FROM_DATASET, Bundle, read_description
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.labels import LabelSpace
from anymodal_seg_ros.modalities import MODALITIES, Decoding, given_shared
from anymodal_seg_ros.models import DEFAULT_MODEL

SIZE_MULTIPLE = 32


@dataclass(frozen=True, kw_only=True)
class EncodingOnly:
    """In a segmenter's place where a pipeline forms sets and encodes them, but labels none.

    Raises:
        ConfigError: ``bundle.short_side_px`` is no multiple of 32: images of that size would be
            resized once more when a network of the same size reads them.
    """

    bundle: Bundle

    def __post_init__(self) -> None:
        if self.bundle.short_side_px % SIZE_MULTIPLE:
            raise ConfigError(f'short side {self.bundle.short_side_px} px; allowed: multiples of '
                              f'{SIZE_MULTIPLE}')

    @classmethod
    def from_bundle(cls, path: Path) -> EncodingOnly:
        """The encoders, size and label space of a bundle folder."""
        return cls(bundle=read_description(path))

    @classmethod
    def from_settings(
        cls, modalities: Sequence[str], short_side_px: int, label_space: LabelSpace,
        encoders: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> EncodingOnly:
        """Default encoders but for ``encoders``; raises ConfigError for what is not known."""
        given = encoders or {}
        for name in (*modalities, *given):
            limits.one_of('modality', name, MODALITIES)
        settings = {name: dict(MODALITIES[name].build_encoder(given.get(name, {})).settings())
                    for name in modalities}
        config = {'num_classes': label_space.num_classes, 'modalities': tuple(modalities)}
        return cls(bundle=Bundle(
            model_name=DEFAULT_MODEL, model_config=config, encoders=settings,
            label_space=label_space, short_side_px=short_side_px))

    def with_decoding(self, decoding: Decoding) -> EncodingOnly:
        """The same with what these settings of decoders say about the encoders' input, so that a
        bundle trained on it takes it for the same on the vehicle."""
        encoders = dict(self.bundle.encoders)
        for name, settings in decoding.items():
            given = given_shared(name, settings)
            if given and encoders.get(name, FROM_DATASET) != FROM_DATASET:
                encoders[name] = {**encoders[name], **given}
        return replace(self, bundle=replace(self.bundle, encoders=encoders))

    @property
    def description(self) -> str:
        """That there is no network."""
        return 'encoders only'

    def predict(
        self, images: Mapping[str, npt.NDArray[np.uint8]], out_hw: tuple[int, int]
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        """Raises NotImplementedError: there is no network."""
        raise NotImplementedError

    def warm_up(self, size_hw: tuple[int, int], out_hw: tuple[int, int]) -> None:
        """Nothing to do."""

    def forget(self) -> None:
        """Nothing to do."""
