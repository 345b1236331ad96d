# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of EQUISeg's self-guidance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from anymodal_seg_ros.ranges import Range
from training.losses.variants import GROUPINGS
from training.settings import OneOf, Weight, check_settings


@dataclass(frozen=True, kw_only=True)
class EquiSegOptions:
    """Weight and variants; the defaults are the paper's."""

    sgm: Weight = 60.0
    """Weight of the self-guidance; the paper's ablation has 0, 1, 40, 60 and 80."""
    ramp: Annotated[float, Range(0, 0.9)] = 0.0
    """Share of the run, such as that of the warm-up, in which the weight rises linearly from 0;
    the paper's is constant."""
    prototypes: bool = True
    """Class means; without them each pixel guides by its own channels (an ablation of the paper).
    """
    grouping: Annotated[str, OneOf(GROUPINGS)] = 'random'
    """Which modality teaches which. 'random': drawn anew for each step; 'cosine': those whose
    prototypes are most alike, and who of the two teaches is drawn (an ablation of the paper)."""
    detach_teacher: bool = True
    """Whether the one that teaches stays as it is; the paper does not say."""

    def __post_init__(self) -> None:
        check_settings('method.options', self)
