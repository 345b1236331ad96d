# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""RobustSeg: hybrid prototype distillation, and every rung of its ablation ladder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models.abilities import FeatureNetwork
from anymodal_seg_ros.models.features import FeatureMaps
from anymodal_seg_ros.models.network import Network
from training.batch import Batch
from training.losses.ifv import ifv_kd
from training.losses.logit_kd import logit_kd
from training.losses.pairing import draw_pairing
from training.losses.prototype_bank import PrototypeBank
from training.losses.prototype_kd import prototype_kd
from training.losses.prototypes import Prototypes, class_prototypes, pseudo_labels
from training.methods.base import FeatureDistillation, Terms, upsampled
from training.methods.primary import PrimarySelection
from training.methods.robustseg_options import RobustSegOptions


class RobustSeg(FeatureDistillation):
    """L_CE + 50 L_KL + 100 L_cp + 12 L_ifv (RobustSeg, CVPR 2026).

    With weights set to 0 it is each rung of the paper's ablation: ``kl`` alone is the basic
    distillation; ``kl`` and ``ifv`` over all modalities the single-modal IFV; that with
    ``ifv_pairing: permutation`` the cross-modal IFV; ``kl`` and ``cp`` the CPD.
    """

    options: RobustSegOptions

    def __init__(
        self, criterion: nn.Module, student: Network, teacher: FeatureNetwork,
        options: RobustSegOptions,
    ) -> None:
        if options.feedback is not None and options.feedback.trainable == 'own':
            teacher = teacher.adapted()
        super().__init__(criterion, student, teacher, options)
        self.feedback = options.feedback
        self.selection = PrimarySelection(options.primary, self.modalities)
        if options.feedback is not None and not self.selection.weak():
            raise ConfigError('method.options.feedback has no weak modality to teach: primary '
                              f'takes all of {", ".join(self.modalities)}; lower primary.count '
                              'or shorten primary.names')
        self.bank: PrototypeBank | None = None
        if options.prototypes == 'ema':
            self.bank = PrototypeBank(self.teacher_dims, len(self.modalities),
                                      self.num_classes)
        self.weights = {'ce': 1.0, 'kl': options.kl, 'cp': options.cp, 'ifv': options.ifv}
        self._primary_only = bool(options.ifv) and options.ifv_modalities == 'primary'

    def forward(self, logits_BKhw: Tensor, features: FeatureMaps, batch: Batch) -> Terms:
        teacher_BKhw, teacher = self.ask_teacher(batch)
        logits_BKHW = upsampled(logits_BKhw, batch.labels)
        terms = {'ce': self.criterion(logits_BKHW, batch.labels)}
        teacher_BKHW = upsampled(teacher_BKhw, batch.labels)
        if self.weights['kl']:
            terms['kl'] = logit_kd(logits_BKHW, teacher_BKHW)
        score_BM = self._scored(teacher)
        if self.weights['cp'] or self.weights['ifv']:
            labels_BHW = batch.labels
            if self.options.pseudo_labels:
                labels_BHW = pseudo_labels(labels_BHW, teacher_BKHW, self.options.pseudo_labels)
            mask_BM = batch.present
            if self._primary_only:
                mask_BM = self.selection.choose(batch.present, score_BM)
            self._add_prototype_terms(terms, self.projection(features), teacher, batch,
                                      labels_BHW, mask_BM)
        return terms

    def _add_prototype_terms(
        self, terms: Terms, student: FeatureMaps, teacher: FeatureMaps, batch: Batch,
        labels_BHW: Tensor, ifv_mask_BM: Tensor,
    ) -> None:
        norm = self.options.prototype_norm
        own = class_prototypes(student, labels_BHW, self.num_classes, norm=norm)
        theirs = class_prototypes(teacher, labels_BHW, self.num_classes, norm=norm)
        if self.weights['cp']:
            pairing_P = draw_pairing(batch.present, self.options.pairing,
                                     available_BM=batch.available)
            terms['cp'] = prototype_kd(
                student, teacher, own, self._targets(teacher, theirs), pairing_P,
                mask_absent=self.options.mask_absent)
        if self.weights['ifv']:
            terms['ifv'] = ifv_kd(
                student, teacher, labels_BHW, own, theirs,
                modality_mask_BM=ifv_mask_BM,
                distance=self.options.ifv_distance,
                pairing_P=None if self.options.ifv_pairing == 'identity' else draw_pairing(
                    batch.present, self.options.ifv_pairing, available_BM=batch.available))

    def _targets(self, teacher: FeatureMaps, sample: list[Prototypes]) -> list[Prototypes]:
        if self.bank is None:
            return sample
        self.bank.update(sample, teacher)
        return self.bank.steadied(sample, teacher)

    @torch.no_grad()
    def _scored(self, teacher: FeatureMaps) -> Tensor | None:
        """The modalities' scores [B, M] on the CPU where they decide which ones are primary."""
        is_asked = self._primary_only or self.feedback is not None
        if not is_asked or self.options.primary.policy == 'fixed':
            return None
        with self.autocast():
            fused = self.teacher.fuse(teacher)
        return self.selection.update(teacher, fused)
