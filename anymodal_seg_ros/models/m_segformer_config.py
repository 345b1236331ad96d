# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What an M-SegFormer is, as plain data that a bundle keeps. Layer: models."""

from __future__ import annotations

from dataclasses import dataclass

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models.mit_sizes import BACKBONES
from anymodal_seg_ros.models.network_config import NetworkConfig, check_int

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
        if not isinstance(self.backbone, str) or self.backbone not in BACKBONES:
            raise ConfigError(f'backbone {self.backbone!r}; allowed: {", ".join(BACKBONES)}')
        check_int('head_dim', self.head_dim, 0, 4096)
        if self.head_dim == 0:
            object.__setattr__(self, 'head_dim', 256 if self.backbone in ('b0', 'b1') else 768)
        if self.stem not in STEMS:
            raise ConfigError(f'stem {self.stem!r}; allowed: {", ".join(STEMS)}')
        if self.encoder not in ENCODERS:
            raise ConfigError(f'encoder {self.encoder!r}; allowed: {", ".join(ENCODERS)}')
        if self.encoder == 'per_modality' and self.stem != 'per_modality':
            raise ConfigError(
                f"stem {self.stem!r}; allowed with encoder 'per_modality': per_modality"
            )
        if self.fusion not in FUSIONS:
            raise ConfigError(f'fusion {self.fusion!r}; allowed: {", ".join(FUSIONS)}')
        rate = self.drop_path
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate < 1:
            raise ConfigError(f'drop_path {rate!r}; allowed: 0 to below 1')
