# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Distillation of how alike the sensors' features are to one another."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from anymodal_seg_ros import limits
from anymodal_seg_ros.models.features import FeatureMaps
from training.losses.cosine import inverse_norm, inverse_sqrt
from training.losses.pairing import take_rows
from training.losses.unimodal_kd import matched_maps
from training.losses.variants import CORRESPONDENCES

MIN_SIMILARITY = 1e-6
"""Of S = (1 + cos) / 2, whose logarithm is taken."""


def cross_modal_kd(
    student: FeatureMaps, teacher: FeatureMaps, *, variant: str = 'paper'
) -> Tensor:
    """L_cmd of AnySeg (equation 5): similarities between a sample's modalities, as the teacher's.

    With R the cosine between two modalities' whole feature maps and S = (1 + R) / 2, summed over
    the four levels and the unordered pairs of modalities that a sample has:

    - 'paper': S log(S / S_teacher) of the similarities averaged over the samples that have both
      modalities. As printed it is no divergence: it is least, and negative, at S_teacher / e.
    - 'divergence': the same completed by - S + S_teacher, so that it is 0 where both agree and
      positive elsewhere; each sample by itself, mean over the samples.
    - 'mse': (R - R_teacher)^2; each sample by itself, mean over the samples.
    - 'reference_code': as published. Log-softmax (student) and softmax (teacher) over the image
      height come first, the cosine is taken over space and averaged over channels, and the mean
      of the squared differences runs over all pairs of the batch, those of different samples
      included, divided by the number of samples.

    Args:
        student: with gradient.
        teacher: must have every pair of the student, in maps of the same shape; detached here.

    Returns:
        float32 scalar; 0 where every sample has one modality ('reference_code': where the batch
        is one such sample).

    Raises:
        ConfigError: unknown variant.
        ValueError: maps of different shapes, or a pair that the teacher lacks.
    """
    limits.one_of('cross_modal_kd variant', variant, CORRESPONDENCES)
    row_BM = student.row_BM()
    total = student.maps[0].new_zeros((), dtype=torch.float32)
    with torch.autocast(total.device.type, enabled=False):
        for student_PHWC, target_PHWC in matched_maps(student, teacher):
            if variant == 'reference_code':
                total = total + _all_pairs_error(student_PHWC, target_PHWC) / len(row_BM)
            else:
                total = total + _difference(student_PHWC, target_PHWC, row_BM, variant)
        return total


def correspondences(x_PHWC: Tensor, row_BM: Tensor) -> Tensor:
    """Cosines between a sample's modalities: [B, M, M], without meaning where one is absent.

    Args:
        x_PHWC: float32 features.
        row_BM: int64 on the CPU, the row of each (sample, modality), -1 where absent.
    """
    rows = row_BM.clamp(min=0).flatten()
    x_BMN = take_rows(x_PHWC.flatten(1), rows).view(*row_BM.shape, -1)
    gram_BMM = x_BMN @ x_BMN.mT
    scale_BM = inverse_sqrt(gram_BMM.diagonal(dim1=1, dim2=2))
    return gram_BMM * scale_BM[:, :, None] * scale_BM[:, None, :]


def _difference(
    student_PHWC: Tensor, target_PHWC: Tensor, row_BM: Tensor, variant: str
) -> Tensor:
    present_BM = row_BM >= 0
    both_BMM = (present_BM[:, :, None] & present_BM[:, None, :]).triu(1)
    both_BMM = both_BMM.to(student_PHWC.device, torch.float32, non_blocking=True)
    student_BMM = correspondences(student_PHWC, row_BM)
    target_BMM = correspondences(target_PHWC, row_BM)
    if variant == 'mse':
        return (both_BMM * (student_BMM - target_BMM).square()).sum() / len(row_BM)
    if variant == 'divergence':
        ours_BMM, theirs_BMM = _similarity(student_BMM), _similarity(target_BMM)
        terms_BMM = ours_BMM * (ours_BMM / theirs_BMM).log() - ours_BMM + theirs_BMM
        return (both_BMM * terms_BMM).sum() / len(row_BM)
    count_MM = both_BMM.sum(0)
    share_BMM = both_BMM / count_MM.clamp(min=1)
    ours_MM = _similarity((share_BMM * student_BMM).sum(0))
    theirs_MM = _similarity((share_BMM * target_BMM).sum(0))
    return ((count_MM > 0) * ours_MM * (ours_MM / theirs_MM).log()).sum()


def _similarity(cosine: Tensor) -> Tensor:
    return ((1.0 + cosine) / 2.0).clamp(min=MIN_SIMILARITY)


def _all_pairs_error(student_PHWC: Tensor, target_PHWC: Tensor) -> Tensor:
    student_PP = _channel_cosines(F.log_softmax(student_PHWC, 1))
    target_PP = _channel_cosines(F.softmax(target_PHWC, 1))
    return (student_PP - target_PP).square().mean()


def _channel_cosines(x_PHWC: Tensor) -> Tensor:
    """Between all maps, the cosine over space of each channel, mean over the channels."""
    x_PNC = x_PHWC.flatten(1, 2)
    unit_PD = (x_PNC * inverse_norm(x_PNC, 1)).flatten(1)
    return unit_PD @ unit_PD.T / x_PHWC.shape[3]
