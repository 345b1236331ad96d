# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What some networks can beside giving logits. Layer: models; torch only.

Whoever can use an ability asks for it by ``isinstance`` or ``issubclass``, and goes the way that
every ``Network`` offers where it is not there.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models.features import FeatureMaps, select_modalities
from anymodal_seg_ros.models.network import Network, Subset, checked_subsets
from anymodal_seg_ros.models.presence import check_missing
from anymodal_seg_ros.models.subsets import DROP, ZERO


class FeatureNetwork(Network):
    """Keeps the maps of each modality, from which the logits are made by ``fuse`` and ``decode``.

    Losses on maps, and a teacher that learns modality by modality, need it.
    """

    @property
    @abstractmethod
    def feature_dims(self) -> tuple[int, ...]:
        """Channels of the maps, finest first."""

    @abstractmethod
    def encode_normalized(
        self, x: Mapping[str, Tensor], present_BM: Tensor | None = None
    ) -> FeatureMaps:
        """As ``encode``, from images [B, 3, H, W] that are already normalised."""

    @abstractmethod
    def fuse(self, features: FeatureMaps) -> list[Tensor]:
        """The maps of each sample's modalities as one: [B, H_i, W_i, C_i] for each level."""

    @abstractmethod
    def decode(self, fused: Sequence[Tensor]) -> Tensor:
        """Logits [B, K, h, w] of fused maps."""

    @abstractmethod
    def encoder_parameters(self) -> list[nn.Parameter]:
        """Of the parts that make the maps; some may be one modality's alone."""

    def adapted(self) -> FeatureNetwork:
        """A form that answers the same, in which modalities own parameters where one is known."""
        return self

    def encode(
        self,
        images: Mapping[str, Tensor],
        present_BM: Tensor | None = None,
        missing: str = DROP,
    ) -> FeatureMaps:
        """Maps of the present (sample, modality) pairs; with ``missing`` 'zero' of all pairs."""
        return self.encode_normalized(*self.normalized(images, present_BM, missing))

    def logits_and_features(
        self,
        images: Mapping[str, Tensor],
        present_BM: Tensor | None = None,
        missing: str = DROP,
    ) -> tuple[Tensor, FeatureMaps]:
        """Logits [B, K, h, w] and the maps they were made from."""
        features = self.encode(images, present_BM, missing)
        return self.decode(self.fuse(features)), features

    def logits(
        self,
        images: Mapping[str, Tensor],
        present_BM: Tensor | None = None,
        missing: str = DROP,
    ) -> Tensor:
        """See ``Network.logits``."""
        return self.logits_and_features(images, present_BM, missing)[0]

    def logits_of_normalized(
        self, x: Mapping[str, Tensor], present_BM: Tensor | None = None
    ) -> Tensor:
        """See ``Network.logits_of_normalized``."""
        return self.decode(self.fuse(self.encode_normalized(x, present_BM)))


class SeparableNetwork(FeatureNetwork):
    """A modality's maps depend on its own image alone: one encoding of each gives every subset."""

    _absent: tuple[tuple[int, tuple[int, int]], FeatureMaps] | None = None

    def encode(
        self,
        images: Mapping[str, Tensor],
        present_BM: Tensor | None = None,
        missing: str = DROP,
    ) -> FeatureMaps:
        """See ``FeatureNetwork.encode``."""
        if missing != ZERO or not self.is_prepared or present_BM is not None:
            return super().encode(images, present_BM, missing)
        features = self.encode(images)
        height, width = next(iter(images.values())).shape[-2:]
        absent = self.encode_absent(features.num_samples, (height, width))
        return select_modalities(features, set(features.modality_P.tolist()), absent)

    def encode_absent(self, num_samples: int, size_hw: tuple[int, int]) -> FeatureMaps:
        """What 'zero' makes of every modality of so many samples; each encoded only once.

        A prepared network keeps it for the next call.
        """
        key = (num_samples, size_hw)
        if self._absent is not None and self._absent[0] == key:
            return self._absent[1]
        zeros = self.mean_M3.new_zeros(1, 3, *size_hw, dtype=self.dtype)
        zeros = zeros.to(memory_format=torch.channels_last)
        one = self.encode_normalized(dict.fromkeys(self.config.modalities, zeros))
        columns = torch.arange(len(self.config.modalities))
        absent = replace(
            one,
            maps=tuple(x_MHWC.repeat_interleave(num_samples, dim=0) for x_MHWC in one.maps),
            sample_P=torch.arange(num_samples).repeat(len(columns)),
            modality_P=columns.repeat_interleave(num_samples),
            num_samples=num_samples,
        )
        if self.is_prepared:
            self._absent = key, absent
        return absent

    def logits_of_subsets(
        self,
        images: Mapping[str, Tensor],
        subsets: Sequence[Subset] | None = None,
        missing: str = DROP,
    ) -> dict[Subset, Tensor]:
        """See ``Network.logits_of_subsets``; here from one encoding of each modality.

        'zero' also encodes an input of zeros once for each modality.
        """
        check_missing(missing)
        features = self.encode(images)
        absent = None
        if missing == ZERO:
            height, width = next(iter(images.values())).shape[-2:]
            absent = self.encode_absent(features.num_samples, (height, width))
        return self.logits_of_feature_subsets(features, subsets, absent)

    def logits_of_feature_subsets(
        self,
        features: FeatureMaps,
        subsets: Sequence[Subset] | None = None,
        absent: FeatureMaps | None = None,
    ) -> dict[Subset, Tensor]:
        """As ``logits_of_subsets``, from maps that every sample has of each of its modalities.

        A subset is fused and decoded by the same calls as in ``forward``.

        Args:
            features: maps of all modalities of the subsets, for every sample.
            subsets: None takes all non-empty ones of the modalities of ``features``.
            absent: maps that stand in for the modalities which a subset lacks, complete; with
                None they are left out.

        Raises:
            ValueError: a subset has a modality that not every sample has.
        """
        modalities = self.config.modalities
        complete_M = (features.row_BM() >= 0).all(0).tolist()
        available = tuple(m for m, full in zip(modalities, complete_M, strict=True) if full)
        logits = {}
        for subset in checked_subsets(subsets, available):
            columns = [modalities.index(modality) for modality in subset]
            logits[subset] = self.decode(self.fuse(select_modalities(features, columns, absent)))
        return logits


class GuidedNetwork(Network):
    """Its logits also rest on its guidance, which is worked out from whole images and changes
    slowly.

    Who has frame after frame, or one frame many times, may keep it: of each sample [G, D],
    float32, with which ``logits`` of the same or a like image is had for less. The guidance of a
    sample serves every subset of the modalities that it was made from. Nothing learns through it.
    """

    @property
    @abstractmethod
    def guidance_shape(self) -> tuple[int, int]:
        """G and D."""

    @abstractmethod
    def guide_normalized(
        self, x: Mapping[str, Tensor], present_BM: Tensor | None = None
    ) -> Tensor:
        """As ``guide``, from images [B, 3, H, W] that are already normalised."""

    @abstractmethod
    def logits_of_normalized(
        self, x: Mapping[str, Tensor], present_BM: Tensor | None = None,
        guidance_BGD: Tensor | None = None,
    ) -> Tensor:
        """See ``Network.logits_of_normalized``; without guidance that of ``x``."""

    def guide(
        self,
        images: Mapping[str, Tensor],
        present_BM: Tensor | None = None,
        missing: str = DROP,
    ) -> Tensor:
        """The guidance [B, G, D] of what is present; with ``missing`` 'zero' of all modalities."""
        return self.guide_normalized(*self.normalized(images, present_BM, missing))

    def logits(
        self,
        images: Mapping[str, Tensor],
        present_BM: Tensor | None = None,
        missing: str = DROP,
        guidance_BGD: Tensor | None = None,
    ) -> Tensor:
        """See ``Network.logits``; raises ValueError for guidance of another shape."""
        return self.logits_of_normalized(
            *self.normalized(images, present_BM, missing), guidance_BGD)

    def logits_of_subsets(
        self,
        images: Mapping[str, Tensor],
        subsets: Sequence[Subset] | None = None,
        missing: str = DROP,
    ) -> dict[Subset, Tensor]:
        """See ``Network.logits_of_subsets``; what is left out has no part in the guidance of the
        rest, which is worked out once for all subsets."""
        if missing != DROP:
            return super().logits_of_subsets(images, subsets, missing)
        available = tuple(m for m in self.config.modalities if m in images)
        chosen = checked_subsets(subsets, available)
        guidance_BGD = self.guide(images)
        return {
            subset: self.logits({m: images[m] for m in subset}, guidance_BGD=guidance_BGD)
            for subset in chosen
        }

    def load_guide(self, path: str | Path) -> None:
        """Take the weights of what makes the guidance.

        Raises:
            ConfigError: the folder is not what this network takes, or it takes none.
        """
        raise ConfigError(f'guide {str(path)!r}: {type(self).__name__} takes none')

    def check_guidance(self, guidance_BGD: Tensor, batch: int) -> None:
        """Raises ValueError unless it is of so many samples."""
        wanted = (batch, *self.guidance_shape)
        if tuple(guidance_BGD.shape) != wanted:
            raise ValueError(f'guidance is {tuple(guidance_BGD.shape)}; allowed: {wanted}')
