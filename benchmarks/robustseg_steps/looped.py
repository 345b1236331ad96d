# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The same step with a loop over everything, the shape that published training scripts have.

Each sample is encoded by itself with its modalities as the batch; each loss goes sample by sample,
level by level, modality by modality, class by class, resizes the labels where it needs them and
asks of every mask whether it is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from anymodal_seg_ros.models.head import MlpHead
from anymodal_seg_ros.models.m_segformer import MSegFormer
from robustseg_steps.batch import MODALITIES, NUM_CLASSES, StepBatch

Levels = list[dict[int, Tensor]]
"""For each level, modality to [C, H, W]."""

Head = Callable[[MSegFormer, Sequence[Tensor]], Tensor]


def folded_head(model: MSegFormer, maps: Sequence[Tensor]) -> Tensor:
    """The network's own head, which fuses at native resolutions."""
    return model.decode(maps)


def published_head(model: MSegFormer, maps: Sequence[Tensor]) -> Tensor:
    """Project, upsample, concatenate the coarsest first, fuse: same weights, same logits."""
    head = model.head
    assert isinstance(head, MlpHead)
    size_hw = maps[0].shape[1:3]
    projected = [
        F.interpolate(proj(x).permute(0, 3, 1, 2), size_hw, mode='bilinear', align_corners=False)
        for proj, x in zip(head.proj, maps, strict=True)
    ]
    hidden = head.fuse(torch.cat(projected[::-1], 1))
    logits: Tensor = head.classifier(head.dropout(F.relu(head.norm(hidden))))
    return logits


def losses_with_published_head(
    student: MSegFormer, teacher: MSegFormer, batch: StepBatch
) -> dict[str, Tensor]:
    """As ``losses``, nothing taken over from this project."""
    return losses(student, teacher, batch, published_head)


def losses(
    student: MSegFormer, teacher: MSegFormer, batch: StepBatch, head: Head = folded_head
) -> dict[str, Tensor]:
    """The unweighted terms."""
    everything = torch.ones_like(batch.present_BM)
    with torch.no_grad():
        teacher_logits, teacher_features = forward(teacher, batch.images, everything, head)
    logits, features = forward(student, batch.images, batch.present_BM, head)
    size_hw = batch.labels_BHW.shape[1:]
    logits, teacher_logits = (
        F.interpolate(x, size_hw, mode='bilinear', align_corners=False)
        for x in (logits, teacher_logits)
    )
    kd = F.kl_div(F.log_softmax(logits, 1), F.softmax(teacher_logits, 1), reduction='none')
    partners = teacher_partners(batch)
    num = len(features)
    cp, ifv = logits.new_zeros(()), logits.new_zeros(())
    for b in range(num):
        label_HW = batch.labels_BHW[b]
        cp = cp + prototype_loss(features[b], teacher_features[b], label_HW, partners[b])
        ifv = ifv + ifv_loss(features[b], teacher_features[b], label_HW, batch.primary_M)
    return {
        'ce': F.cross_entropy(logits, batch.labels_BHW, ignore_index=255),
        'kd': kd.mean(),
        'cp': cp / num,
        'ifv': ifv / num,
    }


def teacher_partners(batch: StepBatch) -> list[dict[int, int]]:
    """For each sample, student modality to teacher modality."""
    partners: list[dict[int, int]] = [{} for _ in batch.present_BM]
    pairs = batch.present_BM.T.nonzero().tolist()
    for (modality, sample), partner in zip(pairs, batch.pairing_P.tolist(), strict=True):
        partners[sample][modality] = partner
    return partners


def forward(
    model: MSegFormer, images: dict[str, Tensor], present_BM: Tensor, head: Head
) -> tuple[Tensor, list[Levels]]:
    """Logits at stride 4 and the features of each sample."""
    features, fused = [], []
    for b, present in enumerate(present_BM.tolist()):
        kept = [m for m, is_kept in enumerate(present) if is_kept]
        stack = torch.cat([
            model.normalize(MODALITIES[m], images[MODALITIES[m]][b:b + 1]) for m in kept])
        maps = model.encoder(stack)
        features.append([
            {m: x[i].permute(2, 0, 1) for i, m in enumerate(kept)} for x in maps])
        fused.append([x.mean(0) for x in maps])
    stacked = [torch.stack(level) for level in zip(*fused, strict=True)]
    return head(model, stacked), features


def resized(label_HW: Tensor, x_CHW: Tensor) -> Tensor:
    label = F.interpolate(label_HW[None, None].float(), x_CHW.shape[1:], mode='nearest')
    return label[0, 0].long()


def class_means(x_CHW: Tensor, label_HW: Tensor) -> Tensor:
    """Prototypes [K, C]."""
    label = resized(label_HW, x_CHW)
    means = []
    for c in range(NUM_CLASSES):
        mask = label == c
        if mask.sum() > 0:
            means.append((x_CHW * mask).sum((1, 2)) / mask.sum())
        else:
            means.append(torch.zeros_like(x_CHW[:, 0, 0]))
    return torch.stack(means)


def prototype_loss(
    student: Levels, teacher: Levels, label_HW: Tensor, partners: dict[int, int]
) -> Tensor:
    loss = torch.zeros(())
    for ours, theirs in zip(student, teacher, strict=True):
        for m, partner in partners.items():
            student_KC = class_means(ours[m], label_HW)
            with torch.no_grad():
                teacher_KC = class_means(theirs[partner], label_HW)
            kl = F.kl_div(
                F.log_softmax(student_KC, 0), F.softmax(teacher_KC, 0), reduction='none')
            loss = loss + kl.mean()
    return loss


def ifv_map(x_CHW: Tensor, label_HW: Tensor) -> Tensor:
    """Cosine [H, W] with the centre feature map, put together class by class."""
    label = resized(label_HW, x_CHW)
    centre_CHW = x_CHW.clone()
    for c in range(NUM_CLASSES):
        mask = label == c
        if mask.sum() > 0:
            mean_C = (x_CHW * mask).sum((1, 2)) / mask.sum()
            centre_CHW = centre_CHW * ~mask + mask * mean_C[:, None, None]
    return F.cosine_similarity(x_CHW, centre_CHW, dim=0)


def ifv_loss(
    student: Levels, teacher: Levels, label_HW: Tensor, primary_M: tuple[bool, ...]
) -> Tensor:
    loss = torch.zeros(())
    for ours, theirs in zip(student, teacher, strict=True):
        for m, x_CHW in ours.items():
            if not primary_M[m]:
                continue
            with torch.no_grad():
                target_HW = ifv_map(theirs[m], label_HW)
            labelled = resized(label_HW, x_CHW) != 255
            if labelled.sum() > 0:
                squared = (ifv_map(x_CHW, label_HW) - target_HW).square()
                loss = loss + squared[labelled].mean()
    return loss
