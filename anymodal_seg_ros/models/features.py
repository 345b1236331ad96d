# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Maps of every sensor of every sample, before they are fused. Layer: models; torch only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class FeatureMaps:
    """Encoded (sample, modality) pairs, modality after modality.

    All samples of the first present modality come first, in their order, then those of the next
    one. The index tensors stay on the CPU, so that nobody who reads them waits for a device.
    """

    maps: tuple[Tensor, ...]
    """[P, H_i, W_i, C_i], finest first: of an encoder four, with strides 4, 8, 16 and 32."""
    sample_P: Tensor
    """int64 on the CPU: the sample of each pair."""
    modality_P: Tensor
    """int64 on the CPU: the modality of each pair, a column of ``config.modalities``."""
    num_samples: int
    num_modalities: int

    @classmethod
    def of_present(cls, maps: Iterable[Tensor], present_BM: Tensor) -> FeatureMaps:
        """Maps of the pairs that are present, bool [B, M] on the CPU, in the order of pairs."""
        pairs_P2 = present_BM.T.nonzero()
        return cls(
            maps=tuple(maps),
            sample_P=pairs_P2[:, 1].contiguous(),
            modality_P=pairs_P2[:, 0].contiguous(),
            num_samples=present_BM.shape[0],
            num_modalities=present_BM.shape[1],
        )

    def row_BM(self) -> Tensor:
        """int64 [B, M] on the CPU: the row of each pair, -1 where it is absent."""
        row_BM = torch.full((self.num_samples, self.num_modalities), -1)
        row_BM[self.sample_P, self.modality_P] = torch.arange(len(self.sample_P))
        return row_BM

    def owner_BP(self) -> Tensor:
        """bool [B, P] on the CPU: which pairs are of which sample."""
        return F.one_hot(self.sample_P, self.num_samples).T.bool()

    def with_maps(self, maps: Iterable[Tensor]) -> FeatureMaps:
        """Other maps of the same pairs."""
        return replace(self, maps=tuple(maps))

    def of_modality(self, column: int) -> FeatureMaps:
        """The pairs of one modality; their maps are views."""
        rows = (self.modality_P == column).nonzero().flatten()
        start = int(rows[0]) if len(rows) else 0
        part = slice(start, start + len(rows))
        return replace(
            self,
            maps=tuple(x_PHWC[part] for x_PHWC in self.maps),
            sample_P=self.sample_P[part],
            modality_P=self.modality_P[part],
        )


def joined(parts: Sequence[FeatureMaps]) -> FeatureMaps:
    """Pairs of the same samples in one; the parts come in the order of their modalities."""
    if len(parts) == 1:
        return parts[0]
    levels = zip(*(part.maps for part in parts), strict=True)
    return replace(
        parts[0],
        maps=tuple(torch.cat(level) for level in levels),
        sample_P=torch.cat([part.sample_P for part in parts]),
        modality_P=torch.cat([part.modality_P for part in parts]),
    )


def select_modalities(
    features: FeatureMaps, columns: Collection[int], absent: FeatureMaps | None = None
) -> FeatureMaps:
    """Only some modalities of every sample; with ``absent`` the others are taken from there."""
    parts = []
    for column in range(features.num_modalities):
        source = features if column in columns else absent
        if source is not None:
            parts.append(source.of_modality(column))
    return joined(parts)
