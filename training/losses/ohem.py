# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cross-entropy over the hardest pixels (online hard example mining)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from anymodal_seg_ros.labels import UNLABELLED
from training.losses.cross_entropy import CrossEntropy, is_pixel_major, pixel_rows

MIN_KEPT_SHARE = 16
PROBABILITY = 0.7
MAX_EASY_LOSS = -math.log(PROBABILITY)


class OhemCrossEntropy(CrossEntropy):
    """Mean loss of the pixels whose class got a probability below 0.7, and at least of the
    hardest sixteenth of the labelled ones.

    Without labelled pixels it is 0 with gradient 0.
    """

    def forward(self, logits_BKHW: Tensor, labels_BHW: Tensor) -> Tensor:
        if is_pixel_major(logits_BKHW):
            logits_BKHW, labels_BHW = pixel_rows(logits_BKHW), labels_BHW.flatten()
        loss_P = F.cross_entropy(logits_BKHW, labels_BHW, self.weight_K,
                                 ignore_index=UNLABELLED, reduction='none').flatten()
        labelled_P = labels_BHW.flatten() != UNLABELLED
        num_labelled = labelled_P.sum()
        num_min = torch.minimum((num_labelled // MIN_KEPT_SHARE).clamp(min=1), num_labelled)
        # Hard is what has a low probability, whatever its class weighs.
        plain_P = loss_P.detach()
        if self.weight_K is not None:
            plain_P = plain_P / self.weight_K[labels_BHW.flatten().where(labelled_P, 0)]
        plain_P = plain_P.masked_fill(~labelled_P, -1.0)
        hard_P = plain_P > MAX_EASY_LOSS
        num_hard = hard_P.sum()
        # As many as can be needed, so that their number need not be read from the device.
        hardest = plain_P.topk(max(len(plain_P) // MIN_KEPT_SHARE, 1)).indices
        kept = torch.arange(len(hardest), device=hardest.device) < num_min
        total = torch.where(num_hard < num_min, (loss_P[hardest] * kept).sum(),
                            (loss_P * hard_P).sum())
        return total / torch.maximum(num_hard, num_min).clamp(min=1)
