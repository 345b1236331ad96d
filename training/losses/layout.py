# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Dense logits in whichever form their memory has, so that no loss rearranges them."""

from __future__ import annotations

import torch
from torch import Tensor


def is_pixel_major(x_BKHW: Tensor) -> bool:
    """Whether the channels of a pixel lie together, as the network's logits do."""
    return x_BKHW.is_contiguous(
        memory_format=torch.channels_last) and not x_BKHW.is_contiguous()


def pixel_rows(x_BKHW: Tensor) -> Tensor:
    """[B * H * W, K]: classes in axis 1 as before; no copy of a pixel-major tensor."""
    return x_BKHW.permute(0, 2, 3, 1).flatten(0, 2)
