# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cross-entropy over the hardest pixels (online hard example mining)."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

from anymodal_seg_ros.labels import UNLABELLED

MIN_KEPT_SHARE = 16
PROBABILITY = 0.7


class OhemCrossEntropy(nn.Module):
    """Mean loss of the pixels whose class got a probability below 0.7, and at least of the
    hardest sixteenth of the labelled ones.

    Without labelled pixels it is 0 with gradient 0.
    """

    def __init__(self, weight_K: Tensor | None = None) -> None:
        super().__init__()
        self.weight_K: Tensor | None
        self.register_buffer('weight_K', weight_K)
        self.threshold = -math.log(PROBABILITY)

    def forward(self, logits_BKHW: Tensor, labels_BHW: Tensor) -> Tensor:
        loss_P = F.cross_entropy(logits_BKHW, labels_BHW, self.weight_K,
                                 ignore_index=UNLABELLED, reduction='none').flatten()
        loss_P = loss_P[labels_BHW.flatten() != UNLABELLED]
        if len(loss_P) == 0:
            return logits_BKHW.sum() * 0.0
        num_min = max(len(loss_P) // MIN_KEPT_SHARE, 1)
        hard_P = loss_P[loss_P > self.threshold]
        if len(hard_P) < num_min:
            hard_P = loss_P.topk(num_min).values
        return hard_P.mean()
