# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""EQUISeg's self-guidance (SGM): half of a sample's modalities teach the other half.

Source: Tan et al., "Robust Multimodal Semantic Segmentation with Balanced Modality
Contributions", arXiv 2509.24505, section 2.2. The axis of the softmax, the mean over elements
and the detached teacher are not in the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from anymodal_seg_ros.models.features import FeatureMaps
from training.losses.pairing import take_rows
from training.losses.prototype_kd import MASKED
from training.losses.prototypes import Prototypes


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Groups:
    """Who teaches whom: rows of ``FeatureMaps``, int64 [G] on the CPU, two of one sample."""

    teacher_G: Tensor
    student_G: Tensor


def draw_groups(features: FeatureMaps, generator: torch.Generator | None = None) -> Groups:
    """One random order of all modalities: the first half of those that a sample has teach, the
    j-th the j-th of the second half; the last one of an odd number is left out.

    Args:
        features: their pairs.
        generator: of the CPU; None is torch's own.
    """
    order_M = torch.randperm(features.num_modalities, generator=generator)
    row_BM = features.row_BM()[:, order_M]
    row_BM = row_BM.gather(1, (row_BM < 0).int().argsort(dim=1, stable=True))
    half_B = (row_BM >= 0).sum(1) // 2
    rank_J = torch.arange(features.num_modalities // 2)
    teaches_BJ = rank_J < half_B[:, None]
    student_BJ = (half_B[:, None] + rank_J).clamp(max=features.num_modalities - 1)
    return Groups(teacher_G=row_BM[:, : len(rank_J)][teaches_BJ],
                  student_G=row_BM.gather(1, student_BJ)[teaches_BJ])


@torch.no_grad()
def similar_groups(
    features: FeatureMaps, prototypes: Sequence[Prototypes],
    generator: torch.Generator | None = None,
) -> Groups:
    """A sample's two most similar modalities are a group, then those of the others, and so on.

    Similar is the cosine of the classes' prototypes, mean over levels. Who of the two teaches is
    drawn. The paper does not say more than that similar ones are paired.

    Args:
        features: their pairs.
        prototypes: of ``features``, one for each level.
        generator: of the CPU; None is torch's own.
    """
    flat = [F.normalize(level.mean_PKC.flatten(1), dim=1) for level in prototypes]
    similar_PP = torch.stack([x_PE @ x_PE.T for x_PE in flat]).mean(0).cpu()
    teachers, students = [], []
    for row_M in features.row_BM():
        left = row_M[row_M >= 0].tolist()
        while len(left) > 1:
            found = [(float(similar_PP[a, b]), a, b) for a in left for b in left if a < b]
            _, *pair = max(found)
            left = [row for row in left if row not in pair]
            turned = int(torch.randint(2, (), generator=generator))
            teachers.append(pair[turned])
            students.append(pair[1 - turned])
    return Groups(teacher_G=torch.tensor(teachers, dtype=torch.int64),
                  student_G=torch.tensor(students, dtype=torch.int64))


def prototype_guidance(
    features: FeatureMaps, prototypes: Sequence[Prototypes], groups: Groups, *,
    detach_teacher: bool = True,
) -> Tensor:
    """L_s: for each channel a softmax over the classes in the sample, KL(teacher || student).

    Mean over these classes and the channels; sum over levels and a sample's groups; mean over
    the samples. A sample with one class or one modality adds nothing.

    Args:
        features: whose samples and modalities the prototypes are.
        prototypes: one for each level, with gradient.
        groups: who teaches whom.
        detach_teacher: whether gradients reach the student alone.

    Returns:
        float32 scalar; 0 with gradient 0 where nobody teaches.
    """
    sample_G = features.sample_P[groups.teacher_G]
    total = prototypes[0].mean_PKC.sum() * 0.0
    with torch.autocast(total.device.type, enabled=False):
        for level in prototypes:
            teacher_GKC, student_GKC = _both(level.mean_PKC, groups, detach_teacher)
            present_GK = take_rows(level.present_BK, sample_G)
            absent_GK1 = ~present_GK[..., None]
            kl_GKC = _kl(teacher_GKC.masked_fill(absent_GK1, MASKED),
                         student_GKC.masked_fill(absent_GK1, MASKED), dim=1)
            classes_G = present_GK.sum(1).clamp(min=1)
            total = total + (kl_GKC.sum((1, 2)) / classes_G).sum() / kl_GKC.shape[2]
    return total / features.num_samples


def pixel_guidance(
    features: FeatureMaps, groups: Groups, *, detach_teacher: bool = True
) -> Tensor:
    """As ``prototype_guidance`` without prototypes: at each pixel a softmax over the channels.

    Mean over pixels and channels. The paper says only that there are no prototypes.
    """
    total = features.maps[0].float().sum() * 0.0
    with torch.autocast(total.device.type, enabled=False):
        for x_PHWC in features.maps:
            teacher_GHWC, student_GHWC = _both(x_PHWC.float(), groups, detach_teacher)
            kl_GHWC = _kl(teacher_GHWC, student_GHWC, dim=3)
            total = total + kl_GHWC.sum() / kl_GHWC[0].numel() if len(kl_GHWC) else total
    return total / features.num_samples


def _both(x_P: Tensor, groups: Groups, detach_teacher: bool) -> tuple[Tensor, Tensor]:
    teacher_G = take_rows(x_P.detach() if detach_teacher else x_P, groups.teacher_G)
    return teacher_G, take_rows(x_P, groups.student_G)


def _kl(teacher: Tensor, student: Tensor, dim: int) -> Tensor:
    """Summands of the divergence; written out because a detached teacher is a choice."""
    log_teacher, log_student = teacher.log_softmax(dim), student.log_softmax(dim)
    return log_teacher.exp() * (log_teacher - log_student)
