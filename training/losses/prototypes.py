# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Class prototypes: the mean feature of each class in one (sample, modality) pair's map."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from anymodal_seg_ros import limits
from anymodal_seg_ros.labels import UNLABELLED
from anymodal_seg_ros.models.features import FeatureMaps
from training.losses.pairing import take_rows
from training.losses.variants import PROTOTYPE_NORMS


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Prototypes:
    """The prototypes of one level."""

    mean_PKC: Tensor
    """float32; zero where the class is absent from the sample."""
    present_BK: Tensor
    """bool: the sample has pixels of the class at this level's resolution."""
    count_BK: Tensor
    """float32: how many."""


def class_prototypes(
    features: FeatureMaps, labels_BHW: Tensor, num_classes: int, *, norm: str = 'mean'
) -> list[Prototypes]:
    """RobustSeg's p_c: mean over the pixels of class c, labels nearest-resized to each level.

    Args:
        features: gradients flow into them.
        labels_BHW: int64 on the features' device; 255 is in no class.
        num_classes: K.
        norm: 'mean'; or 'mean_over_count', which divides by the number of pixels once more, as
            the published code does: large classes all but vanish.

    Raises:
        ConfigError: unknown norm.
        ValueError: labels of another number of samples.
    """
    limits.one_of('prototype norm', norm, PROTOTYPE_NORMS)
    check_labels(features, labels_BHW)
    prototypes = []
    classes_K1 = torch.arange(num_classes, device=labels_BHW.device)[:, None]
    with torch.autocast(labels_BHW.device.type, enabled=False):
        for x_PHWC in features.maps:
            labels_Bhw = resize_labels(labels_BHW, x_PHWC.shape[1:3])
            mask_BKN = (labels_Bhw.flatten(1)[:, None, :] == classes_K1).float()
            count_BK = mask_BKN.sum(2)
            divisor_BK = count_BK.clamp(min=1)
            if norm == 'mean_over_count':
                divisor_BK = divisor_BK.square()
            sum_PKC = take_rows(mask_BKN, features.sample_P) @ x_PHWC.float().flatten(1, 2)
            mean_PKC = sum_PKC / take_rows(divisor_BK, features.sample_P)[..., None]
            prototypes.append(
                Prototypes(mean_PKC=mean_PKC, present_BK=count_BK > 0, count_BK=count_BK))
    return prototypes


def resize_labels(labels_BHW: Tensor, size_hw: torch.Size | tuple[int, int]) -> Tensor:
    """Nearest-neighbour labels: target pixel i shows source pixel floor(i * source / target)."""
    rows, columns = (
        torch.arange(target, device=labels_BHW.device) * source // target
        for target, source in zip(size_hw, labels_BHW.shape[1:], strict=True)
    )
    return labels_BHW[:, rows[:, None], columns]


def check_labels(features: FeatureMaps, labels_BHW: Tensor) -> None:
    """Raises ValueError unless there is one label image for each sample."""
    if labels_BHW.ndim != 3 or len(labels_BHW) != features.num_samples:
        raise ValueError(
            f'labels are {tuple(labels_BHW.shape)}; allowed: [{features.num_samples}, H, W]'
        )


def pseudo_labels(
    labels_BHW: Tensor, teacher_logits_BKHW: Tensor, min_confidence: float
) -> Tensor:
    """Labels whose unlabelled pixels show the teacher's class where it is sure enough of it.

    For recordings without, or with partial, ground truth: prototypes and IFV maps need a class
    for every pixel that they use.

    Args:
        labels_BHW: int64, 255 unlabelled.
        teacher_logits_BKHW: at the size of the labels.
        min_confidence: least softmax probability of the winning class.

    Raises:
        ValueError: sizes that differ.
    """
    if labels_BHW.shape != teacher_logits_BKHW.shape[:1] + teacher_logits_BKHW.shape[2:]:
        raise ValueError(
            f'labels are {tuple(labels_BHW.shape)}, '
            f'teacher logits {tuple(teacher_logits_BKHW.shape)}; allowed: one size'
        )
    logits_BKHW = teacher_logits_BKHW.detach().float()
    best_BHW, class_BHW = logits_BKHW.max(1)
    confidence_BHW = (best_BHW - logits_BKHW.logsumexp(1)).exp()
    fill_BHW = (labels_BHW == UNLABELLED) & (confidence_BHW >= min_confidence)
    return torch.where(fill_BHW, class_BHW, labels_BHW)
