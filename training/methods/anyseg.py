# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""AnySeg: logits, unimodal features and cross-modal correspondences of a frozen teacher."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from anymodal_seg_ros.models.features import FeatureMaps
from anymodal_seg_ros.models.network import Network
from training import limits
from training.batch import Batch
from training.losses import FeatureProjection, cross_modal_kd, logit_kd, unimodal_kd
from training.methods.base import FeatureMethod, Terms, upsampled

CORRESPONDENCES = ('divergence', 'paper', 'mse', 'reference_code')


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
        limits.one_of('method.options.unimodal_axis', self.unimodal_axis, ('channel', 'height'))
        limits.one_of('method.options.correspondences', self.correspondences, CORRESPONDENCES)


class AnySeg(FeatureMethod):
    """L_sup + 50 L_mad + 5 L_umd + 10 L_cmd (AnySeg, arXiv 2411.17141, equations 1 to 6).

    A teacher of another size is met through 1x1 projections of the student's features.
    """

    OPTIONS: ClassVar[type[Any]] = AnySegOptions

    def __init__(
        self, criterion: nn.Module, student: Network, teacher: Network | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(criterion, student, teacher, options)
        self.projection = FeatureProjection(self.student_dims, self.teacher_dims)
        settings: AnySegOptions = self.options
        self.weights = {'ce': 1.0, 'mad': settings.mad, 'umd': settings.umd, 'cmd': settings.cmd}

    def own_parameters(self) -> list[nn.Parameter]:
        return list(self.projection.parameters())

    def forward(self, logits_BKhw: Tensor, features: FeatureMaps, batch: Batch) -> Terms:
        teacher_BKhw, teacher = self.ask_teacher(batch)
        logits_BKHW = upsampled(logits_BKhw, batch.labels)
        terms = {'ce': self.criterion(logits_BKHW, batch.labels)}
        if self.weights['mad']:
            terms['mad'] = logit_kd(logits_BKHW, upsampled(teacher_BKhw, batch.labels))
        student = self.projection(features)
        if self.weights['umd']:
            terms['umd'] = unimodal_kd(student, teacher, axis=self.options.unimodal_axis)
        if self.weights['cmd']:
            terms['cmd'] = cross_modal_kd(student, teacher,
                                          variant=self.options.correspondences)
        return terms
