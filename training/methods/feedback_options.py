# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of RobustSeg's feedback loop."""

from __future__ import annotations

from dataclasses import dataclass

from training import limits

TRAINABLE = ('own', 'soft_freeze')


@dataclass(frozen=True, kw_only=True)
class FeedbackOptions:
    """How the teacher learns. The paper states the rate and what is frozen; how often, with which
    weight and in which mode is not stated anywhere and is chosen here. Its losses are always those
    of ground truth, plain mean prototypes and the 'mse' of IFV maps."""

    lr: float = 6e-6
    every: int = 1
    """Steps of the student for one of the teacher."""
    ifv: float = 1.0
    """Weight of the IFV term beside the cross-entropy."""
    trainable: str = 'own'
    """'own': what only weak modalities use (their encoders, adapters and stems); a teacher with
    one encoder for all gets adapters, which start as identity. 'soft_freeze': the shared encoder
    too, but only weak modalities' features send gradient."""

    def __post_init__(self) -> None:
        limits.number('feedback.lr', self.lr, 1e-12, 1)
        limits.whole('feedback.every', self.every, 1, 10**6)
        limits.number('feedback.ifv', self.ifv, 0, 1e6)
        limits.one_of('feedback.trainable', self.trainable, TRAINABLE)
