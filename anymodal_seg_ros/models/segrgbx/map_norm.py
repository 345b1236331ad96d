# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Norms of maps [N, H, W, C]. Layer: models; torch only."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from anymodal_seg_ros.models.owned_layers import OwnedBatchNorm, Owners
from anymodal_seg_ros.models.segrgbx.config import BATCH


class MapBatchNorm(nn.Module):
    """Batch norm with the statistics of this process alone: another one may have nothing to norm
    in a step, and would not answer."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = OwnedBatchNorm(('shared',), dim)

    def forward(self, x_NHWC: Tensor) -> Tensor:
        owner_N = torch.zeros(len(x_NHWC), dtype=torch.int64, device=x_NHWC.device)
        y_NHWC: Tensor = self.norm(x_NHWC, Owners(owner_N, is_each_once=False))
        return y_NHWC


def map_norm(kind: str, dim: int) -> nn.Module:
    """Of the config's ``fusion_norm``."""
    return MapBatchNorm(dim) if kind == BATCH else nn.LayerNorm(dim)
