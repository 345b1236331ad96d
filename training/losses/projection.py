# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Brings a student's features to the channels of a larger teacher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from anymodal_seg_ros.models.features import FeatureMaps


class FeatureProjection(nn.Module):
    """A 1x1 projection of each level, or nothing where the channels agree.

    Part of the distillation only: it trains with the student and is not part of it.
    """

    def __init__(self, student_dims: Sequence[int], teacher_dims: Sequence[int]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            nn.Identity() if ours == theirs else nn.Linear(ours, theirs)
            for ours, theirs in zip(student_dims, teacher_dims, strict=True)
        )
        for level in self.levels:
            if isinstance(level, nn.Linear):
                # Keeps lengths and angles, and with them the scale of the teacher's layer norm.
                nn.init.orthogonal_(level.weight)
                nn.init.zeros_(level.bias)

    def forward(self, features: FeatureMaps) -> FeatureMaps:
        """Maps [P, H_i, W_i, student_dims[i]] to [P, H_i, W_i, teacher_dims[i]]."""
        maps = zip(self.levels, features.maps, strict=True)
        return replace(features, maps=tuple(level(x_PHWC) for level, x_PHWC in maps))
