# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From the maps of each sensor to one map for each sample. Layer: models; torch only.

Both ways are linear in the maps once the weights are known, and a weight before normalisation
depends on one sensor alone: any subset of the sensors is had from one encoding of each.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from anymodal_seg_ros.models.features import FeatureMaps


class ReliabilityScores(nn.Module):
    """A scalar for each pixel of each map: how much its sensor is to be believed there.

    The weights of a sample's sensors are the softmax of their scores over those present. They
    start at zero, where that is the mean. A bias would cancel out.
    """

    def __init__(self, dims: Sequence[int]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(nn.Linear(dim, 1, bias=False) for dim in dims)
        for level in self.levels:
            assert isinstance(level, nn.Linear)
            nn.init.zeros_(level.weight)

    def forward(self, features: FeatureMaps) -> FeatureMaps:
        """Scores of the same pairs: one [P, H_i, W_i, 1] for each map."""
        return features.with_maps(
            level(x_PHWC) for level, x_PHWC in zip(self.levels, features.maps, strict=True)
        )


def fuse_present(features: FeatureMaps, scores: FeatureMaps | None) -> list[Tensor]:
    """Mean of each sample's maps, weighted by the scores if there are any: [B, H_i, W_i, C_i]."""
    owner_BP = features.owner_BP()
    if scores is None:
        return [mean_over_present(x_PHWC, owner_BP) for x_PHWC in features.maps]
    return [
        _total(x_PHWC * softmax_over_present(score_PHW1, features).to(x_PHWC.dtype), owner_BP)
        for x_PHWC, score_PHW1 in zip(features.maps, scores.maps, strict=True)
    ]


def softmax_over_present(score_PHW1: Tensor, features: FeatureMaps) -> Tensor:
    """Weights float32 [P, H, W, 1] that sum to 1 over each sample's pairs."""
    device = score_PHW1.device
    row_BM = features.row_BM()
    # Indexing rather than ``index_select``: its gradient sums in a fixed order on a GPU too.
    score_BMHW1 = score_PHW1.float()[row_BM.clamp(min=0).to(device, non_blocking=True)]
    absent_BM111 = (row_BM < 0)[:, :, None, None, None].to(device, non_blocking=True)
    weight_BMHW1 = score_BMHW1.masked_fill(absent_BM111, -torch.inf).softmax(1)
    pair_P = features.sample_P * features.num_modalities + features.modality_P
    return weight_BMHW1.flatten(0, 1)[pair_P.to(device, non_blocking=True)]


def mean_over_present(x_PHWC: Tensor, owner_BP: Tensor) -> Tensor:
    """Mean of each sample's maps: [P, H, W, C] and bool [B, P] to [B, H, W, C]."""
    counts_B = owner_BP.sum(1)
    if bool((counts_B == 1).all()) and owner_BP.shape[0] == owner_BP.shape[1]:
        order = owner_BP.int().argmax(1)
        if torch.equal(order, torch.arange(len(order))):
            return x_PHWC
    total = _total(x_PHWC, owner_BP)
    counts_B = counts_B.to(total.device, total.dtype, non_blocking=True)
    return total / counts_B[:, None, None, None]


def _total(x_PHWC: Tensor, owner_BP: Tensor) -> Tensor:
    # A product with the 0/1 matrix rather than ``index_add``: on a GPU the latter sums in no
    # fixed order, and results would change from run to run.
    owner = owner_BP.to(x_PHWC.device, x_PHWC.dtype, non_blocking=True)
    return (owner @ x_PHWC.flatten(1)).view(-1, *x_PHWC.shape[1:])
