# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How a batch of frames is held between the runs of its combinations of sensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from torch import Tensor

from anymodal_seg_ros.models import ZERO
from anymodal_seg_ros.models.abilities import SeparableNetwork
from anymodal_seg_ros.models.features import FeatureMaps, select_modalities
from anymodal_seg_ros.models.network import Network, Subset
from anymodal_seg_ros.models.presence import check_presence, zero_filled

Encoded = TypeVar('Encoded')
Images = Mapping[str, Tensor]


class SubsetWay(Protocol[Encoded]):
    """``encode`` a batch once, then ask for any number of combinations of its sensors."""

    def encode(self, images: Images) -> Encoded:
        """Images [B, 3, H, W] in 0..255 of each modality."""

    def encode_normalized(self, x: Images) -> Encoded:
        """The same, already normalised."""

    def logits(self, encoded: Encoded) -> Tensor:
        """Logits [B, K, h, w] of all modalities."""

    def logits_of_subsets(
        self, encoded: Encoded, subsets: Sequence[Subset], missing: str, size_hw: tuple[int, int]
    ) -> dict[Subset, Tensor]:
        """Logits of some; ``missing`` and ``size_hw`` say what stands for the others."""

    def replaced(self, encoded: Encoded, degraded: Encoded) -> Encoded:
        """The batch with the modalities of ``degraded`` from there."""


class OneEncoding:
    """Each sensor is encoded once: maps are held."""

    def __init__(self, model: SeparableNetwork) -> None:
        self._model = model

    def encode(self, images: Images) -> FeatureMaps:
        """See ``SubsetWay``."""
        return self._model.encode(images)

    def encode_normalized(self, x: Images) -> FeatureMaps:
        """See ``SubsetWay``."""
        return self._model.encode_normalized(x)

    def logits(self, encoded: FeatureMaps) -> Tensor:
        """See ``SubsetWay``."""
        return self._model.decode(self._model.fuse(encoded))

    def logits_of_subsets(
        self, encoded: FeatureMaps, subsets: Sequence[Subset], missing: str,
        size_hw: tuple[int, int],
    ) -> dict[Subset, Tensor]:
        """See ``SubsetWay``."""
        absent = None
        if missing == ZERO:
            absent = self._model.encode_absent(encoded.num_samples, size_hw)
        return self._model.logits_of_feature_subsets(encoded, subsets, absent)

    def replaced(self, encoded: FeatureMaps, degraded: FeatureMaps) -> FeatureMaps:
        """See ``SubsetWay``."""
        struck = set(degraded.modality_P.tolist())
        clean = [column for column in range(encoded.num_modalities) if column not in struck]
        return select_modalities(encoded, clean, degraded)


class OneRunEach:
    """Each combination is a run of the whole network: normalised images are held."""

    def __init__(self, model: Network) -> None:
        self._model = model

    def encode(self, images: Images) -> Images:
        """See ``SubsetWay``."""
        return {name: self._model.normalize(name, x_BCHW) for name, x_BCHW in images.items()}

    def encode_normalized(self, x: Images) -> Images:
        """See ``SubsetWay``."""
        return {name: x_BCHW.to(self._model.dtype) for name, x_BCHW in x.items()}

    def logits(self, encoded: Images) -> Tensor:
        """See ``SubsetWay``."""
        return self._model.logits_of_normalized(encoded)

    def logits_of_subsets(
        self, encoded: Images, subsets: Sequence[Subset], missing: str, size_hw: tuple[int, int]
    ) -> dict[Subset, Tensor]:
        """See ``SubsetWay``."""
        return {subset: self._run({name: encoded[name] for name in subset}, missing)
                for subset in subsets}

    def _run(self, x: Images, missing: str) -> Tensor:
        if missing != ZERO:
            return self._model.logits_of_normalized(x)
        modalities = self._model.config.modalities
        present_BM = check_presence(x, None, modalities)
        return self._model.logits_of_normalized(*zero_filled(x, present_BM, modalities))

    def replaced(self, encoded: Images, degraded: Images) -> Images:
        """See ``SubsetWay``."""
        return {**encoded, **degraded}
