# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of RobustSeg."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from anymodal_seg_ros.errors import ConfigError
from training import limits
from training.losses.variants import IFV_DISTANCES, PAIRINGS, PROTOTYPE_NORMS
from training.methods.feedback_options import FeedbackOptions
from training.methods.primary_options import PrimaryOptions


@dataclass(frozen=True, kw_only=True)
class RobustSegOptions:
    """Weights and variants; the defaults are the paper's, repaired where its code is not what it
    says. ``reference_code`` in the recipes' names shows the settings of the published code."""

    kl: float = 50.0
    """Weight of the logits' KL, averaged over classes too."""
    cp: float = 100.0
    """Weight of the cross-modal prototype distillation."""
    ifv: float = 12.0
    """Weight of the intra-class feature variation."""
    pairing: str = 'permutation'
    """Which teacher modality a student's prototypes meet. 'permutation': a random one, each
    taken at most once in a sample; 'derangement': the same, but never its own; 'identity': its
    own; 'same_rank': a sample's k-th, in random order, meets the teacher's k-th; 'independent':
    drawn for each (published code)."""
    prototype_norm: str = 'mean'
    """'mean_over_count' divides by the pixel count twice, as the published code does."""
    mask_absent: bool = True
    """Classes without a pixel stay out of the softmax; the published code keeps them as zeros."""
    ifv_distance: str = 'mse'
    """'mse' or 'kl_width' (published code: a softmax over image rows)."""
    ifv_modalities: str = 'primary'
    """'primary' or 'all'."""
    ifv_pairing: str = 'identity'
    """'identity' (each modality its own) or 'permutation' (the harmful cross-modal rung)."""
    primary: Mapping[str, Any] = field(default_factory=dict)
    """See ``PrimaryOptions``."""
    prototypes: str = 'batch'
    """'batch', or 'ema': those of the teacher that ``cp`` takes are running means over samples,
    steps and ranks. ``ifv`` and the feedback take each sample's own."""
    pseudo_labels: float = 0.0
    """Unlabelled pixels count for prototypes as what the teacher says, where its probability is
    at least this; 0 leaves them out."""
    feedback: Mapping[str, Any] = field(default_factory=dict)
    """Student to teacher; see ``FeedbackOptions``. Empty: the teacher stays as it is. It takes no
    pseudo-labels, and plain means and 'mse' whatever ``prototype_norm`` and ``ifv_distance`` are.
    """

    def __post_init__(self) -> None:
        for name in ('kl', 'cp', 'ifv'):
            limits.number(f'method.options.{name}', getattr(self, name), 0, 1e6)
        limits.one_of('method.options.pairing', self.pairing, PAIRINGS)
        limits.one_of('method.options.prototype_norm', self.prototype_norm,
                      PROTOTYPE_NORMS)
        limits.flag('method.options.mask_absent', self.mask_absent)
        limits.one_of('method.options.ifv_distance', self.ifv_distance, IFV_DISTANCES)
        limits.one_of('method.options.ifv_modalities', self.ifv_modalities, ('primary', 'all'))
        limits.one_of('method.options.ifv_pairing', self.ifv_pairing,
                      ('identity', 'permutation'))
        limits.read_section(PrimaryOptions, 'method.options.primary', self.primary)
        limits.one_of('method.options.prototypes', self.prototypes, ('batch', 'ema'))
        if self.prototypes == 'ema' and self.prototype_norm != 'mean':
            raise ConfigError("method.options.prototypes 'ema' averages plain means; "
                              "prototype_norm must be 'mean'")
        limits.number('method.options.pseudo_labels', self.pseudo_labels, 0, 1)
        self.feedback_options()

    def feedback_options(self) -> FeedbackOptions | None:
        """None where the teacher stays as it is."""
        if not self.feedback:
            return None
        return limits.read_section(FeedbackOptions, 'method.options.feedback',
                                   self.feedback)
