# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of RobustSeg's feedback loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from anymodal_seg_ros.ranges import Range
from training.settings import OneOf, Weight, check_settings

TRAINABLE = ('own', 'soft_freeze')


@dataclass(frozen=True, kw_only=True)
class FeedbackOptions:
    """How the teacher learns. The paper states the rate and what is frozen; how often, with which
    weight and in which mode is not stated anywhere and is chosen here. Its losses are always those
    of ground truth, plain mean prototypes and the 'mse' of IFV maps."""

    lr: Annotated[float, Range(1e-12, 1)] = 6e-6
    """Learning rate of the teacher, with the student's schedule."""
    every: Annotated[int, Range(1, 10**6)] = 1
    """Steps of the student for one of the teacher."""
    ifv: Weight = 1.0
    """Weight of the IFV term beside the cross-entropy."""
    trainable: Annotated[str, OneOf(TRAINABLE)] = 'own'
    """'own': what only weak modalities use (their encoders, adapters and stems); a teacher with
    one encoder for all gets adapters, which start as identity. 'soft_freeze': the shared encoder
    too, but only weak modalities' features send gradient."""

    def __post_init__(self) -> None:
        check_settings('method.options.feedback', self)
