# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cosines of vectors that may be zero: 0 there, and gradient 0 rather than none or infinite."""

from __future__ import annotations

import torch
from torch import Tensor

MIN_NORM = 1e-6


def inverse_norm(x: Tensor, dim: int) -> Tensor:
    """1 / |x| along ``dim``, which is kept; 0 with gradient 0 for vectors shorter than 1e-6."""
    norm = torch.linalg.vector_norm(x, dim=dim, keepdim=True)
    return torch.where(norm > MIN_NORM, norm.clamp(min=MIN_NORM).reciprocal(), 0.0)


def inverse_sqrt(squared: Tensor) -> Tensor:
    """The same from squared norms."""
    least = MIN_NORM**2
    return torch.where(squared > least, squared.clamp(min=least).rsqrt(), 0.0)
