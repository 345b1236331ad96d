# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cross-Modal Transformer Block: each modality attends to what its partners are merged to.
Layer: models; torch only.

Source: Tan et al., "Robust Multimodal Semantic Segmentation with Balanced Modality
Contributions" (EQUISeg), arXiv 2509.24505, section 2.1. The paper leaves open where the step
stands in a stage, the reduction of the context, and what of it each modality owns.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from anymodal_seg_ros.models.equiseg_hub import SelfQueryHub
from anymodal_seg_ros.models.equiseg_partners import Partners
from anymodal_seg_ros.models.equiseg_ppx import ParallelPoolingMixer
from anymodal_seg_ros.models.mit import BLOCK_NORM_EPS, PATCH_NORM_EPS
from anymodal_seg_ros.models.owned_layers import OwnedConv, OwnedLayerNorm, OwnedLinear


class CrossAttention(nn.Module):
    """Queries of one map, keys and values of another one, which is reduced R times first.

    The norms on both sides have no weights: a linear layer follows, which takes them in.
    """

    def __init__(
        self, owners: Sequence[str], dim: int, num_heads: int, reduction: int
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q = OwnedLinear(owners, dim, dim)
        self.kv = OwnedLinear(owners, dim, 2 * dim)
        self.proj = OwnedLinear(owners, dim, dim)
        self.reduce: OwnedConv | None = None
        self.reduce_norm: OwnedLayerNorm | None = None
        if reduction > 1:
            self.reduce = OwnedConv(owners, dim, reduction, is_depthwise=False)
            self.reduce_norm = OwnedLayerNorm(owners, dim, eps=PATCH_NORM_EPS)

    def forward(self, x_RHWC: Tensor, context_QHWC: Tensor, partners: Partners) -> Tensor:
        """Maps of the primaries and of the contexts to [R, H, W, C]."""
        rows, height, width, dim = x_RHWC.shape
        owners = partners.context_owners
        context_QHWC = F.layer_norm(context_QHWC, (dim,), eps=BLOCK_NORM_EPS)
        if self.reduce is not None and self.reduce_norm is not None:
            context_QHWC = self.reduce_norm(self.reduce(context_QHWC, owners), owners)
        kv_QNE = self.kv(context_QHWC, owners).flatten(1, 2)
        if partners.context_R is not None:
            kv_QNE = kv_QNE[partners.context_R]
        kv = kv_QNE.reshape(rows, -1, 2, self.num_heads, dim // self.num_heads)
        k, v = kv.permute(2, 0, 3, 1, 4).unbind(0)
        owners = partners.primary_owners
        q_RHWC = self.q(F.layer_norm(x_RHWC, (dim,), eps=BLOCK_NORM_EPS), owners)
        q = q_RHWC.reshape(rows, height * width, self.num_heads, -1).transpose(1, 2)
        out = F.scaled_dot_product_attention(q, k, v)
        out_RHWC: Tensor = self.proj(
            out.transpose(1, 2).reshape(rows, height, width, dim), owners
        )
        return out_RHWC


class CrossModalBlock(nn.Module):
    """Hub, pooling mixer, cross-attention, and the sum with the primary's own map.

    Where no primary has a partner it does nothing.

    Args:
        hub: see ``SelfQueryHub``.
        mixer: see ``ParallelPoolingMixer``.
        attention: see ``CrossAttention``.
        residual: without it what a primary sees replaces its own map, an ablation of the paper.
        earlier: cross-attention after each of the stage's blocks but the last, where it has any.
    """

    def __init__(
        self, hub: SelfQueryHub, mixer: ParallelPoolingMixer, attention: CrossAttention, *,
        residual: bool, earlier: Sequence[CrossAttention] = (),
    ) -> None:
        super().__init__()
        self.hub = hub
        self.mixer = mixer
        self.earlier = nn.ModuleList(earlier)
        self.attention = attention
        self.residual = residual

    def forward(self, x_PHWC: Tensor, source_PHWC: Tensor, partners: Partners) -> Tensor:
        """Maps of all pairs, [P, H, W, C], in and out; ``source_PHWC`` is what is merged."""
        return self.attend(self.attention, x_PHWC, self.context(source_PHWC, partners), partners)

    def context(self, source_PHWC: Tensor, partners: Partners) -> Tensor:
        """What the partners are merged to, [Q, H, W, C]."""
        context_QHWC: Tensor = self.mixer(
            self.hub(source_PHWC, partners), partners.context_owners
        )
        return context_QHWC

    def attend(
        self, attention: nn.Module, x_PHWC: Tensor, context_QHWC: Tensor, partners: Partners
    ) -> Tensor:
        """Maps of all pairs, in and out, after one of the cross-attentions."""
        primary_R = partners.primary_R
        own_RHWC = x_PHWC if primary_R is None else x_PHWC[primary_R]
        seen_RHWC = attention(own_RHWC, context_QHWC, partners)
        new_RHWC: Tensor = own_RHWC + seen_RHWC if self.residual else seen_RHWC
        if primary_R is None:
            return new_RHWC
        return x_PHWC.index_copy(0, primary_R, new_RHWC.to(x_PHWC.dtype))
