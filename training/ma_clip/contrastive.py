# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""CLIP's contrastive loss between images and captions of which several may say the same.

Source: Radford et al., ICML 2021, figure 3; for two images of a scene Liu et al., "SegRGB-X". Its
form between {text, text} and {camera, sensor} has each text twice in one softmax, so that the twin
of an image's own text counts as a wrong answer. Two losses, averaged, have no twins.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from training.ma_clip.config import MASK, POSITIVE


def scene_loss(
    images: dict[str, Tensor], text_BD: Tensor, caption_B: Tensor, scale: float, *,
    literal: bool, false_negatives: str,
) -> dict[str, Tensor]:
    """The loss of scenes, one for each kind of image and 'total'.

    Args:
        images: unit vectors [B, D] of each kind of image of the scenes.
        text_BD: unit vectors of their captions.
        caption_B: int64, the same number for the same text.
        scale: what cosines are multiplied by.
        literal: one softmax over all images and as many texts, as the paper writes it; then there
            is 'total' alone.
        false_negatives: see ``MaClipConfig``.
    """
    if literal:
        num = len(images)
        return {'total': info_nce(torch.cat(list(images.values())), text_BD.repeat(num, 1),
                                  caption_B.repeat(num), scale, false_negatives)}
    terms = {name: info_nce(image_BD, text_BD, caption_B, scale, false_negatives)
             for name, image_BD in images.items()}
    return {**terms, 'total': torch.stack(list(terms.values())).mean()}


def info_nce(
    image_PD: Tensor, text_PD: Tensor, caption_P: Tensor, scale: float, false_negatives: str
) -> Tensor:
    """Mean of -log p(text | image) and of -log p(image | text) of pairs; arguments as above."""
    logits_PP = scale * image_PD @ text_PD.T
    own_PP = torch.eye(len(caption_P), dtype=torch.bool, device=caption_P.device)
    same_PP = caption_P[:, None] == caption_P
    right_PP = own_PP
    if false_negatives == MASK:
        logits_PP = logits_PP.masked_fill(same_PP & ~own_PP, -torch.inf)
    elif false_negatives == POSITIVE:
        right_PP = same_PP
    target_PP = right_PP / right_PP.sum(1, keepdim=True)
    # Both matrices of answers are symmetric, so one target serves both directions.
    return (_cross_entropy(logits_PP, target_PP) + _cross_entropy(logits_PP.T, target_PP)) / 2


def _cross_entropy(logits_PP: Tensor, target_PP: Tensor) -> Tensor:
    """Without 0 times infinity where an answer is masked."""
    log_p_PP = F.log_softmax(logits_PP, dim=1)
    return -torch.where(target_PP > 0, target_PP * log_p_PP, 0.0).sum(1).mean()
