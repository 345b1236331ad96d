# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which modalities a network may be given, and what stands for the others. Layer: models."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

DROP = 'drop'
ZERO = 'zero'
MISSING_MODES = (DROP, ZERO)
"""What an absent modality is: left out, or encoded from a normalised input of 0."""


def modality_subsets(modalities: Sequence[str]) -> list[tuple[str, ...]]:
    """All non-empty subsets, small ones first."""
    sizes = range(1, len(modalities) + 1)
    return [subset for size in sizes for subset in combinations(modalities, size)]
