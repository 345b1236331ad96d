# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Distillation of each sensor's own features."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from anymodal_seg_ros import limits
from anymodal_seg_ros.models.features import FeatureMaps
from training.losses.pairing import matched_rows, take_rows
from training.losses.variants import UNIMODAL_AXES


def unimodal_kd(
    student: FeatureMaps, teacher: FeatureMaps, *, axis: str = 'channel'
) -> Tensor:
    """L_umd of AnySeg (equation 4): KL(teacher || student) between same-modality features.

    Divided by H * W * C, as the published code does, which keeps its weight of 5 in its range;
    summed over the four levels and a sample's modalities, mean over the samples.

    Args:
        student: with gradient.
        teacher: must have every pair of the student, in maps of the same shape; detached here.
        axis: 'channel' makes each pixel's features a distribution (the paper). 'height' makes
            each image column of each channel one (the published code).

    Returns:
        float32 scalar.

    Raises:
        ConfigError: unknown axis.
        ValueError: maps of different shapes, or a pair that the teacher lacks.
    """
    limits.one_of('unimodal_kd axis', axis, UNIMODAL_AXES)
    dim = 3 if axis == 'channel' else 1
    total = student.maps[0].new_zeros((), dtype=torch.float32)
    with torch.autocast(total.device.type, enabled=False):
        for student_PHWC, target_PHWC in matched_maps(student, teacher):
            kl = F.kl_div(
                F.log_softmax(student_PHWC, dim),
                F.log_softmax(target_PHWC, dim),
                reduction='sum',
                log_target=True,
            )
            total = total + kl / student_PHWC.shape[1:].numel()
        return total / student.num_samples


def matched_maps(student: FeatureMaps, teacher: FeatureMaps) -> Iterator[tuple[Tensor, Tensor]]:
    """Of each level the student's maps and the teacher's of the same pairs, detached, in float32.

    Raises:
        ValueError: maps of different shapes, or a pair that the teacher lacks.
    """
    rows_P = matched_rows(student, teacher)
    for student_PHWC, teacher_PHWC in zip(student.maps, teacher.maps, strict=True):
        if student_PHWC.shape[1:] != teacher_PHWC.shape[1:]:
            raise ValueError(
                f'student maps are {tuple(student_PHWC.shape[1:])}, teacher maps '
                f'{tuple(teacher_PHWC.shape[1:])}; bring the student to '
                "the teacher's channels with FeatureProjection"
            )
        yield student_PHWC.float(), take_rows(teacher_PHWC.detach(), rows_P).float()
