# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""AnySeg: logits, unimodal features and cross-modal correspondences of a frozen teacher."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from anymodal_seg_ros.models import MSegFormer
from anymodal_seg_ros.models.features import FeatureMaps
from training import limits
from training.batch import Batch
from training.losses import FeatureProjection, cross_modal_kd, logit_kd, unimodal_kd
from training.methods.base import Method, Terms, encoder_dims, upsampled


@dataclass(frozen=True, kw_only=True)
class AnySegOptions:
    """Weights and variants; the defaults are the paper's."""

    mad: float = 50.0
    """Weight of the logits' KL, averaged over classes too: the paper's 50 is 50 / K of the usual
    KL per pixel."""
    umd: float = 5.0
    """Weight of the unimodal feature KL; the reference code's softmax runs over image rows and
    gives values 7 to 50 times smaller than the paper's channel softmax."""
    cmd: float = 10.0
    profile: str = 'paper'
    """'paper' or 'reference_code' (softmax over rows; correspondences of mixed log-probabilities
    and probabilities, compared by squared differences)."""

    def __post_init__(self) -> None:
        for name in ('mad', 'umd', 'cmd'):
            limits.number(f'method.options.{name}', getattr(self, name), 0, 1e6)
        limits.one_of('method.options.profile', self.profile, ('paper', 'reference_code'))


class AnySeg(Method):
    """L_sup + 50 L_mad + 5 L_umd + 10 L_cmd (AnySeg, arXiv 2411.17141, equations 1 to 6).

    A teacher of another size is met through 1x1 projections of the student's features.
    """

    OPTIONS: ClassVar[type[Any]] = AnySegOptions
    NEEDS_TEACHER = True

    def __init__(
        self, criterion: nn.Module, student: MSegFormer, teacher: MSegFormer | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(criterion, student, teacher, options)
        assert teacher is not None
        self.projection = FeatureProjection(encoder_dims(student), encoder_dims(teacher))
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
        as_code = self.options.profile == 'reference_code'
        student = self.projection(features)
        if self.weights['umd']:
            terms['umd'] = unimodal_kd(student, teacher, axis='height' if as_code else 'channel')
        if self.weights['cmd']:
            terms['cmd'] = cross_modal_kd(
                student, teacher, variant='reference_code' if as_code else 'paper')
        return terms
