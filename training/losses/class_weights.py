# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How much each class weighs in the loss, by how often it occurs."""

from __future__ import annotations

import torch
from torch import Tensor


def class_weights(pixels_K: Tensor) -> Tensor:
    """1 / log(1.02 + frequency), scaled so that the mean over all pixels is 1 (Paszke et al.,
    ENet, 2016). A class without a pixel gets the largest weight: it may be in frames not counted.

    Args:
        pixels_K: number of training pixels of each class, or in what proportion they come.

    Raises:
        ValueError: no pixel at all.
    """
    if not pixels_K.any():
        raise ValueError('class weights need a labelled pixel')
    share_K = pixels_K.double() / pixels_K.sum()
    weight_K = 1.0 / torch.log(1.02 + share_K)
    return (weight_K / (weight_K * share_K).sum()).float()
