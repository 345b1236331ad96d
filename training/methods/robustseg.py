# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""RobustSeg: hybrid prototype distillation, and every rung of its ablation ladder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models.features import FeatureMaps
from anymodal_seg_ros.models.network import Network
from training import limits
from training.batch import Batch
from training.losses import (
    PAIRINGS,
    FeatureProjection,
    PrototypeBank,
    Prototypes,
    class_prototypes,
    draw_pairing,
    ifv_kd,
    logit_kd,
    prototype_kd,
    pseudo_labels,
)
from training.methods.base import FeatureMethod, Terms, upsampled
from training.methods.feedback_options import FeedbackOptions
from training.methods.learning_teacher import learning_teacher
from training.methods.primary import PrimaryOptions, PrimarySelection


@dataclass(frozen=True, kw_only=True)
class RobustSegOptions:
    """Weights and variants; the defaults are the paper's, repaired where its code is not what it
    says. ``reference_code`` in the recipes' names shows the settings of the published code."""

    kl: float = 50.0
    """Weight of the logits' KL, averaged over classes too."""
    cp: float = 100.0
    """Weight of the cross-modal prototype distillation."""
    ifv: float = 12.0
    """Weight of the intra-class feature variation."""
    pairing: str = 'permutation'
    """Which teacher modality a student's prototypes meet. 'permutation': a random one, each
    taken at most once in a sample; 'derangement': the same, but never its own; 'identity': its
    own; 'same_rank': a sample's k-th, in random order, meets the teacher's k-th; 'independent':
    drawn for each (published code)."""
    prototype_norm: str = 'mean'
    """'mean_over_count' divides by the pixel count twice, as the published code does."""
    mask_absent: bool = True
    """Classes without a pixel stay out of the softmax; the published code keeps them as zeros."""
    ifv_distance: str = 'mse'
    """'mse' or 'kl_width' (published code: a softmax over image rows)."""
    ifv_modalities: str = 'primary'
    """'primary' or 'all'."""
    ifv_pairing: str = 'identity'
    """'identity' (each modality its own) or 'permutation' (the harmful cross-modal rung)."""
    primary: Mapping[str, Any] = field(default_factory=dict)
    """See ``PrimaryOptions``."""
    prototypes: str = 'batch'
    """'batch', or 'ema': those of the teacher that ``cp`` takes are running means over samples,
    steps and ranks. ``ifv`` and the feedback take each sample's own."""
    pseudo_labels: float = 0.0
    """Unlabelled pixels count for prototypes as what the teacher says, where its probability is
    at least this; 0 leaves them out."""
    feedback: Mapping[str, Any] = field(default_factory=dict)
    """Student to teacher; see ``FeedbackOptions``. Empty: the teacher stays as it is. It takes no
    pseudo-labels, and plain means and 'mse' whatever ``prototype_norm`` and ``ifv_distance`` are.
    """

    def __post_init__(self) -> None:
        for name in ('kl', 'cp', 'ifv'):
            limits.number(f'method.options.{name}', getattr(self, name), 0, 1e6)
        limits.one_of('method.options.pairing', self.pairing, PAIRINGS)
        limits.one_of('method.options.prototype_norm', self.prototype_norm,
                      ('mean', 'mean_over_count'))
        limits.flag('method.options.mask_absent', self.mask_absent)
        limits.one_of('method.options.ifv_distance', self.ifv_distance, ('mse', 'kl_width'))
        limits.one_of('method.options.ifv_modalities', self.ifv_modalities, ('primary', 'all'))
        limits.one_of('method.options.ifv_pairing', self.ifv_pairing,
                      ('identity', 'permutation'))
        limits.read_section(PrimaryOptions, 'method.options.primary', self.primary)
        limits.one_of('method.options.prototypes', self.prototypes, ('batch', 'ema'))
        if self.prototypes == 'ema' and self.prototype_norm != 'mean':
            raise ConfigError("method.options.prototypes 'ema' averages plain means; "
                              "prototype_norm must be 'mean'")
        limits.number('method.options.pseudo_labels', self.pseudo_labels, 0, 1)
        self.feedback_options()

    def feedback_options(self) -> FeedbackOptions | None:
        """None where the teacher stays as it is."""
        if not self.feedback:
            return None
        return limits.read_section(FeedbackOptions, 'method.options.feedback',
                                   self.feedback)


class RobustSeg(FeatureMethod):
    """L_CE + 50 L_KL + 100 L_cp + 12 L_ifv (RobustSeg, CVPR 2026).

    With weights set to 0 it is each rung of the paper's ablation: ``kl`` alone is the basic
    distillation; ``kl`` and ``ifv`` over all modalities the single-modal IFV; that with
    ``ifv_pairing: permutation`` the cross-modal IFV; ``kl`` and ``cp`` the CPD.
    """

    OPTIONS: ClassVar[type[Any]] = RobustSegOptions

    def __init__(
        self, criterion: nn.Module, student: Network, teacher: Network | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(criterion, student, teacher, options)
        settings: RobustSegOptions = self.options
        if (feedback := settings.feedback_options()) is not None:
            self.teacher = learning_teacher(self.teacher, feedback).eval().requires_grad_(False)
        self.projection = FeatureProjection(self.student_dims, self.teacher_dims)
        self.selection = PrimarySelection(
            limits.read_section(PrimaryOptions, 'primary', settings.primary),
            self.modalities)
        if feedback is not None and not self.selection.weak():
            raise ConfigError('method.options.feedback has no weak modality to teach: primary '
                              f'takes all of {", ".join(self.modalities)}; lower primary.count '
                              'or shorten primary.names')
        self.bank: PrototypeBank | None = None
        if settings.prototypes == 'ema':
            self.bank = PrototypeBank(self.teacher_dims, len(self.modalities),
                                      self.num_classes)
        self.weights = {'ce': 1.0, 'kl': settings.kl, 'cp': settings.cp, 'ifv': settings.ifv}
        self._primary_only = bool(settings.ifv) and settings.ifv_modalities == 'primary'

    def own_parameters(self) -> list[nn.Parameter]:
        return list(self.projection.parameters())

    def feedback_options(self) -> FeedbackOptions | None:
        options: RobustSegOptions = self.options
        return options.feedback_options()

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
        is_asked = self._primary_only or self.feedback_options() is not None
        if not is_asked or not self.selection.goes_by_scores:
            return None
        with self.autocast():
            fused = self.teacher.fuse(teacher)
        return self.selection.update(teacher, fused)
