# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Feature Rectification Module: two streams correct each other. Layer: models; torch only.

Source: Zhang et al., "CMX: Cross-Modal Fusion for RGB-X Semantic Segmentation with Transformers",
IEEE T-ITS 2023, section III-B.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from anymodal_seg_ros.models.mit import init_weights

CHANNEL_SHARE = SPATIAL_SHARE = 0.5


class FeatureRectification(nn.Module):
    """Each map plus the other one, weighted by channel and by pixel."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.channel = nn.Sequential(
            nn.Linear(4 * dim, 4 * dim), nn.ReLU(), nn.Linear(4 * dim, 2 * dim), nn.Sigmoid())
        self.spatial = nn.Sequential(
            nn.Linear(2 * dim, dim), nn.ReLU(), nn.Linear(dim, 2), nn.Sigmoid())
        self.apply(init_weights)

    def forward(self, a_QHWC: Tensor, b_QHWC: Tensor) -> tuple[Tensor, Tensor]:
        """The maps of Q pairs, and what they become."""
        both_QHWE = torch.cat([a_QHWC, b_QHWC], dim=3)
        pools_QE = torch.cat([both_QHWE.mean((1, 2)), both_QHWE.amax((1, 2))], dim=1)
        channel_a, channel_b = self.channel(pools_QE)[:, None, None].chunk(2, dim=3)
        pixel_a, pixel_b = self.spatial(both_QHWE).chunk(2, dim=3)
        return (
            a_QHWC + (CHANNEL_SHARE * channel_b + SPATIAL_SHARE * pixel_b) * b_QHWC,
            b_QHWC + (CHANNEL_SHARE * channel_a + SPATIAL_SHARE * pixel_a) * a_QHWC,
        )
