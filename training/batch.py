# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What one training step sees."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Images and labels of B samples; the student may see fewer sensors than the teacher."""

    images: dict[str, Tensor]
    """The student's: modality to uint8 (or float32 in 0..255) [B, 3, H, W]; black where a sample
    lacks it."""
    labels: Tensor
    """int64 [B, H, W], 255 unlabelled."""
    present: Tensor
    """bool [B, M] on the CPU: what the student sees, in the order of its modalities."""
    teacher_images: dict[str, Tensor]
    """The same crops as the teacher sees them: every sensor that the frame has, sensor faults of
    ``augment.fault`` too, but no noise and no lost elements or blocks. Empty for methods without a
    teacher."""
    available: Tensor
    """bool [B, M] on the CPU: what the teacher sees."""
    source: Tensor
    """int64 [B] on the CPU: the number of the data set that a sample is of."""
    guidance: Tensor | None = None
    """float32 [B, G, D]: the student's, of whole frames with all their sensors; None for a network
    without one."""
    end: int
    """Samples seen by all ranks when this batch is done."""
