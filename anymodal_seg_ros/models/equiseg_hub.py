# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Self-Query Hub: the maps of several modalities as one, the greatest at each channel and pixel.
Layer: models; torch only.

Source: Zhang et al., "Delivering Arbitrary-Modal Semantic Segmentation" (CMNeXt), CVPR 2023.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anymodal_seg_ros.models.equiseg_partners import Partners


class Scorer(nn.Module):
    """A depthwise 3x3 convolution and a 1x1 convolution to one channel.

    Nothing is between the two, so they are one 3x3 convolution, and are applied as that.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.point = nn.Conv2d(dim, 1, 1)

    def composed(self) -> tuple[Tensor, Tensor]:
        """Weight [C, 3, 3] and bias []."""
        point_C = self.point.weight.flatten()
        assert self.depthwise.bias is not None and self.point.bias is not None
        bias = (point_C * self.depthwise.bias).sum() + self.point.bias[0]
        return point_C[:, None, None] * self.depthwise.weight[:, 0], bias


class SelfQueryHub(nn.Module):
    """Each map s weighted by 1 + sigmoid(score(s)); then their maximum.

    Args:
        owners: who has scorers: each primary, or one name for all of them.
        sources: modalities; a scorer for each, but none of a primary for itself.
        dim: channels.
        merge: 'max', or 'mean', an ablation of the paper.
    """

    kept_weight: Tensor
    kept_bias: Tensor

    def __init__(
        self, owners: Sequence[str], sources: Sequence[str], dim: int, merge: str
    ) -> None:
        super().__init__()
        self.merge = merge
        self.scorers = nn.ModuleDict(
            {
                owner: nn.ModuleDict(
                    {source: Scorer(dim) for source in sources if source != owner}
                )
                for owner in owners
            }
        )
        self.sources = tuple(sources)
        self._is_kept = False

    def composed(self) -> tuple[Tensor, Tensor]:
        """Weight [S * O, C, 3, 3] and bias [S * O] of all scorers, source after source."""
        if self._is_kept:
            return self.kept_weight, self.kept_bias
        weights, biases = [], []
        for source in self.sources:
            for scorers in self.scorers.values():
                assert isinstance(scorers, nn.ModuleDict)
                # A primary is never its own source; the place of that scorer is not read.
                chosen = scorers[source] if source in scorers else next(iter(scorers.values()))
                assert isinstance(chosen, Scorer)
                weight_Ckk, bias = chosen.composed()
                weights.append(weight_Ckk)
                biases.append(bias)
        return torch.stack(weights), torch.stack(biases)

    def keep_composed(self) -> None:
        """The weights do not change any more: compose them once."""
        weight, bias = self.composed()
        self.register_buffer('kept_weight', weight, persistent=False)
        self.register_buffer('kept_bias', bias, persistent=False)
        self._is_kept = True

    def scorers_of(self, modality: str) -> list[nn.Module]:
        """Those of a primary; where all primaries have the same, those of a source."""
        if modality in self.scorers:
            return [self.scorers[modality]]
        return [scorers[modality] for scorers in self.scorers.values()]  # type: ignore[index]

    def scores(self, source_PHWC: Tensor, source_P: Tensor) -> Tensor:
        """Each map as each owner scores it: [P, O, H, W] in 0..1."""
        weight, bias = self.composed()
        score_PQHW = F.conv2d(source_PHWC.permute(0, 3, 1, 2), weight, bias, padding=1)
        split = len(self.sources), len(self.scorers)
        score_PSOHW = score_PQHW.reshape(len(score_PQHW), *split, *score_PQHW.shape[2:])
        rows_P = torch.arange(len(source_P), device=source_P.device)
        return score_PSOHW[rows_P, source_P].sigmoid()

    def forward(self, source_PHWC: Tensor, partners: Partners) -> Tensor:
        """Maps of all pairs, [P, H, W, C], to one for each context, [Q, H, W, C]."""
        score_POHW = self.scores(source_PHWC, partners.source_P)
        owner_Q = partners.context_owners.column_P
        owner_Q1 = (owner_Q if len(self.scorers) > 1 else torch.zeros_like(owner_Q))[:, None]
        weight_QKHW = 1.0 + score_POHW[partners.partner_QK, owner_Q1]
        weighted_QKHWC = source_PHWC[partners.partner_QK] * weight_QKHW[..., None]
        if partners.is_partner_QK is None:
            return weighted_QKHWC.amax(1) if self.merge == 'max' else weighted_QKHWC.mean(1)
        absent_QK111 = ~partners.is_partner_QK[:, :, None, None, None]
        if self.merge == 'max':
            return weighted_QKHWC.masked_fill(absent_QK111, -torch.inf).amax(1)
        total_QHWC = weighted_QKHWC.masked_fill(absent_QK111, 0.0).sum(1)
        return total_QHWC / partners.is_partner_QK.sum(1)[:, None, None, None]
