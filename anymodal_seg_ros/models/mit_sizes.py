# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sizes of the Mix Transformer. Layer: models.

Source: Xie et al., "SegFormer: Simple and Efficient Design for Semantic Segmentation with
Transformers", NeurIPS 2021, table 6.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MiTSize:
    """One row of the size table; four stages with strides 4, 8, 16 and 32."""

    dims: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    heads: tuple[int, int, int, int] = (1, 2, 5, 8)
    reductions: tuple[int, int, int, int] = (8, 4, 2, 1)
    mlp_ratio: int = 4


BACKBONES = {
    'b0': MiTSize((32, 64, 160, 256), (2, 2, 2, 2)),
    'b1': MiTSize((64, 128, 320, 512), (2, 2, 2, 2)),
    'b2': MiTSize((64, 128, 320, 512), (3, 4, 6, 3)),
    'b3': MiTSize((64, 128, 320, 512), (3, 4, 18, 3)),
    'b4': MiTSize((64, 128, 320, 512), (3, 8, 27, 3)),
    'b5': MiTSize((64, 128, 320, 512), (3, 6, 40, 3)),
}
