# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a SegRGB-X is, as plain data that a bundle keeps. Layer: models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from anymodal_seg_ros import limits
from anymodal_seg_ros.models.mit_config import MixTransformerConfig
from anymodal_seg_ros.models.segrgbx.clip_sizes import CLIP_SIZES, MAX_RANK, RANK
from anymodal_seg_ros.ranges import OneOf, Range

PRIMARY, ALIGNED, CROSS = 'primary', 'aligned', 'cross'
STEERINGS = (PRIMARY, ALIGNED, CROSS)
LAYER, BATCH = 'layer', 'batch'
CHANNEL_SPATIAL, SPATIAL_CHANNEL, NONE = 'channel_spatial', 'spatial_channel', 'none'
TINY = 'tiny'
SPATIAL, VECTOR = 'spatial', 'vector'


@dataclass(frozen=True, kw_only=True)
class SegRgbXConfig(MixTransformerConfig):
    """SegRGB-X: one Mix Transformer for all sensors; each is fused with the primary one after
    each stage, and what CLIP sees in an image steers its stream."""

    head_dim: Annotated[int, Range(0, 4096)] = 0
    """Channels of the head; 0 means 256 for b0 and b1, 512 for the larger ones."""
    primary: str = 'rgb'
    """The sensor that every other one is fused with."""
    clip: Annotated[str, OneOf(CLIP_SIZES)] = 'vit_b_16'
    """Size of CLIP's image tower; 'tiny' is there to try things on."""
    lora_rank: Annotated[int, Range(1, MAX_RANK)] = RANK
    """Of the adapter that the tower has for each sensor but the primary one."""
    control_prompts: Annotated[int, Range(0, 64)] = 1
    """Prompts of each stage made from what CLIP sees; 0 for none."""
    learned_prompts: Annotated[int, Range(0, 64)] = 8
    """Prompts of each stage that each sensor learns; 0 for none."""
    prompt_gate: bool = True
    """Whether prompts come in by a gate of each head, which starts closed; without it patches
    and prompts share one softmax, as in the paper."""
    control: Annotated[str, OneOf(STEERINGS)] = PRIMARY
    """Which image the control prompts are made from: the primary sensor's ('primary'), each
    stream's own ('aligned') or the partner's ('cross')."""
    fusion_norm: Annotated[str, OneOf((LAYER, BATCH))] = LAYER
    """Norm after each fusion: 'layer', or 'batch' as in the paper."""
    dsrm: Annotated[str, OneOf((CHANNEL_SPATIAL, SPATIAL_CHANNEL, NONE))] = CHANNEL_SPATIAL
    """Refinement after the last stage: attention over channels, then over pixels; the reverse
    order ('spatial_channel'); or 'none'."""
    dsrm_prompt: Annotated[str, OneOf((SPATIAL, VECTOR))] = SPATIAL
    """Its universal prompt: maps ('spatial') or vectors ('vector')."""
    dsrm_residual: bool = True
    """Whether it adds to the map; without, it replaces it, as in the paper."""
    dsrm_guidance: Annotated[str, OneOf(STEERINGS)] = ALIGNED
    """Which image it is steered by: as 'control'."""

    def __post_init__(self) -> None:
        super().__post_init__()
        limits.one_of('primary', self.primary, self.modalities)
        limits.flag('prompt_gate', self.prompt_gate)
        limits.flag('dsrm_residual', self.dsrm_residual)

    @property
    def needs_guide(self) -> bool:
        """See ``NetworkConfig``; the smallest CLIP is there to try things on."""
        return self.uses_guidance and self.clip != TINY

    def usual_head_dim(self) -> int:
        """See ``MixTransformerConfig``."""
        return 256 if self.backbone in ('b0', 'b1') else 512

    @property
    def adapters(self) -> tuple[str, ...]:
        """Modalities for which CLIP's tower has an adapter."""
        return tuple(modality for modality in self.modalities if modality != self.primary)

    @property
    def uses_guidance(self) -> bool:
        """Whether anything is steered by CLIP."""
        return self.control_prompts > 0 or self.dsrm != NONE
