# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Distillation of the logits: predicts with fewer sensors what the teacher does with all."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from training.losses.cross_entropy import is_pixel_major, pixel_rows


def logit_kd(
    student_BKHW: Tensor, teacher_BKHW: Tensor, *, temperature: float = 1.0
) -> Tensor:
    """L_mad of AnySeg (equation 6), L_KL of RobustSeg: KL(teacher || student) over the classes.

    The mean over pixels is divided by the number of classes K as well, as in the published code,
    so that its published weight of 50 is one of 50 / K per pixel.

    Args:
        student_BKHW: logits, with gradient.
        teacher_BKHW: logits of the same shape; detached here.
        temperature: both logits are divided by it, the loss is multiplied by its square.

    Returns:
        float32 scalar.

    Raises:
        ValueError: logits of different shapes.
    """
    if student_BKHW.shape != teacher_BKHW.shape:
        raise ValueError(
            f'student logits are {tuple(student_BKHW.shape)}, '
            f'teacher logits {tuple(teacher_BKHW.shape)}; allowed: one shape'
        )
    if is_pixel_major(student_BKHW):
        student_BKHW, teacher_BKHW = pixel_rows(student_BKHW), pixel_rows(teacher_BKHW)
    with torch.autocast(student_BKHW.device.type, enabled=False):
        log_student = F.log_softmax(_cooled(student_BKHW, temperature), 1)
        log_teacher = F.log_softmax(_cooled(teacher_BKHW.detach(), temperature), 1)
        kl = F.kl_div(log_student, log_teacher, reduction='none', log_target=True)
        mean = kl.sum() / (kl.numel() / kl.shape[1])
        return mean / kl.shape[1] * temperature**2


def _cooled(logits: Tensor, temperature: float) -> Tensor:
    return logits.float() if temperature == 1.0 else logits.float() / temperature
