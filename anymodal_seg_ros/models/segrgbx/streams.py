# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which streams are fused with which. Layer: models; torch only."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from anymodal_seg_ros.models.features import FeatureMaps


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class StreamPairs:
    """Of P streams, which are (sample, modality) as in ``FeatureMaps``, the Q pairs of a primary
    one with another of its sample.

    The S samples that have the primary modality and another one have pairs; the others, T, have
    streams alone. Index tensors are on the maps' device, masks on the CPU.
    """

    primary_Q: Tensor
    """int64: the stream of the primary modality of each pair."""
    other_Q: Tensor
    """int64: the other stream of each pair; no stream comes twice."""
    primary_S: Tensor
    """int64: the stream of the primary modality of each sample with pairs."""
    owner_SQ: Tensor
    """bool: which pairs are of which sample with pairs."""
    owner_TP: Tensor
    """bool: which streams are of which sample without pairs."""
    order_B: Tensor | None
    """int64: where each sample is once those with pairs come first; None where all are of one
    kind."""

    @classmethod
    def of_streams(cls, streams: FeatureMaps, primary: int, device: torch.device) -> StreamPairs:
        """All pairs.

        Args:
            streams: the maps do not matter.
            primary: column of the primary modality.
            device: of the maps.
        """
        row_BM = streams.row_BM()
        other_BM, is_paired_B = partners(row_BM >= 0, primary)
        sample_Q, column_Q = (other_BM & is_paired_B[:, None]).nonzero().unbind(1)
        sample_S, sample_T = (mask_B.nonzero().flatten() for mask_B in (is_paired_B, ~is_paired_B))
        order_B = None
        if len(sample_S) and len(sample_T):
            order_B = torch.cat([sample_S, sample_T]).argsort().to(device, non_blocking=True)
        return cls(
            primary_Q=row_BM[sample_Q, primary].to(device, non_blocking=True),
            other_Q=row_BM[sample_Q, column_Q].to(device, non_blocking=True),
            primary_S=row_BM[sample_S, primary].to(device, non_blocking=True),
            owner_SQ=sample_S[:, None] == sample_Q,
            owner_TP=sample_T[:, None] == streams.sample_P,
            order_B=order_B,
        )


def partners(present_BM: Tensor, primary: int) -> tuple[Tensor, Tensor]:
    """Which other modalities are present, bool [B, M], and which samples have pairs, bool [B]."""
    other_BM = present_BM.clone()
    other_BM[:, primary] = False
    return other_BM, present_BM[:, primary] & other_BM.any(1)
