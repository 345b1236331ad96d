# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The variants of the losses by name, for who checks a recipe and for the losses themselves. What
each one does is said where it is computed. No torch."""

from __future__ import annotations

PAIRINGS = ('permutation', 'derangement', 'identity', 'same_rank', 'independent')
"""Of ``draw_pairing``."""
PROTOTYPE_NORMS = ('mean', 'mean_over_count')
"""Of ``class_prototypes``."""
IFV_DISTANCES = ('mse', 'kl_width')
"""Of ``ifv_kd``."""
CORRESPONDENCES = ('paper', 'divergence', 'mse', 'reference_code')
"""Of ``cross_modal_kd``."""
UNIMODAL_AXES = ('channel', 'height')
"""Of ``unimodal_kd``."""
GROUPINGS = ('random', 'cosine')
"""Of EQUISeg's self-guidance."""
