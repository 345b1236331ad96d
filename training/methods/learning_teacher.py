# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A teacher whose weak modalities can learn while the primary ones stay."""

from __future__ import annotations

from torch import nn

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models import model_name
from anymodal_seg_ros.models.abilities import FeatureNetwork
from training.methods.feedback_options import FeedbackOptions


def learning_teacher(teacher: FeatureNetwork, options: FeedbackOptions) -> FeatureNetwork:
    """The teacher in a form whose weak modalities can learn alone."""
    return teacher.adapted() if options.trainable == 'own' else teacher


def trainable_parameters(teacher: FeatureNetwork, options: FeedbackOptions) -> list[nn.Parameter]:
    """Everything that may learn, whichever modalities turn out to be weak.

    Raises:
        ConfigError: there is nothing.
    """
    own = [p for name in teacher.config.modalities for p in teacher.parameters_of(name)]
    if options.trainable == 'soft_freeze':
        # A modality's stem is in the encoder too, and an optimiser takes a parameter once.
        return list(dict.fromkeys([*teacher.encoder_parameters(), *own]))
    if not own:
        raise ConfigError(f'a teacher of network {model_name(teacher.config)!r} has nothing that '
                          "one modality owns; use feedback.trainable 'soft_freeze'")
    return own
