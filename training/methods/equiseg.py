# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""EQUISeg: a sample's modalities teach each other in training, and no trace of it is left."""

from __future__ import annotations

from torch import Tensor, nn

from anymodal_seg_ros.models.features import FeatureMaps
from anymodal_seg_ros.models.network import Network
from training.batch import Batch
from training.losses.prototypes import class_prototypes
from training.losses.self_guidance import (
    draw_groups,
    pixel_guidance,
    prototype_guidance,
    similar_groups,
)
from training.methods.base import Method, Terms, upsampled
from training.methods.equiseg_options import EquiSegOptions


class EquiSeg(Method):
    """L_CE + 60 L_s (Tan et al., EQUISeg, arXiv 2509.24505, equations 4 and 8).

    The maps are those that the network averages: with its network, after the cross-modal blocks.
    """

    options: EquiSegOptions

    def __init__(
        self, criterion: nn.Module, student: Network, teacher: Network | None,
        options: EquiSegOptions,
    ) -> None:
        super().__init__(criterion, student, teacher, options)
        self.weights = {'ce': 1.0, 'sgm': options.sgm}

    def begin_step(self, progress: float) -> None:
        """The weight of the guidance on its ramp."""
        ramp = self.options.ramp
        rise = min(progress / ramp, 1.0) if ramp else 1.0
        self.weights = {'ce': 1.0, 'sgm': rise * self.options.sgm}

    def forward(self, logits_BKhw: Tensor, features: FeatureMaps, batch: Batch) -> Terms:
        terms = {'ce': self.criterion(upsampled(logits_BKhw, batch.labels), batch.labels)}
        if self.options.sgm:
            terms['sgm'] = self._guidance(features, batch.labels)
        return terms

    def _guidance(self, features: FeatureMaps, labels_BHW: Tensor) -> Tensor:
        by_prototypes, by_cosine = self.options.prototypes, self.options.grouping == 'cosine'
        prototypes = []
        if by_prototypes or by_cosine:
            prototypes = class_prototypes(features, labels_BHW, self.num_classes)
        groups = similar_groups(features, prototypes) if by_cosine else draw_groups(features)
        detach = self.options.detach_teacher
        if by_prototypes:
            return prototype_guidance(features, prototypes, groups, detach_teacher=detach)
        return pixel_guidance(features, groups, detach_teacher=detach)
