# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parallel Pooling Mixer (PPX): pools of several sizes and a channel gate on one map.
Layer: models; torch only.

Source: Zhang et al., "Delivering Arbitrary-Modal Semantic Segmentation" (CMNeXt), CVPR 2023.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from anymodal_seg_ros.models.mit import DropPath
from anymodal_seg_ros.models.owned_layers import (
    OwnedBatchNorm,
    OwnedConv,
    OwnedLayerNorm,
    OwnedLayers,
    OwnedLinear,
    OwnedScale,
    Owners,
)

POOLS = (3, 7, 11)
INITIAL_SCALE = 0.01


class ParallelPoolingMixer(nn.Module):
    """x1 = x + s1 attended(norm(x)); gate(x1) x1 + s2 ffn(norm(x1)).

    Args:
        owners: who has weights.
        dim: channels.
        ratio: hidden channels of the feed-forward layer, in ``dim``.
        drop_path: see ``DropPath``.
        batch_norm: else layer norm.
    """

    def __init__(
        self, owners: Sequence[str], dim: int, ratio: int, drop_path: float, *, batch_norm: bool
    ) -> None:
        super().__init__()
        norm: Callable[[Sequence[str], int], OwnedLayers]
        norm = OwnedBatchNorm if batch_norm else OwnedLayerNorm
        self.norm1 = norm(owners, dim)
        self.local = OwnedConv(owners, dim, 7, is_depthwise=True)
        self.mix = OwnedLinear(owners, dim, dim)
        self.scale1 = OwnedScale(owners, dim, INITIAL_SCALE)
        self.gate = ChannelGate(owners)
        self.norm2 = norm(owners, dim)
        self.fc1 = OwnedLinear(owners, dim, ratio * dim)
        self.dwconv = OwnedConv(owners, ratio * dim, 3, is_depthwise=True)
        self.fc2 = OwnedLinear(owners, ratio * dim, dim)
        self.scale2 = OwnedScale(owners, dim, INITIAL_SCALE)
        self.drop_path = DropPath(drop_path)

    def forward(self, x_PHWC: Tensor, owners: Owners) -> Tensor:
        """[P, H, W, C] in and out."""
        u_PHWC = self.norm1(x_PHWC, owners)
        pooled_PHWC = with_pools(self.local(u_PHWC, owners))
        attended_PHWC = u_PHWC * self.mix(pooled_PHWC, owners).sigmoid() + u_PHWC
        x_PHWC = x_PHWC + self.drop_path(self.scale1(attended_PHWC, owners))
        hidden_PHWC = self.fc1(self.norm2(x_PHWC, owners), owners)
        mixed_PHWC = self.fc2(F.gelu(self.dwconv(hidden_PHWC, owners)), owners)
        gated_PHWC = self.gate(x_PHWC, owners)
        out_PHWC: Tensor = gated_PHWC + self.drop_path(self.scale2(mixed_PHWC, owners))
        return out_PHWC


class ChannelGate(OwnedLayers):
    """Each channel times the sigmoid of a convolution over the channels' means."""

    def __init__(self, owners: Sequence[str]) -> None:
        super().__init__({owner: nn.Conv1d(1, 1, 3, padding=1, bias=False) for owner in owners})

    def forward(self, x_PHWC: Tensor, owners: Owners) -> Tensor:
        """[P, H, W, C] in and out."""
        mean_PC3 = F.pad(x_PHWC.mean((1, 2)), (1, 1)).unfold(1, 3, 1)
        weight_P13 = owners.weights_of_rows(self.stacked('weight'))[:, 0]
        return x_PHWC * (mean_PC3 * weight_P13).sum(2).sigmoid()[:, None, None]


def with_pools(x_PHWC: Tensor) -> Tensor:
    """The map plus its means over windows of 3, 7 and 11 pixels; those outside do not count."""
    x_PCHW = x_PHWC.permute(0, 3, 1, 2)
    total_PCHW = x_PCHW
    for size in POOLS:
        # The window's pixels within the image are a rectangle: rows first, then columns.
        rows_PCHW = F.avg_pool2d(
            x_PCHW, (size, 1), 1, (size // 2, 0), count_include_pad=False
        )
        total_PCHW = total_PCHW + F.avg_pool2d(
            rows_PCHW, (1, size), 1, (0, size // 2), count_include_pad=False
        )
    return total_PCHW.permute(0, 2, 3, 1)
