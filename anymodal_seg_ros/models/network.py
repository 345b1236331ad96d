# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a network is to all who use one; ``abilities`` has what some can beside it. Layer: models;
torch only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models.network_config import NetworkConfig
from anymodal_seg_ros.models.presence import check_missing, check_presence, zero_filled
from anymodal_seg_ros.models.state import check_state
from anymodal_seg_ros.models.subsets import DROP, ZERO, modality_subsets

STATISTICS = ('mean_M3', 'std_M3')
Subset = tuple[str, ...]


class Network(nn.Module, ABC):
    """Segments from any non-empty subset of its modalities.

    Where a method takes ``images`` they are modality to [B, 3, H, W], uint8 or float in 0..255,
    absent ones left out; ``present_BM`` is bool, columns as in ``config.modalities``, and None
    means all of ``images`` for every sample (on the CPU it costs no device synchronisation);
    ``missing`` is a row of ``MISSING_MODES``. Each raises ValueError for an unknown modality,
    images of different or too small shapes, a presence mask of another shape, a sample without
    any modality, or an unknown ``missing``. What an image holds of a sample that lacks the
    modality changes nothing.
    """

    config: NetworkConfig
    mean_M3: Tensor
    std_M3: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.is_prepared = False
        """Whether the weights stay as they are from now on."""
        for name, table in zip(STATISTICS, (config.mean, config.std), strict=True):
            rows = [[float(v) for v in table[modality]] for modality in config.modalities]
            self.register_buffer(name, torch.tensor(rows))

    @abstractmethod
    def logits_of_normalized(
        self, x: Mapping[str, Tensor], present_BM: Tensor | None = None
    ) -> Tensor:
        """As ``logits``, from images [B, 3, H, W] that are already normalised."""

    @property
    def dtype(self) -> torch.dtype:
        """Of weights and maps."""
        return next(self.parameters()).dtype

    def normalize(self, modality: str, x_BCHW: Tensor) -> Tensor:
        """(x - mean) / std of that modality, in the dtype of the weights."""
        row = self.config.modalities.index(modality)
        # Statistics stay float32: 0..255 has no room for rounding in half precision.
        std_C11 = self.std_M3[row, :, None, None]
        mean_C11 = self.mean_M3[row, :, None, None]
        x_BCHW = x_BCHW.to(dtype=torch.float32, memory_format=torch.channels_last)
        return ((x_BCHW - mean_C11) / std_C11).to(self.dtype)

    def normalized(
        self, images: Mapping[str, Tensor], present_BM: Tensor | None, missing: str
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Normalised images, and what is present of them; with 'zero' that is everything."""
        check_missing(missing)
        modalities = self.config.modalities
        present_BM = check_presence(images, present_BM, modalities)
        x = {modality: self.normalize(modality, image) for modality, image in images.items()}
        return zero_filled(x, present_BM, modalities) if missing == ZERO else (x, present_BM)

    def logits(
        self,
        images: Mapping[str, Tensor],
        present_BM: Tensor | None = None,
        missing: str = DROP,
    ) -> Tensor:
        """Logits [B, K, h, w] at the network's own scale."""
        return self.logits_of_normalized(*self.normalized(images, present_BM, missing))

    def forward(
        self,
        images: Mapping[str, Tensor],
        present_BM: Tensor | None = None,
        missing: str = DROP,
    ) -> Tensor:
        """Logits [B, K, H, W] at the size of the images."""
        logits_BKhw = self.logits(images, present_BM, missing)
        size_hw = next(iter(images.values())).shape[-2:]
        return F.interpolate(logits_BKhw, size=size_hw, mode='bilinear', align_corners=False)

    def logits_of_subsets(
        self,
        images: Mapping[str, Tensor],
        subsets: Sequence[Subset] | None = None,
        missing: str = DROP,
    ) -> dict[Subset, Tensor]:
        """Logits [B, K, h, w] of each subset, by a run of each.

        Args:
            images: those of all modalities of the subsets, for every sample.
            subsets: None takes all non-empty ones of the modalities of ``images``.
            missing: what becomes of the modalities that a subset lacks.

        Raises:
            ValueError: a subset has a modality without images.
        """
        available = tuple(m for m in self.config.modalities if m in images)
        return {
            subset: self.logits({m: images[m] for m in subset}, missing=missing)
            for subset in checked_subsets(subsets, available)
        }

    def parameters_of(self, modality: str) -> list[nn.Parameter]:
        """The parameters that this modality alone uses; raises ConfigError for an unknown one."""
        self.check_modality(modality)
        return []

    @property
    def asks_every_parameter(self) -> bool:
        """Whether each parameter has a part in every answer, whatever is present."""
        return not any(self.parameters_of(modality) for modality in self.config.modalities)

    def check_modality(self, modality: str) -> None:
        """Raises ConfigError for one that the network does not have."""
        if modality not in self.config.modalities:
            allowed = ', '.join(self.config.modalities)
            raise ConfigError(f'unknown modality {modality!r}; the network has {allowed}')

    def load_pretrained(self, path: str | Path) -> None:
        """Take weights that others trained on other tasks.

        Raises:
            ConfigError: the file is not what this network takes, or it takes none.
        """
        raise ConfigError(f'pretrained {str(path)!r}: {type(self).__name__} takes no such weights')

    def load_form(self, state: Mapping[str, Tensor]) -> None:
        """Take the weights of such a network, which may be of another form that answers alike.

        Raises:
            ConfigError: a missing or unexpected name, or another shape.
        """
        check_state('the state', self.state_dict(), state)
        self.load_state_dict(dict(state))

    def start_from(self, state: Mapping[str, Tensor]) -> None:
        """As ``load_form``, but the normalisation stays that of the own settings."""
        own = {name: value for name, value in self.state_dict().items() if name in STATISTICS}
        self.load_form({**state, **own})

    def prepare_for_inference(self, dtype: torch.dtype) -> None:
        """Bring the network into its fastest form that answers the same; it trains no more.

        Args:
            dtype: of weights and maps; the normalisation stays float32.
        """
        self.eval().requires_grad_(False)
        mean_M3, std_M3 = self.mean_M3, self.std_M3
        self.to(dtype=dtype)
        self.mean_M3, self.std_M3 = mean_M3, std_M3
        for parameter in self.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        self.is_prepared = True


def checked_subsets(subsets: Sequence[Subset] | None, available: Subset) -> Sequence[Subset]:
    """Subsets of what is available, all non-empty ones for None; else ValueError."""
    if subsets is None:
        return modality_subsets(available)
    for subset in subsets:
        if not subset or not set(subset) <= set(available):
            raise ValueError(f'subset is {subset!r}; allowed: some of {list(available)}')
    return subsets
