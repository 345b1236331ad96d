# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A teacher whose weak modalities can learn while the primary ones stay."""

from __future__ import annotations

from torch import nn

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models import build_model
from anymodal_seg_ros.models.m_segformer import MSegFormer
from anymodal_seg_ros.models.state import load_state
from training.methods.feedback_options import FeedbackOptions


def learning_teacher(teacher: MSegFormer, options: FeedbackOptions) -> MSegFormer:
    """The teacher in a form whose weak modalities can learn alone.

    Raises:
        ConfigError: a teacher of one encoder in which nothing belongs to one modality.
    """
    if options.trainable == 'own' and teacher.config.encoder == 'shared':
        config = {**teacher.config.to_dict(), 'encoder': 'adapters'}
        adapted = build_model('m_segformer', config)
        load_state(adapted, teacher.state_dict())
        return adapted
    return teacher


def trainable_parameters(teacher: MSegFormer, options: FeedbackOptions) -> list[nn.Parameter]:
    """Everything that may learn, whichever modalities turn out to be weak.

    Raises:
        ConfigError: there is nothing.
    """
    own = [p for name in teacher.config.modalities for p in teacher.parameters_of(name)]
    if options.trainable == 'soft_freeze':
        # A modality's stem is in the encoder too, and an optimiser takes a parameter once.
        return list(dict.fromkeys([*teacher.encoder.parameters(), *own]))
    if not own:
        raise ConfigError(f'a teacher with encoder {teacher.config.encoder!r} has nothing that '
                          "one modality owns; use feedback.trainable 'soft_freeze'")
    return own
