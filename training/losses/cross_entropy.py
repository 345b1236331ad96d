# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cross-entropy over labelled pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anymodal_seg_ros.labels import UNLABELLED


class CrossEntropy(nn.Module):
    """Weighted mean over the labelled pixels; 0 with gradient 0 where there are none."""

    def __init__(self, weight_K: Tensor | None = None) -> None:
        super().__init__()
        self.weight_K: Tensor | None
        self.register_buffer('weight_K', weight_K)

    def forward(self, logits_BKHW: Tensor, labels_BHW: Tensor) -> Tensor:
        # CUDA sums the loss of images in no fixed order, that of rows in one.
        if torch.are_deterministic_algorithms_enabled() or is_pixel_major(logits_BKHW):
            logits_BKHW, labels_BHW = pixel_rows(logits_BKHW), labels_BHW.flatten()
        total = F.cross_entropy(logits_BKHW, labels_BHW, self.weight_K,
                                ignore_index=UNLABELLED, reduction='sum')
        num_labelled = (labels_BHW != UNLABELLED).sum().clamp(min=1)
        return total / num_labelled


def is_pixel_major(x_BKHW: Tensor) -> bool:
    """Whether the channels of a pixel lie together, as the network's logits do; no loss then
    rearranges them, but takes ``pixel_rows``."""
    return x_BKHW.is_contiguous(
        memory_format=torch.channels_last) and not x_BKHW.is_contiguous()


def pixel_rows(x_BKHW: Tensor) -> Tensor:
    """[B * H * W, K]: classes in axis 1 as before; no copy of a pixel-major tensor."""
    return x_BKHW.permute(0, 2, 3, 1).flatten(0, 2)
