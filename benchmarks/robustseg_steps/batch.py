# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The inputs of a step: four sensors, of which the student has 10 of 16 (the mean of a draw)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from anymodal_seg_ros.labels import UNLABELLED
from training.losses.pairing import draw_pairing

MODALITIES = ('rgb', 'depth', 'lidar', 'event')
PRESENT = ((1, 1, 1, 1), (1, 1, 1, 0), (1, 0, 0, 1), (0, 1, 0, 0))
PRIMARY = (True, True, False, False)
NUM_CLASSES = 25
NUM_REGIONS = 40
WEIGHTS = {'ce': 1.0, 'kd': 50.0, 'cp': 100.0, 'ifv': 12.0}


@dataclass(frozen=True, kw_only=True)
class StepBatch:
    """What both steps are given."""

    images: dict[str, Tensor]
    """[B, 3, H, W] uint8, full sensors; the student sees those of ``present_BM``."""
    labels_BHW: Tensor
    present_BM: Tensor
    pairing_P: Tensor
    primary_M: tuple[bool, ...] = PRIMARY


def make_batch(size_px: int) -> StepBatch:
    """Random images; labels in regions around random centres, some of them unlabelled."""
    generator = torch.Generator().manual_seed(0)
    present_BM = torch.tensor(PRESENT, dtype=torch.bool)
    shape = (len(PRESENT), 3, size_px, size_px)
    images = {
        modality: torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        for modality in MODALITIES
    }
    pixels = torch.arange(size_px, dtype=torch.float32)
    labels = []
    for _ in PRESENT:
        y, x = torch.rand(2, NUM_REGIONS, 1, 1, generator=generator) * size_px
        nearest = ((pixels[:, None] - y).square() + (pixels - x).square()).argmin(0)
        classes = torch.randint(0, NUM_CLASSES, (NUM_REGIONS,), generator=generator)
        classes[:3] = UNLABELLED
        labels.append(classes[nearest])
    return StepBatch(
        images=images,
        labels_BHW=torch.stack(labels),
        present_BM=present_BM,
        pairing_P=draw_pairing(present_BM, generator=generator),
    )
