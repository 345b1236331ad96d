# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Prototypes averaged over time and ranks, so that rare classes have a steady target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from anymodal_seg_ros.models.features import FeatureMaps
from training.losses.pairing import take_rows
from training.losses.prototypes import Prototypes

MOMENTUM = 0.99
"""Share of the old average in the new one."""


class PrototypeBank(nn.Module):
    """Exponential moving averages by level, modality and class; ours, in neither paper.

    A class's first batch sets its average; batches without the class leave it as it is. All state
    is in buffers.
    """

    def __init__(self, dims: Sequence[int], num_modalities: int, num_classes: int) -> None:
        """Start without any class.

        Args:
            dims: channels of each level.
            num_modalities: M.
            num_classes: K.
        """
        super().__init__()
        shape_MK = (num_modalities, num_classes)
        for level, dim in enumerate(dims):
            self.register_buffer(f'mean_{level}', torch.zeros(*shape_MK, dim))
        self.seen_LMK: Tensor
        self.register_buffer('seen_LMK', torch.zeros(len(dims), *shape_MK, dtype=torch.bool))

    def mean_MKC(self, level: int) -> Tensor:
        """The averages of one level; zero for classes not seen yet."""
        mean_MKC: Tensor = getattr(self, f'mean_{level}')
        return mean_MKC

    @torch.no_grad()
    def update(self, prototypes: Sequence[Prototypes], features: FeatureMaps) -> None:
        """Take in a batch: the mean over all pixels of a class on all ranks.

        With ``torch.distributed`` initialised every rank must call it; all get one result.

        Args:
            prototypes: of ``features``, by plain mean.
            features: whose samples and modalities the prototypes are.
        """
        sums = [self._batch_sums(level, features) for level in prototypes]
        flat = _summed_over_ranks([x for pair in sums for x in pair])
        for level, (sum_MKC, count_MK) in enumerate(zip(flat[::2], flat[1::2], strict=True)):
            batch_MKC = sum_MKC / count_MK.clamp(min=1)[..., None]
            seen_MK = self.seen_LMK[level]
            rate_MK = torch.where(seen_MK, 1.0 - MOMENTUM, 1.0) * (count_MK > 0)
            mean_MKC = self.mean_MKC(level)
            mean_MKC += rate_MK[..., None] * (batch_MKC - mean_MKC)
            seen_MK |= count_MK > 0

    def steadied(
        self, prototypes: Sequence[Prototypes], features: FeatureMaps
    ) -> list[Prototypes]:
        """The prototypes with the bank's average in place of the sample's own.

        Only for classes in the sample, so presence and counts stay; a class that the bank has not
        seen in that modality keeps the sample's own mean.
        """
        steadied = []
        for level, own in enumerate(prototypes):
            seen_PK = take_rows(self.seen_LMK[level], features.modality_P)
            bank_PKC = take_rows(self.mean_MKC(level), features.modality_P)
            use_PK = seen_PK & take_rows(own.present_BK, features.sample_P)
            steadied.append(
                replace(own, mean_PKC=torch.where(use_PK[..., None], bank_PKC, own.mean_PKC)))
        return steadied

    def _batch_sums(self, level: Prototypes, features: FeatureMaps) -> tuple[Tensor, Tensor]:
        """Sums [M, K, C] and numbers [M, K] of pixels."""
        count_PK = take_rows(level.count_BK, features.sample_P)
        sum_PKC = level.mean_PKC * count_PK[..., None]
        modality_MP = F.one_hot(features.modality_P, features.num_modalities).T
        modality_MP = modality_MP.to(count_PK.device, torch.float32, non_blocking=True)
        sum_MKC = (modality_MP @ sum_PKC.flatten(1)).view(-1, *sum_PKC.shape[1:])
        return sum_MKC, modality_MP @ count_PK


def _summed_over_ranks(tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    """In one message."""
    if not (dist.is_available() and dist.is_initialized()):
        return tensors
    flat = torch.cat([x.flatten() for x in tensors])
    dist.all_reduce(flat)
    parts = torch.split(flat, [x.numel() for x in tensors])
    return [part.view_as(x) for part, x in zip(parts, tensors, strict=True)]
