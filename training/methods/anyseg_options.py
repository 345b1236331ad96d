# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of AnySeg."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from training.losses.variants import CORRESPONDENCES, UNIMODAL_AXES
from training.settings import OneOf, Weight, check_settings


@dataclass(frozen=True, kw_only=True)
class AnySegOptions:
    """Weights and variants. The defaults are the paper's, with its correspondence loss completed
    to a divergence."""

    mad: Weight = 50.0
    """Weight of the logits' KL, averaged over classes too: the paper's 50 is 50 / K of the usual
    KL per pixel."""
    umd: Weight = 5.0
    """Weight of each modality's own features."""
    cmd: Weight = 10.0
    """Weight of the correspondences between modalities."""
    unimodal_axis: Annotated[str, OneOf(UNIMODAL_AXES)] = 'channel'
    """What is a distribution: a pixel's channels (paper) or, with 'height', an image column of a
    channel (published code)."""
    correspondences: Annotated[str, OneOf(CORRESPONDENCES)] = 'divergence'
    """'divergence' is least where student and teacher agree. 'paper' is the equation as printed,
    which is least at a student's similarity of 1 / e of the teacher's and drives it there. 'mse';
    'reference_code' mixes log-probabilities and probabilities (published code)."""

    def __post_init__(self) -> None:
        check_settings('method.options', self)
