# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a training method offers to the loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models.abilities import FeatureNetwork, GuidedNetwork
from anymodal_seg_ros.models.features import FeatureMaps
from anymodal_seg_ros.models.network import Network
from training.batch import Batch
from training.losses.projection import FeatureProjection
from training.methods.feedback_options import FeedbackOptions

Terms = dict[str, Tensor]
"""Loss term to its unweighted scalar."""
SUPERVISED = 'ce'
"""The term that every method has: against the labels."""


class StudentNetwork(nn.Module):
    """A network whose forward gives logits and features as plain tensors, which is what the
    wrappers for several processes and for mixed precision can carry.

    Args:
        model: the network.
        with_features: whether features are asked for; then it must be a ``FeatureNetwork``.
    """

    def __init__(self, model: Network, *, with_features: bool) -> None:
        super().__init__()
        self.model = model
        self._with_features = with_features

    def forward(
        self, images: Mapping[str, Tensor], present_BM: Tensor,
        guidance_BGD: Tensor | None = None,
    ) -> tuple[Tensor, list[Tensor], Tensor, Tensor]:
        """Logits [B, K, h, w]; the maps, samples and modalities of ``FeatureMaps``, empty where
        nobody asks for them. Guidance is for a ``GuidedNetwork``."""
        if not self._with_features:
            none_P = torch.empty(0, dtype=torch.int64)
            return self._logits(images, present_BM, guidance_BGD), [], none_P, none_P
        assert isinstance(self.model, FeatureNetwork)
        logits_BKhw, features = self.model.logits_and_features(images, present_BM)
        return logits_BKhw, list(features.maps), features.sample_P, features.modality_P

    def _logits(
        self, images: Mapping[str, Tensor], present_BM: Tensor, guidance_BGD: Tensor | None
    ) -> Tensor:
        if isinstance(self.model, GuidedNetwork):
            return self.model.logits(images, present_BM, guidance_BGD=guidance_BGD)
        return self.model.logits(images, present_BM)


def run_network(
    network: nn.Module, images: Mapping[str, Tensor], present_BM: Tensor,
    guidance_BGD: Tensor | None = None,
) -> tuple[Tensor, FeatureMaps]:
    """Logits [B, K, h, w] and features of a (wrapped) ``StudentNetwork``."""
    logits_BKhw, maps, sample_P, modality_P = network(images, present_BM, guidance_BGD)
    return logits_BKhw, FeatureMaps(
        maps=tuple(maps), sample_P=sample_P.cpu(), modality_P=modality_P.cpu(),
        num_samples=present_BM.shape[0], num_modalities=present_BM.shape[1])


def upsampled(logits_BKhw: Tensor, labels_BHW: Tensor) -> Tensor:
    """Logits at the size of the labels, bilinear."""
    return F.interpolate(logits_BKhw, size=labels_BHW.shape[1:], mode='bilinear',
                         align_corners=False)


def weighted_total(terms: Terms, weights: Mapping[str, float]) -> tuple[Tensor, dict[str, float]]:
    """The weighted sum, and every unweighted term and the total as numbers (one device
    synchronisation)."""
    total = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
    numbers = torch.stack([*(term.detach() for term in terms.values()), total.detach()]).tolist()
    return total, dict(zip((*terms, 'total'), numbers, strict=True))


class Method(nn.Module):
    """Turns a batch and the student's answer into named loss terms.

    A subclass sets ``weights``.

    Args:
        criterion: the supervised loss, (logits [B, K, H, W], labels [B, H, W]) to a scalar.
        student: the network to be trained; kept by reference, its parameters belong to the loop.
        teacher: a trained network, or None.
        options: settings of the class that the method's row in ``METHODS`` names.
    """

    weights: Mapping[str, float]
    options: Any
    feedback: FeedbackOptions | None = None
    """How the teacher learns from the student; None where it stays as it is."""

    def __init__(
        self, criterion: nn.Module, student: Network, teacher: Network | None,
        options: object,
    ) -> None:
        super().__init__()
        self.options = options
        self.criterion = criterion
        self.num_classes = student.config.num_classes
        self.modalities = student.config.modalities
        self.teacher = teacher
        self.autocast: Callable[[], AbstractContextManager[Any]] = nullcontext
        if teacher is not None:
            teacher.eval().requires_grad_(False)

    def forward(self, logits_BKhw: Tensor, features: FeatureMaps, batch: Batch) -> Terms:
        """The student's loss terms; only those with a weight other than 0. Features are there
        where its row needs them."""
        raise NotImplementedError

    def begin_step(self, progress: float) -> None:
        """Told before each step which share of the run is done."""

    def own_parameters(self) -> list[nn.Parameter]:
        """Parameters beside the student's that learn with it."""
        return []

    def train(self, mode: bool = True) -> Method:
        """A teacher stays in evaluation mode."""
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self

    def training_state(self) -> dict[str, Tensor]:
        """What a checkpoint must hold to continue: all but a teacher that never changes."""
        return {name: value for name, value in self.state_dict().items()
                if not name.startswith(('teacher.', 'criterion.'))}

    def load_training_state(self, state: Mapping[str, Tensor]) -> None:
        """Inverse of ``training_state``."""
        self.load_state_dict({**self.state_dict(), **state})


class FeatureDistillation(Method):
    """A method that compares the student's maps with those of a teacher, whose size they are
    brought to by 1x1 projections.

    Raises:
        ConfigError: they have different numbers of levels.
    """

    teacher: FeatureNetwork

    def __init__(
        self, criterion: nn.Module, student: Network, teacher: Network | None,
        options: object,
    ) -> None:
        assert isinstance(student, FeatureNetwork)
        assert isinstance(teacher, FeatureNetwork)
        super().__init__(criterion, student, teacher, options)
        self.teacher_dims = teacher.feature_dims
        if len(student.feature_dims) != len(self.teacher_dims):
            raise ConfigError(f'the student has {len(student.feature_dims)} levels of maps, the '
                              f'teacher {len(self.teacher_dims)}; both need the same number')
        self.projection = FeatureProjection(student.feature_dims, self.teacher_dims)

    def own_parameters(self) -> list[nn.Parameter]:
        return list(self.projection.parameters())

    @torch.no_grad()
    def ask_teacher(self, batch: Batch) -> tuple[Tensor, FeatureMaps]:
        """Logits [B, K, h, w] and features of the teacher, which sees every sensor."""
        with self.autocast():
            return self.teacher.logits_and_features(batch.teacher_images, batch.available)
