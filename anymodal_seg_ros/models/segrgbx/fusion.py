# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What becomes of the streams after a stage. Layer: models; torch only.

The paper has one other sensor beside the camera. With several, each pair of the primary sensor and
another one is rectified and fused as if it were alone; means are taken over the pairs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from anymodal_seg_ros.models.fusion import mean_over_present
from anymodal_seg_ros.models.segrgbx.ffm import FeatureFusion
from anymodal_seg_ros.models.segrgbx.frm import FeatureRectification
from anymodal_seg_ros.models.segrgbx.map_norm import map_norm
from anymodal_seg_ros.models.segrgbx.streams import StreamPairs


class StreamFusion(nn.Module):
    """Rectification and fusion of pairs, and a way for samples that have none.

    Args:
        dim, num_heads: of the stage.
        norm: see ``map_norm``.
        has_pairs: whether there is more than one modality.
    """

    def __init__(self, dim: int, num_heads: int, norm: str, *, has_pairs: bool) -> None:
        super().__init__()
        self.rectify: FeatureRectification | None = None
        self.fuse: FeatureFusion | None = None
        if has_pairs:
            self.rectify = FeatureRectification(dim)
            self.fuse = FeatureFusion(dim, num_heads, norm)
        self.alone = nn.Sequential(nn.Linear(dim, dim), map_norm(norm, dim))
        # At first the stream itself, with the statistics of a fused map.
        linear = self.alone[0]
        assert isinstance(linear, nn.Linear)
        nn.init.eye_(linear.weight)
        nn.init.zeros_(linear.bias)

    def forward(self, x_PHWC: Tensor, pairs: StreamPairs) -> tuple[Tensor, Tensor]:
        """The streams' maps, as they go on, and one map [B, H, W, C] for each sample."""
        fused = []
        if len(pairs.owner_TP):
            fused.append(self.alone(mean_over_present(x_PHWC, pairs.owner_TP)))
        if len(pairs.owner_SQ):
            assert self.rectify is not None and self.fuse is not None
            primary_QHWC, other_QHWC = self.rectify(
                x_PHWC[pairs.primary_Q], x_PHWC[pairs.other_Q])
            fused_QHWC = self.fuse(primary_QHWC, other_QHWC)
            fused.insert(0, mean_over_present(fused_QHWC, pairs.owner_SQ))
            primary_SHWC = mean_over_present(primary_QHWC, pairs.owner_SQ)
            x_PHWC = x_PHWC.index_copy(0, pairs.other_Q, other_QHWC.to(x_PHWC.dtype))
            x_PHWC = x_PHWC.index_copy(0, pairs.primary_S, primary_SHWC.to(x_PHWC.dtype))
        if pairs.order_B is None:
            return x_PHWC, fused[0]
        return x_PHWC, torch.cat(fused)[pairs.order_B]
