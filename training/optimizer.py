# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The optimiser of the student and of a teacher that learns."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from lightning_fabric import Fabric
from torch import nn


def build_optimizer(
    parameters: Iterable[nn.Parameter], *, lr: float, weight_decay: float, fused: bool = True
) -> torch.optim.Optimizer:
    """AdamW that leaves 1-D weights (norms, biases) undecayed.

    Args:
        parameters: those that need no gradient are left out.
        fused: one kernel for all; with scaled gradients (fp16) it cannot be clipped.
    """
    weights = [p for p in parameters if p.requires_grad]
    groups = [
        {'params': [p for p in weights if p.ndim > 1], 'weight_decay': weight_decay},
        {'params': [p for p in weights if p.ndim <= 1], 'weight_decay': 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.999), fused=fused)


def scales_gradients(fabric: Fabric) -> bool:
    """Whether the precision multiplies the loss so that float16 gradients do not vanish."""
    return getattr(fabric.strategy.precision, 'scaler', None) is not None
