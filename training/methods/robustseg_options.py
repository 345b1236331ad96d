# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of RobustSeg."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from anymodal_seg_ros.errors import ConfigError
from training.losses.variants import IFV_DISTANCES, PAIRINGS, PROTOTYPE_NORMS
from training.methods.feedback_options import FeedbackOptions
from training.methods.primary_options import PrimaryOptions
from training.settings import OneOf, Share, Weight, check_settings

IFV_MODALITIES = ('primary', 'all')
IFV_PAIRINGS = ('identity', 'permutation')
PROTOTYPES = ('batch', 'ema')


@dataclass(frozen=True, kw_only=True)
class RobustSegOptions:
    """Weights and variants; the defaults are the paper's, repaired where its code is not what it
    says. ``reference_code`` in the recipes' names shows the settings of the published code."""

    kl: Weight = 50.0
    """Weight of the logits' KL, averaged over classes too."""
    cp: Weight = 100.0
    """Weight of the cross-modal prototype distillation."""
    ifv: Weight = 12.0
    """Weight of the intra-class feature variation."""
    pairing: Annotated[str, OneOf(PAIRINGS)] = 'permutation'
    """Which teacher modality a student's prototypes meet. 'permutation': a random one, each
    taken at most once in a sample; 'derangement': the same, but never its own; 'identity': its
    own; 'same_rank': a sample's k-th, in random order, meets the teacher's k-th; 'independent':
    drawn for each (published code)."""
    prototype_norm: Annotated[str, OneOf(PROTOTYPE_NORMS)] = 'mean'
    """'mean_over_count' divides by the pixel count twice, as the published code does."""
    mask_absent: bool = True
    """Classes without a pixel stay out of the softmax; the published code keeps them as zeros."""
    ifv_distance: Annotated[str, OneOf(IFV_DISTANCES)] = 'mse'
    """'mse' or 'kl_width' (published code: a softmax over image rows)."""
    ifv_modalities: Annotated[str, OneOf(IFV_MODALITIES)] = 'primary'
    """'primary' or 'all'."""
    ifv_pairing: Annotated[str, OneOf(IFV_PAIRINGS)] = 'identity'
    """'identity' (each modality its own) or 'permutation' (the harmful cross-modal rung)."""
    primary: PrimaryOptions = field(default_factory=PrimaryOptions)
    """Which modalities ``ifv`` takes and which ones the feedback leaves alone."""
    prototypes: Annotated[str, OneOf(PROTOTYPES)] = 'batch'
    """'batch', or 'ema': those of the teacher that ``cp`` takes are running means over samples,
    steps and ranks. ``ifv`` and the feedback take each sample's own."""
    pseudo_labels: Share = 0.0
    """Unlabelled pixels count for prototypes as what the teacher says, where its probability is
    at least this; 0 leaves them out."""
    feedback: FeedbackOptions | None = None
    """How the teacher learns from the student; without it the teacher stays as it is. It takes no
    pseudo-labels, and plain means and 'mse' whatever ``prototype_norm`` and ``ifv_distance`` are.
    """

    def __post_init__(self) -> None:
        check_settings('method.options', self)
        if self.prototypes == 'ema' and self.prototype_norm != 'mean':
            raise ConfigError("method.options.prototypes 'ema' averages plain means; "
                              "prototype_norm must be 'mean'")
