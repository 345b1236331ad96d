# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What an M-SegFormer is, as plain data that a bundle keeps. Layer: models."""

from __future__ import annotations

from dataclasses import dataclass

from anymodal_seg_ros import limits
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models.mit_sizes import BACKBONES
from anymodal_seg_ros.models.network_config import NetworkConfig

STEMS = ('shared', 'per_modality')
ENCODERS = ('shared', 'per_modality', 'adapters')
FUSIONS = ('mean', 'reliability')


@dataclass(frozen=True, kw_only=True)
class MSegFormerConfig(NetworkConfig):
    """M-SegFormer: a Mix Transformer of every sensor, fusion at four levels, an MLP head."""

    backbone: str = 'b0'
    """Size of the Mix Transformer: b0, b1, b2, b3, b4 or b5."""
    head_dim: int = 0
    """Channels of the head; 0 means 256 for b0 and b1, 768 for the larger ones."""
    stem: str = 'shared'
    """'per_modality' gives each sensor its own first patch embedding (4,800 weights on b0)."""
    encoder: str = 'shared'
    """'adapters' adds a small residual bottleneck after each stage for each sensor,
    'per_modality' gives each sensor a whole encoder of its own."""
    fusion: str = 'mean'
    """'reliability' weights the sensors at each pixel by a learned score."""
    drop_path: float = 0.1
    """Rate at which the last block is left out in training; it grows from 0 at the first."""

    def __post_init__(self) -> None:
        super().__post_init__()
        limits.one_of('backbone', self.backbone, BACKBONES)
        limits.whole('head_dim', self.head_dim, 0, 4096)
        if self.head_dim == 0:
            object.__setattr__(self, 'head_dim', 256 if self.backbone in ('b0', 'b1') else 768)
        limits.one_of('stem', self.stem, STEMS)
        limits.one_of('encoder', self.encoder, ENCODERS)
        if self.encoder == 'per_modality' and self.stem != 'per_modality':
            raise ConfigError.of('stem', self.stem, "per_modality with encoder 'per_modality'")
        limits.one_of('fusion', self.fusion, FUSIONS)
        rate = self.drop_path
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate < 1:
            raise ConfigError.of('drop_path', rate, '0 to below 1')
