# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What an M-SegFormer is, as plain data that a bundle keeps. Layer: models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models.mit_config import MixTransformerConfig
from anymodal_seg_ros.ranges import OneOf

STEMS = ('shared', 'per_modality')
ENCODERS = ('shared', 'per_modality', 'adapters')
FUSIONS = ('mean', 'reliability')


@dataclass(frozen=True, kw_only=True)
class MSegFormerConfig(MixTransformerConfig):
    """M-SegFormer: a Mix Transformer of every sensor, fusion at four levels, an MLP head."""

    stem: Annotated[str, OneOf(STEMS)] = 'shared'
    """'per_modality' gives each sensor its own first patch embedding (4,800 weights on b0)."""
    encoder: Annotated[str, OneOf(ENCODERS)] = 'shared'
    """'adapters' adds a small residual bottleneck after each stage for each sensor,
    'per_modality' gives each sensor a whole encoder of its own."""
    fusion: Annotated[str, OneOf(FUSIONS)] = 'mean'
    """'reliability' weights the sensors at each pixel by a learned score."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.encoder == 'per_modality' and self.stem != 'per_modality':
            raise ConfigError.of('stem', self.stem, "per_modality with encoder 'per_modality'")
