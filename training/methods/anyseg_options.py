# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of AnySeg."""

from __future__ import annotations

from dataclasses import dataclass

from training import limits
from training.losses.variants import CORRESPONDENCES, UNIMODAL_AXES


@dataclass(frozen=True, kw_only=True)
class AnySegOptions:
    """Weights and variants. The defaults are the paper's, with its correspondence loss completed
    to a divergence."""

    mad: float = 50.0
    """Weight of the logits' KL, averaged over classes too: the paper's 50 is 50 / K of the usual
    KL per pixel."""
    umd: float = 5.0
    cmd: float = 10.0
    unimodal_axis: str = 'channel'
    """What is a distribution: a pixel's channels (paper) or, with 'height', an image column of a
    channel (published code)."""
    correspondences: str = 'divergence'
    """'divergence' is least where student and teacher agree. 'paper' is the equation as printed,
    which is least at a student's similarity of 1 / e of the teacher's and drives it there. 'mse';
    'reference_code' mixes log-probabilities and probabilities (published code)."""

    def __post_init__(self) -> None:
        for name in ('mad', 'umd', 'cmd'):
            limits.number(f'method.options.{name}', getattr(self, name), 0, 1e6)
        limits.one_of('method.options.unimodal_axis', self.unimodal_axis, UNIMODAL_AXES)
        limits.one_of('method.options.correspondences', self.correspondences, CORRESPONDENCES)
