# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which embedding steers which stream. Layer: models; torch only.

The guidance of a sample is 2M embeddings: of each modality's image under its own adapter, then of
the primary modality's image under the adapter of each other one. The primary modality has none:
its own image is embedded without, and its second place stays empty.
"""

from __future__ import annotations

import torch
from torch import Tensor

from anymodal_seg_ros.models.segrgbx.config import ALIGNED, CROSS
from anymodal_seg_ros.models.segrgbx.streams import partners


def steering(guidance_BGD: Tensor, present_BM: Tensor, primary: int, source: str) -> Tensor:
    """The embedding of each stream, [P, D], in the order of ``FeatureMaps``.

    In a pair both images are embedded under the other modality's adapter. The other stream gets
    the embedding of the primary image (source 'primary', 'cross') or its own ('aligned'); the
    primary stream that of the primary image ('primary', 'aligned') or of the other ('cross'), and
    of several pairs the mean. Without a pair a stream gets its own.

    Args:
        guidance_BGD: what it holds of absent modalities does not matter.
        present_BM: bool on the CPU.
        primary: column of the primary modality.
        source: a row of ``STEERINGS``.
    """
    device = guidance_BGD.device
    own_BMD, primary_BMD = guidance_BGD.chunk(2, dim=1)
    other_BM, is_paired_B = partners(present_BM, primary)
    other_BM1 = other_BM[:, :, None].to(device, non_blocking=True)
    of_primary_BMD = own_BMD if source == CROSS else primary_BMD
    total_BD = of_primary_BMD.masked_fill(~other_BM1, 0.0).sum(1)
    mean_BD = total_BD / other_BM1.sum(1).clamp(min=1)
    paired_BMD = (own_BMD if source == ALIGNED else primary_BMD).clone()
    paired_BMD[:, primary] = mean_BD
    is_paired_B11 = is_paired_B[:, None, None].to(device, non_blocking=True)
    steering_BMD = torch.where(is_paired_B11, paired_BMD, own_BMD)
    modality_P, sample_P = present_BM.T.nonzero().to(device, non_blocking=True).unbind(1)
    return steering_BMD[sample_P, modality_P]
