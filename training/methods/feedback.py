# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""RobustSeg's feedback: the teacher's weak modalities learn from the student."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.labels import UNLABELLED
from anymodal_seg_ros.models import model_name
from anymodal_seg_ros.models.abilities import FeatureNetwork
from anymodal_seg_ros.models.features import FeatureMaps
from anymodal_seg_ros.models.network import Network
from training.batch import Batch
from training.losses.ifv import ifv_kd
from training.losses.prototypes import class_prototypes
from training.methods.base import Terms, run_network, upsampled
from training.methods.feedback_options import FeedbackOptions
from training.methods.robustseg import RobustSeg


class FeedbackLoop(nn.Module):
    """One teacher step: L_CE + L_ifv over weak modalities, with the student's IFV maps as target.

    Primary encoders, fusion and head stay frozen; the head's batch norm is in evaluation mode.
    The student sees every sensor and gets no gradient. Source: RobustSeg (CVPR 2026), feedback.

    Args:
        network: the teacher, wrapped for training (``StudentNetwork``).
        method: holds the teacher inside it, says which modalities are weak now.
    """

    def __init__(self, network: nn.Module, method: RobustSeg, options: FeedbackOptions) -> None:
        super().__init__()
        self._network = network
        self._method = method
        self.options = options
        self.weights = {'teacher_ce': 1.0, 'teacher_ifv': options.ifv}

    def is_due(self, batch: Batch) -> bool:
        """Whether the batch has a weak modality and a labelled pixel."""
        weak = self._method.selection.weak()
        weak_M = torch.tensor([name in weak for name in self._method.modalities])
        return (bool((batch.available & weak_M).any())
                and bool((batch.labels != UNLABELLED).any()))

    def forward(self, student: Network, batch: Batch) -> Terms:
        """The teacher's loss terms on a batch; only weak modalities' own weights get gradient."""
        teacher = self._method.teacher
        assert isinstance(student, FeatureNetwork)
        weak = self._method.selection.weak()
        self._thaw(teacher, weak)
        features = self._ask_student(student, batch)
        logits_BKhw, own = run_network(self._network, batch.teacher_images, batch.available)
        weak_M = torch.tensor([name in weak for name in teacher.config.modalities])
        if self.options.trainable == 'soft_freeze':
            own = _without_gradient(own, ~weak_M)
            logits_BKhw = teacher.decode(teacher.fuse(own))
        labels_BHW = batch.labels
        criterion, num_classes = self._method.criterion, self._method.num_classes
        terms = {'teacher_ce': criterion(upsampled(logits_BKhw, labels_BHW), labels_BHW)}
        if self.options.ifv:
            terms['teacher_ifv'] = ifv_kd(
                own, features, labels_BHW,
                class_prototypes(own, labels_BHW, num_classes),
                class_prototypes(features, labels_BHW, num_classes),
                modality_mask_BM=batch.available & weak_M)
        return terms

    @torch.no_grad()
    def _ask_student(self, student: FeatureNetwork, batch: Batch) -> FeatureMaps:
        was_training = student.training
        student.eval()
        with self._method.autocast():
            features = student.encode(batch.teacher_images, batch.available)
        student.train(was_training)
        return features

    def _thaw(self, teacher: FeatureNetwork, weak: tuple[str, ...]) -> None:
        teacher.eval().requires_grad_(False)
        if self.options.trainable == 'soft_freeze':
            for parameter in teacher.encoder_parameters():
                parameter.requires_grad_(True)
        for name in teacher.config.modalities:
            for parameter in teacher.parameters_of(name):
                parameter.requires_grad_(name in weak)


def trainable_parameters(teacher: FeatureNetwork, options: FeedbackOptions) -> list[nn.Parameter]:
    """Everything that may learn, whichever modalities turn out to be weak.

    Raises:
        ConfigError: there is nothing.
    """
    own = [p for name in teacher.config.modalities for p in teacher.parameters_of(name)]
    if options.trainable == 'soft_freeze':
        # A modality's stem is in the encoder too, and an optimiser takes a parameter once.
        return list(dict.fromkeys([*teacher.encoder_parameters(), *own]))
    if not own:
        raise ConfigError(f'a teacher of network {model_name(teacher.config)!r} has nothing that '
                          "one modality owns; use feedback.trainable 'soft_freeze'")
    return own


def _without_gradient(features: FeatureMaps, frozen_M: Tensor) -> FeatureMaps:
    frozen_P = frozen_M[features.modality_P]
    return features.with_maps(
        torch.where(frozen_P.to(x_PHWC.device)[:, None, None, None], x_PHWC.detach(), x_PHWC)
        for x_PHWC in features.maps)
