# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What an EQUISeg is, as plain data that a bundle keeps. Layer: models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from anymodal_seg_ros import limits
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models.mit_config import MixTransformerConfig
from anymodal_seg_ros.ranges import OneOf, Range


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How the cross-modal blocks are built."""

    per_primary: bool
    """Whether each modality has blocks of its own."""
    one_hub: bool
    """Whether a sample's modalities all look at one merged map, in which they are themselves."""
    batch_norm: bool
    """In the pooling mixer; else layer norm."""
    starts_at_zero: bool
    """Whether a fresh network answers as if there were no blocks."""
    hub_source: str
    head_dim: int


PROFILES: Mapping[str, Profile] = {
    'parity': Profile(per_primary=True, one_hub=False, batch_norm=True, starts_at_zero=False,
                      hub_source='pre', head_dim=768),
    'one_hub': Profile(per_primary=False, one_hub=True, batch_norm=False, starts_at_zero=True,
                       hub_source='post', head_dim=256),
    'lite': Profile(per_primary=False, one_hub=False, batch_norm=False, starts_at_zero=True,
                    hub_source='post', head_dim=256),
}  # fmt: skip
HUB_SOURCES = ('pre', 'post')
HUBS = ('max', 'mean')


@dataclass(frozen=True, kw_only=True)
class EquiSegConfig(MixTransformerConfig):
    """EQUISeg: one Mix Transformer, in which each sensor looks at the others after each stage."""

    head_dim: Annotated[int, Range(0, 4096)] = 0
    """Channels of the head; 0 means 768 for 'parity', 256 for the others."""
    profile: Annotated[str, OneOf(PROFILES)] = 'parity'
    """'parity': each sensor has cross-modal blocks of its own, as in the paper; 'lite': all share
    them; 'one_hub': all share them and look at one merged map, which is the cheapest."""
    hub_source: Annotated[str, OneOf(('', *HUB_SOURCES))] = ''
    """What the others are merged from: maps as they enter the stage ('pre') or leave its blocks
    ('post'); empty means 'pre' for 'parity', 'post' for the others."""
    hub: Annotated[str, OneOf(HUBS)] = 'max'
    """'mean' instead of the greatest of the weighted maps (an ablation of the paper)."""
    cross_attention: bool = True
    """Without it sensors do not look at each other: M-SegFormer (an ablation of the paper)."""
    residual: bool = True
    """Without it what a sensor sees in others replaces its own map (an ablation of the paper)."""
    cmtb_every_block: bool = False
    """Cross-attention after every block of a stage rather than after its last, by weights that all
    sensors share and at one merged map of the stage, of 'pre': the paper's other reading."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hub_source == '':
            usual = 'pre' if self.cmtb_every_block else PROFILES[self.profile].hub_source
            object.__setattr__(self, 'hub_source', usual)
        limits.flag('cross_attention', self.cross_attention)
        limits.flag('residual', self.residual)
        limits.flag('cmtb_every_block', self.cmtb_every_block)
        if self.cmtb_every_block and self.hub_source != 'pre':
            raise ConfigError.of('hub_source', self.hub_source, 'pre with cmtb_every_block')

    def usual_head_dim(self) -> int:
        """See ``MixTransformerConfig``."""
        return PROFILES[self.profile].head_dim
