# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Intra-class feature variation (IFV): how far each pixel is from its class's prototype.

Source: Wang et al., Intra-class Feature Variation Distillation, ECCV 2020; RobustSeg, CVPR 2026.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from anymodal_seg_ros import limits
from anymodal_seg_ros.labels import UNLABELLED
from anymodal_seg_ros.models.features import FeatureMaps
from training.losses.cosine import inverse_norm
from training.losses.pairing import matched_rows, take_rows
from training.losses.prototypes import Prototypes, check_labels, resize_labels
from training.losses.variants import IFV_DISTANCES

WIDTH_TEMPERATURE = 2.0


def ifv_maps(
    features: FeatureMaps,
    prototypes: Sequence[Prototypes],
    labels_BHW: Tensor,
    rows: Tensor | None = None,
) -> list[Tensor]:
    """Cosine between each pixel and the prototype of its class: one float32 [R, h, w] per level.

    Unlabelled pixels are 1 and carry no gradient.

    Args:
        features: gradients flow into them, and through ``prototypes`` if those carry any.
        prototypes: of ``features``, one per level.
        labels_BHW: int64 on the features' device.
        rows: int64 [R] on the CPU, which pairs; None is all of them.

    Raises:
        ValueError: labels of another number of samples.
    """
    check_labels(features, labels_BHW)
    rows = torch.arange(len(features.sample_P)) if rows is None else rows
    sample_R = features.sample_P[rows]
    maps = []
    with torch.autocast(labels_BHW.device.type, enabled=False):
        for x_PHWC, level in zip(features.maps, prototypes, strict=True):
            labels_Rhw = take_rows(resize_labels(labels_BHW, x_PHWC.shape[1:3]), sample_R)
            labels_RN1 = labels_Rhw.flatten(1)[..., None]
            x_RNC = take_rows(x_PHWC, rows).float().flatten(1, 2)
            mean_RKC = take_rows(level.mean_PKC, rows).float()
            unit_RKC = mean_RKC * inverse_norm(mean_RKC, 2)
            # All K products and a choice of one: the centre feature map is never held.
            product_RNK = x_RNC @ unit_RKC.mT
            labelled_RN1 = labels_RN1 != UNLABELLED
            product_RN1 = product_RNK.gather(2, labels_RN1.where(labelled_RN1, 0))
            cosine_RN1 = product_RN1 * inverse_norm(x_RNC, 2)
            maps.append(cosine_RN1.where(labelled_RN1, 1.0).view(labels_Rhw.shape))
    return maps


def ifv_kd(
    student: FeatureMaps,
    teacher: FeatureMaps,
    labels_BHW: Tensor,
    student_protos: Sequence[Prototypes],
    teacher_protos: Sequence[Prototypes],
    *,
    modality_mask_BM: Tensor | None = None,
    distance: str = 'mse',
    pairing_P: Tensor | None = None,
) -> Tensor:
    """L_ifv of RobustSeg: the student's IFV maps as the teacher's.

    Summed over the four levels and a sample's chosen modalities, mean over the samples. Student
    and teacher may differ in channels. For the feedback the roles are swapped: the network that
    learns comes first.

    Args:
        student: with gradient.
        teacher: detached here.
        labels_BHW: int64 on the features' device.
        student_protos: of the student, with gradient.
        teacher_protos: of the teacher; detached here.
        modality_mask_BM: bool on the CPU, of which pairs the maps are distilled (RobustSeg: the
            primary modalities); None is all that the student has.
        distance: 'mse': mean over the labelled pixels of the squared difference (the original
            IFVD). 'kl_width', as published for RobustSeg: softmax over each image row of the map
            divided by 2, KL(teacher || student) summed over the map, times 4; unlabelled pixels
            take part and are 1 in both.
        pairing_P: the teacher's modality for each pair of the student (cross-modal IFV); None is
            the same modality.

    Returns:
        float32 scalar; 0 with gradient 0 where no pixel is labelled or no pair chosen.

    Raises:
        ConfigError: unknown distance.
        ValueError: maps or a mask of different sizes, or a pair that the teacher lacks.
    """
    limits.one_of('ifv_kd distance', distance, IFV_DISTANCES)
    rows = _chosen_rows(student, modality_mask_BM)
    teacher_rows = matched_rows(student, teacher, pairing_P)[rows]
    ours = ifv_maps(student, student_protos, labels_BHW, rows)
    with torch.no_grad():
        theirs = ifv_maps(teacher, teacher_protos, labels_BHW, teacher_rows)
    total = labels_BHW.new_zeros((), dtype=torch.float32)
    with torch.autocast(labels_BHW.device.type, enabled=False):
        for ours_Rhw, theirs_Rhw in zip(ours, theirs, strict=True):
            if ours_Rhw.shape != theirs_Rhw.shape:
                raise ValueError(
                    f'student maps are {tuple(ours_Rhw.shape[1:])}, teacher maps '
                    f'{tuple(theirs_Rhw.shape[1:])}; allowed: one size'
                )
            if distance == 'kl_width':
                total = total + _kl_width(ours_Rhw, theirs_Rhw)
            else:
                labels_Bhw = resize_labels(labels_BHW, ours_Rhw.shape[1:])
                count_B = (labels_Bhw != UNLABELLED).sum((1, 2)).clamp(min=1)
                squared_R = (ours_Rhw - theirs_Rhw).square().sum((1, 2))
                total = total + (squared_R / take_rows(count_B, student.sample_P[rows])).sum()
        return total / student.num_samples


def _chosen_rows(student: FeatureMaps, modality_mask_BM: Tensor | None) -> Tensor:
    if modality_mask_BM is None:
        return torch.arange(len(student.sample_P))
    shape = (student.num_samples, student.num_modalities)
    if modality_mask_BM.shape != shape:
        raise ValueError(
            f'modality_mask_BM is {tuple(modality_mask_BM.shape)}; allowed: {shape}')
    return modality_mask_BM[student.sample_P, student.modality_P].nonzero().flatten()


def _kl_width(ours_Rhw: Tensor, theirs_Rhw: Tensor) -> Tensor:
    kl = F.kl_div(
        F.log_softmax(ours_Rhw / WIDTH_TEMPERATURE, 2),
        F.log_softmax(theirs_Rhw / WIDTH_TEMPERATURE, 2),
        reduction='sum',
        log_target=True,
    )
    return kl * WIDTH_TEMPERATURE**2
