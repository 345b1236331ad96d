# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of the raw bytes of a message: uint8 [N]."""

from __future__ import annotations

import numpy as np

from anymodal_seg_ros.corruption.fault import Data


def garbage(data: Data, severity: float, rng: np.random.Generator) -> Data:
    """A share of severity / 2 is cut off the end, and a share of ``severity`` is random."""
    kept = data[: int(len(data) * (1.0 - severity / 2))].copy()
    hit = rng.random(len(kept)) < severity
    kept[hit] = rng.integers(0, 256, int(hit.sum()), np.uint8)
    return kept
