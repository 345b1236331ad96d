# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The step as this project takes it: one encoding of all pairs, losses without loops."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from anymodal_seg_ros.models.m_segformer import MSegFormer
from robustseg_steps.batch import NUM_CLASSES, StepBatch
from training.losses import build_loss
from training.losses.ifv import ifv_kd
from training.losses.logit_kd import logit_kd
from training.losses.prototype_kd import prototype_kd
from training.losses.prototypes import class_prototypes

CROSS_ENTROPY = build_loss('ce')


def losses(student: MSegFormer, teacher: MSegFormer, batch: StepBatch) -> dict[str, Tensor]:
    """The unweighted terms."""
    labels_BHW = batch.labels_BHW
    with torch.no_grad():
        teacher_logits_BKhw, teacher_features = teacher.logits_and_features(batch.images)
        teacher_logits_BKHW = upsampled(teacher_logits_BKhw, labels_BHW)
        teacher_protos = class_prototypes(teacher_features, labels_BHW, NUM_CLASSES)
    logits_BKhw, features = student.logits_and_features(batch.images, batch.present_BM)
    logits_BKHW = upsampled(logits_BKhw, labels_BHW)
    protos = class_prototypes(features, labels_BHW, NUM_CLASSES)
    pairs = features, teacher_features
    primary_BM = torch.tensor(batch.primary_M).expand(batch.present_BM.shape)
    return {
        'ce': CROSS_ENTROPY(logits_BKHW, labels_BHW),
        'kd': logit_kd(logits_BKHW, teacher_logits_BKHW),
        'cp': prototype_kd(*pairs, protos, teacher_protos, batch.pairing_P, mask_absent=False),
        'ifv': ifv_kd(*pairs, labels_BHW, protos, teacher_protos, modality_mask_BM=primary_BM),
    }


def upsampled(logits_BKhw: Tensor, labels_BHW: Tensor) -> Tensor:
    """Logits at the size of the labels."""
    return F.interpolate(
        logits_BKhw, labels_BHW.shape[1:], mode='bilinear', align_corners=False)
