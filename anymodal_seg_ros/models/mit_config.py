# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of every network with a Mix Transformer. Layer: models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models.mit_sizes import BACKBONES
from anymodal_seg_ros.models.network_config import NetworkConfig
from anymodal_seg_ros.ranges import OneOf, Range


@dataclass(frozen=True, kw_only=True)
class MixTransformerConfig(NetworkConfig):
    """A Mix Transformer and an MLP head on its four maps."""

    backbone: Annotated[str, OneOf(BACKBONES)] = 'b0'
    """Size of the Mix Transformer."""
    head_dim: Annotated[int, Range(0, 4096)] = 0
    """Channels of the head; 0 means 256 for b0 and b1, 768 for the larger ones."""
    drop_path: float = 0.1
    """Rate at which the last block is left out in training; it grows from 0 at the first."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.head_dim == 0:
            object.__setattr__(self, 'head_dim', self.usual_head_dim())
        rate = self.drop_path
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate < 1:
            raise ConfigError.of('drop_path', rate, '0 to below 1')

    def usual_head_dim(self) -> int:
        """What ``head_dim`` 0 means."""
        return 256 if self.backbone in ('b0', 'b1') else 768
