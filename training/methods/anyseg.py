# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""AnySeg: logits, unimodal features and cross-modal correspondences of a frozen teacher."""

from __future__ import annotations

from torch import Tensor, nn

from anymodal_seg_ros.models.features import FeatureMaps
from anymodal_seg_ros.models.network import Network
from training.batch import Batch
from training.losses.cross_modal_kd import cross_modal_kd
from training.losses.logit_kd import logit_kd
from training.losses.unimodal_kd import unimodal_kd
from training.methods.anyseg_options import AnySegOptions
from training.methods.base import FeatureDistillation, Terms, upsampled


class AnySeg(FeatureDistillation):
    """L_sup + 50 L_mad + 5 L_umd + 10 L_cmd (AnySeg, arXiv 2411.17141, equations 1 to 6)."""

    options: AnySegOptions

    def __init__(
        self, criterion: nn.Module, student: Network, teacher: Network, options: AnySegOptions
    ) -> None:
        super().__init__(criterion, student, teacher, options)
        self.weights = {'ce': 1.0, 'mad': options.mad, 'umd': options.umd, 'cmd': options.cmd}

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
