# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of SegRGB-X's training."""

from __future__ import annotations

from dataclasses import dataclass

from training.settings import Weight, check_settings


@dataclass(frozen=True, kw_only=True)
class SegRgbXOptions:
    """The defaults are the paper's."""

    own: Weight = 1.0
    """Weight of the second term, over the classes of the sample's own data set alone."""

    def __post_init__(self) -> None:
        check_settings('method.options', self)
