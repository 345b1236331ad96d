# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Distillation of the logits: predicts with fewer sensors what the teacher does with all."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from anymodal_seg_ros import limits
from anymodal_seg_ros.labels import UNLABELLED
from training.losses.cross_entropy import is_pixel_major, pixel_rows
from training.losses.variants import REDUCTIONS


def logit_kd(
    student_BKHW: Tensor,
    teacher_BKHW: Tensor,
    *,
    labels_BHW: Tensor | None = None,
    reduction: str = 'elements',
    temperature: float = 1.0,
) -> Tensor:
    """L_mad of AnySeg (equation 6), L_KL of RobustSeg: KL(teacher || student) over the classes.

    Args:
        student_BKHW: logits, with gradient.
        teacher_BKHW: logits of the same shape; detached here.
        labels_BHW: int64; given, the pixels labelled 255 are left out. Neither paper does so.
        reduction: 'pixels' is the mean over pixels of the divergence. 'elements', as in the
            published code, divides by the number of classes as well, so that its published
            weight of 50 is one of 50 / K per pixel.
        temperature: both logits are divided by it, the loss is multiplied by its square.

    Returns:
        float32 scalar; 0 with gradient 0 where no pixel is labelled.

    Raises:
        ConfigError: unknown reduction.
        ValueError: logits of different shapes.
    """
    limits.one_of('logit_kd reduction', reduction, REDUCTIONS)
    if student_BKHW.shape != teacher_BKHW.shape:
        raise ValueError(
            f'student logits are {tuple(student_BKHW.shape)}, '
            f'teacher logits {tuple(teacher_BKHW.shape)}; allowed: one shape'
        )
    weight = None if labels_BHW is None else labels_BHW != UNLABELLED
    if is_pixel_major(student_BKHW):
        student_BKHW, teacher_BKHW = pixel_rows(student_BKHW), pixel_rows(teacher_BKHW)
        weight = None if weight is None else weight.flatten()
    with torch.autocast(student_BKHW.device.type, enabled=False):
        log_student = F.log_softmax(_cooled(student_BKHW, temperature), 1)
        log_teacher = F.log_softmax(_cooled(teacher_BKHW.detach(), temperature), 1)
        kl = F.kl_div(log_student, log_teacher, reduction='none', log_target=True)
        if weight is None:
            mean = kl.sum() / (kl.numel() / kl.shape[1])
        else:
            mean = (kl.sum(1) * weight).sum() / weight.sum().clamp(min=1)
        if reduction == 'elements':
            mean = mean / kl.shape[1]
        return mean * temperature**2


def _cooled(logits: Tensor, temperature: float) -> Tensor:
    return logits.float() if temperature == 1.0 else logits.float() / temperature
