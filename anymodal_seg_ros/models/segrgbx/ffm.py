# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Feature Fusion Module: two streams as one map. Layer: models; torch only.

Source: Zhang et al., "CMX: Cross-Modal Fusion for RGB-X Semantic Segmentation with Transformers",
IEEE T-ITS 2023, section III-C.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anymodal_seg_ros.models.mit import BLOCK_NORM_EPS, conv_nhwc, init_weights
from anymodal_seg_ros.models.segrgbx.map_norm import map_norm


class CrossPath(nn.Module):
    """One stream's half of the exchange: what it keeps, what it asks with, what it tells."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.split = nn.Linear(dim, 2 * dim)
        self.kv = nn.Linear(dim, 2 * dim, bias=False)
        self.proj = nn.Linear(2 * dim, dim)
        self.norm = nn.LayerNorm(dim, eps=BLOCK_NORM_EPS)

    def kept_and_asking(self, x_QHWC: Tensor) -> tuple[Tensor, Tensor]:
        """The part that stays in the stream and the part that is exchanged."""
        kept_QHWC, asking_QHWC = F.relu(self.split(x_QHWC)).chunk(2, dim=3)
        return kept_QHWC, asking_QHWC

    def context(self, asking_QHWC: Tensor) -> Tensor:
        """[Q, heads, C / heads, C / heads]: a softmax over the keys' channels."""
        keys, values = (self.by_head(part).float()
                        for part in self.kv(asking_QHWC).chunk(2, dim=3))
        # A sum over all pixels goes into the softmax: half precision rounds it by whole units.
        with torch.autocast(asking_QHWC.device.type, enabled=False):
            context = (keys.transpose(2, 3) @ values * keys.shape[3] ** -0.5).softmax(dim=2)
        context_Qhdd: Tensor = context.to(asking_QHWC.dtype)
        return context_Qhdd

    def by_head(self, x_QHWC: Tensor) -> Tensor:
        """[Q, heads, H * W, C / heads]."""
        x_QNC = x_QHWC.flatten(1, 2)
        return x_QNC.view(*x_QNC.shape[:2], self.num_heads, -1).transpose(1, 2)

    def merge(
        self, x_QHWC: Tensor, kept_QHWC: Tensor, asking_QHWC: Tensor, context: Tensor
    ) -> Tensor:
        """The stream with what the other's context answers."""
        seen = (self.by_head(asking_QHWC) @ context).transpose(1, 2)
        told_QHWE = torch.cat([kept_QHWC, seen.reshape(x_QHWC.shape)], dim=3)
        merged_QHWC: Tensor = self.norm(x_QHWC + self.proj(told_QHWE))
        return merged_QHWC


class ChannelEmbed(nn.Module):
    """Two maps one behind the other, mixed to one: a 1x1 path plus one that sees neighbours."""

    def __init__(self, dim: int, norm: str) -> None:
        super().__init__()
        self.residual = nn.Linear(2 * dim, dim, bias=False)
        self.fc1 = nn.Linear(2 * dim, dim)
        self.dwconv = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.fc2 = nn.Linear(dim, dim)
        self.inner_norm = map_norm(norm, dim)
        self.norm = map_norm(norm, dim)

    def forward(self, x_QHWE: Tensor) -> Tensor:
        """[Q, H, W, 2C] to [Q, H, W, C]."""
        hidden_QHWC = F.relu(conv_nhwc(self.dwconv, self.fc1(x_QHWE)))
        mixed_QHWC: Tensor = self.norm(
            self.residual(x_QHWE) + self.inner_norm(self.fc2(hidden_QHWC)))
        return mixed_QHWC


class FeatureFusion(nn.Module):
    """Cross-attention whose cost grows with the pixels, not their square; then one map of two."""

    def __init__(self, dim: int, num_heads: int, norm: str) -> None:
        super().__init__()
        self.a = CrossPath(dim, num_heads)
        self.b = CrossPath(dim, num_heads)
        self.embed = ChannelEmbed(dim, norm)
        self.apply(init_weights)

    def forward(self, a_QHWC: Tensor, b_QHWC: Tensor) -> Tensor:
        """The maps of Q pairs as one each."""
        a_kept, a_asking = self.a.kept_and_asking(a_QHWC)
        b_kept, b_asking = self.b.kept_and_asking(b_QHWC)
        a_QHWC = self.a.merge(a_QHWC, a_kept, a_asking, self.b.context(b_asking))
        b_QHWC = self.b.merge(b_QHWC, b_kept, b_asking, self.a.context(a_asking))
        fused_QHWC: Tensor = self.embed(torch.cat([a_QHWC, b_QHWC], dim=3))
        return fused_QHWC
