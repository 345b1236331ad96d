# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cross-modal prototype distillation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from anymodal_seg_ros.models.features import FeatureMaps
from training.losses.pairing import matched_rows, take_rows
from training.losses.prototypes import Prototypes

MASKED = -1e9
"""A logit whose softmax is exactly 0, and whose differences stay finite."""


def prototype_kd(
    student: FeatureMaps,
    teacher: FeatureMaps,
    student_protos: Sequence[Prototypes],
    teacher_protos: Sequence[Prototypes],
    pairing_P: Tensor,
    *,
    mask_absent: bool = True,
) -> Tensor:
    """L_cp of RobustSeg: each student prototype as that of another of the teacher's modalities.

    For each channel a softmax over the classes, KL(teacher || student), mean over channels. It is
    a sum over the classes in the sample divided by all K, so that a published weight means the
    same and a sample with few classes weighs no more than others. Summed over the four levels and
    a sample's modalities, mean over the samples.

    Args:
        student: whose samples and modalities ``student_protos`` are.
        teacher: the same of ``teacher_protos``.
        student_protos: one per level, with gradient.
        teacher_protos: detached here.
        pairing_P: the teacher's modality for each pair of the student, see ``draw_pairing``.
        mask_absent: classes that the sample lacks are left out of the softmax. False keeps them
            there as zeros, as the published code does.

    Returns:
        float32 scalar; 0 with gradient 0 where no pixel is labelled.

    Raises:
        ValueError: prototypes of different shapes, or a pair that the teacher lacks.
    """
    rows_P = matched_rows(student, teacher, pairing_P)
    total = student_protos[0].mean_PKC.new_zeros((), dtype=torch.float32)
    with torch.autocast(total.device.type, enabled=False):
        for ours, theirs in zip(student_protos, teacher_protos, strict=True):
            if ours.mean_PKC.shape[1:] != theirs.mean_PKC.shape[1:]:
                raise ValueError(
                    f'student prototypes are {tuple(ours.mean_PKC.shape[1:])}, teacher '
                    f'prototypes {tuple(theirs.mean_PKC.shape[1:])}; bring the student to the '
                    "teacher's channels with FeatureProjection"
                )
            present_BK = ours.present_BK & theirs.present_BK
            total = total + _kl(
                ours.mean_PKC.float(),
                take_rows(theirs.mean_PKC.detach(), rows_P).float(),
                take_rows(present_BK, student.sample_P),
                mask_absent,
            )
        return total / student.num_samples


def _kl(student_PKC: Tensor, target_PKC: Tensor, present_PK: Tensor, mask_absent: bool) -> Tensor:
    if mask_absent:
        absent_PK1 = ~present_PK[..., None]
        student_PKC = student_PKC.masked_fill(absent_PK1, MASKED)
        target_PKC = target_PKC.masked_fill(absent_PK1, MASKED)
    log_student_PKC, log_target_PKC = F.log_softmax(student_PKC, 1), F.log_softmax(target_PKC, 1)
    kl = F.kl_div(log_student_PKC, log_target_PKC, reduction='sum', log_target=True)
    return kl / (student_PKC.shape[1] * student_PKC.shape[2])
