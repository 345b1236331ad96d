# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a network's logits at stride 4 to labels and confidence. Layer: inference; torch.

Whoever publishes labels and whoever scores them comes through here.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def labels_at(logits_BKhw: Tensor, out_hw: tuple[int, int]) -> Tensor:
    """int64 [B, H, W]: the argmax of the logits upsampled bilinearly to ``out_hw`` in one step."""
    return _top_at(_classes_last(logits_BKhw), out_hw)[1]


def answer_at(logits_1Khw: Tensor, out_hw: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Labels and confidence, both uint8 [H, W], of a batch of one.

    The labels are those of ``labels_at``. The confidence is the largest softmax probability at
    the network's input size, or at ``out_hw`` where that is smaller, and is upsampled from there:
    a softmax at 512x512 takes as long as a sensor does, and at a quarter of the pixels it looks
    the same.
    """
    logits_1Khw = _classes_last(logits_1Khw)
    top_1HW, labels_1HW, logits_1KHW = _top_at(logits_1Khw, out_hw)
    inner_hw = (min(out_hw[0], 4 * logits_1Khw.shape[2]), min(out_hw[1], 4 * logits_1Khw.shape[3]))
    if inner_hw != tuple(out_hw):
        logits_1KHW = _upsample(logits_1Khw, inner_hw)
        top_1HW = logits_1KHW.amax(dim=1)
    confidence_1HW = (top_1HW - logits_1KHW.logsumexp(dim=1)).exp()
    confidence_1HW = _upsample(confidence_1HW[:, None], out_hw)[:, 0]
    return labels_1HW[0].to(torch.uint8), (confidence_1HW[0] * 255.0).round().to(torch.uint8)


def _top_at(logits_BKhw: Tensor, out_hw: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """The largest logit of each pixel, its class, and all of them, at ``out_hw``."""
    logits_BKHW = _upsample(logits_BKhw, out_hw)
    top_BHW, labels_BHW = logits_BKHW.max(dim=1)
    return top_BHW, labels_BHW, logits_BKHW


def _classes_last(logits_BKhw: Tensor) -> Tensor:
    # The maximum over the classes then reads memory in order.
    return logits_BKhw.float().contiguous(memory_format=torch.channels_last)


def _upsample(x_BCHW: Tensor, size_hw: tuple[int, int]) -> Tensor:
    if tuple(x_BCHW.shape[2:]) == tuple(size_hw):
        return x_BCHW
    return F.interpolate(x_BCHW, size=size_hw, mode='bilinear', align_corners=False)
