# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The networks. A new one is a file in this folder and a row in ``MODELS``. torch only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models.config import MSegFormerConfig
from anymodal_seg_ros.models.features import FeatureMaps, modality_subsets
from anymodal_seg_ros.models.m_segformer import MISSING_MODES, MSegFormer
from anymodal_seg_ros.models.state import load_state
from anymodal_seg_ros.models.weights import load_encoder_weights

MODELS = {'m_segformer': MSegFormer}
CONFIGS = {'m_segformer': MSegFormerConfig}


def build_model(name: str, config: Mapping[str, Any]) -> MSegFormer:
    """Build a network with fresh weights from its plain-data config.

    Raises:
        ConfigError: unknown name or setting, or a value that is not allowed.
    """
    if name not in MODELS:
        raise ConfigError(f'unknown model {name!r}; allowed: {", ".join(MODELS)}')
    return MODELS[name](CONFIGS[name].from_dict(config))


__all__ = [
    'CONFIGS',
    'MISSING_MODES',
    'MODELS',
    'FeatureMaps',
    'MSegFormer',
    'MSegFormerConfig',
    'build_model',
    'load_encoder_weights',
    'load_state',
    'modality_subsets',
]
