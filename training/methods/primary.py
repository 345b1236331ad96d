# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which modalities are primary: those whose features look most like the fused ones (ASM)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed
import torch.nn.functional as F
from torch import Tensor, nn

from anymodal_seg_ros import limits
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models.features import FeatureMaps
from training.methods.primary_options import PrimaryOptions

DECAY = 0.99
THRESHOLD = 0.5


class PrimarySelection(nn.Module):
    """Scores modalities by the cosine between their features and the fused ones and splits them
    into primary and weak.

    The reference code holds no such module and the paper does not say how many modalities are
    primary; the running mean (0.99) over steps and ranks keeps the split steady and alike
    everywhere. Source: RobustSeg (CVPR 2026), arbitrary-modal selection.

    Raises:
        ConfigError: ``names`` that the network does not have, none for 'fixed', or a ``count``
            of more modalities than there are.
    """

    def __init__(self, options: PrimaryOptions, modalities: Sequence[str]) -> None:
        super().__init__()
        for name in options.names:
            if name not in modalities:
                raise ConfigError(f'primary.names has {name!r}; allowed: {", ".join(modalities)}')
        if options.policy == 'fixed' and not options.names:
            raise ConfigError("primary.policy 'fixed' needs primary.names")
        limits.whole('primary.count', options.count, 0, len(modalities))
        self.options = options
        self.modalities = tuple(modalities)
        self.count = options.count or (len(modalities) + 1) // 2
        self.score_M: Tensor
        self.register_buffer('score_M', torch.zeros(len(modalities), dtype=torch.float64))
        self.weight_M: Tensor
        self.register_buffer('weight_M', torch.zeros(len(modalities), dtype=torch.float64))

    @torch.no_grad()
    def update(self, features: FeatureMaps, fused: Sequence[Tensor]) -> Tensor:
        """Take in a batch of the teacher's features and return its scores [B, M] on the CPU, NaN
        where a sample lacks a modality. Samples of one modality stay out of the running mean."""
        score_BM = cosine_scores(features, fused)
        # A lone modality is the fused map: its score is 1 however weak it is.
        lone_B1 = (~score_BM.isnan()).sum(1, keepdim=True) < 2
        counted_BM = score_BM.masked_fill(lone_B1, float('nan'))
        total_2M = torch.stack([counted_BM.nan_to_num().sum(0), (~counted_BM.isnan()).sum(0)])
        if torch.distributed.is_initialized():
            torch.distributed.all_reduce(total_2M)
        total_M, count_M = total_2M.to(self.score_M)
        # Kept as a weighted sum and its weight, which leaves no trace of the start value.
        keep_M = torch.where(count_M > 0, DECAY, 1.0)
        self.score_M.mul_(keep_M).add_((1 - keep_M) * total_M / count_M.clamp(min=1))
        self.weight_M.mul_(keep_M).add_(1 - keep_M)
        return score_BM.cpu()

    def running_scores(self) -> Tensor:
        """float64 [M] on the CPU; NaN for a modality not seen beside another yet."""
        return (self.score_M / self.weight_M).cpu()

    def choose(self, present_BM: Tensor, score_BM: Tensor | None) -> Tensor:
        """Which present modalities of each sample are primary: bool [B, M] on the CPU.

        Args:
            present_BM: bool on the CPU.
            score_BM: of this batch, as ``update`` returned it; needed by 'per_sample' alone.
        """
        if self.options.policy == 'per_sample':
            assert score_BM is not None
            ranked_BM = score_BM.nan_to_num(nan=-2.0).argsort(dim=1, descending=True)
            chosen_BM = torch.zeros_like(present_BM).scatter_(1, ranked_BM[:, :self.count], True)
            return chosen_BM & present_BM
        primary = self.primary()
        return present_BM & torch.tensor([name in primary for name in self.modalities])

    def primary(self) -> tuple[str, ...]:
        """The primary modalities by the running scores."""
        if self.options.policy == 'fixed':
            return self.options.names
        score_M = self.running_scores().nan_to_num(nan=-2.0)
        if self.options.policy == 'threshold':
            least = THRESHOLD if self.options.threshold is None else self.options.threshold
            chosen = (score_M >= least).nonzero().flatten().tolist()
        else:
            chosen = score_M.argsort(descending=True, stable=True)[: self.count].tolist()
        return tuple(name for i, name in enumerate(self.modalities) if i in chosen)

    def weak(self) -> tuple[str, ...]:
        """The others."""
        primary = self.primary()
        return tuple(name for name in self.modalities if name not in primary)


def cosine_scores(features: FeatureMaps, fused: Sequence[Tensor]) -> Tensor:
    """Mean over the four levels of cos(vec f_m, vec F): [B, M], NaN where absent."""
    device = features.maps[0].device
    sample_P = features.sample_P.to(device, non_blocking=True)
    modality_P = features.modality_P.to(device, non_blocking=True)
    score_P = torch.zeros(len(sample_P), device=device)
    for x_PHWC, fused_BHWC in zip(features.maps, fused, strict=True):
        x_PD, fused_PD = x_PHWC.float().flatten(1), fused_BHWC.float().flatten(1)[sample_P]
        score_P = score_P + F.cosine_similarity(x_PD, fused_PD, dim=1)
    score_BM = torch.full((features.num_samples, features.num_modalities), float('nan'),
                          device=device)
    score_BM[sample_P, modality_P] = score_P / len(features.maps)
    return score_BM
