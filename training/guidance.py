# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The guidance of every training frame, worked out once before the first step.

It is of the whole frame with all its sensors, as they are before augmentation: what the frame
shows does not change with a crop of it, and a step need not ask again.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from anymodal_seg_ros.models.abilities import GuidedNetwork
from training.datasets import Frames
from training.frame_batches import alike

BATCH = 8


def guidance_of_frames(
    model: GuidedNetwork, frames: Frames, *, show_progress: bool = False
) -> Tensor:
    """Float32 [N, G, D] on the CPU, by the frame's index; raises what ``frames`` raises."""
    parts = []
    with tqdm(total=len(frames), desc='guidance', unit='frame', disable=not show_progress) as bar:
        for batch in alike((frames[index] for index in range(len(frames))), BATCH):
            images = {
                name: torch.from_numpy(np.stack([frame.images[name] for frame in batch]))
                .permute(0, 3, 1, 2).to(model.mean_M3.device)
                for name in batch[0].images if name in model.config.modalities}
            parts.append(model.guide(images).cpu())
            bar.update(len(batch))
    return torch.cat(parts)
