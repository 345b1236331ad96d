# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sizes of CLIP's image tower, a vision transformer. Layer: models.

Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision",
ICML 2021, table 20.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from anymodal_seg_ros import limits
from anymodal_seg_ros.errors import ConfigError

ACTIVATIONS = ('quick_gelu', 'gelu')
"""OpenAI's, and that of most others."""
RANK, MAX_RANK = 16, 256
"""Of the adapters, whose size the paper leaves open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSize:
    """One row of the size table. Raises ConfigError for a value that is not allowed."""

    image_px: int
    """Side of the square that every image is resized to; a multiple of ``patch_px``."""
    patch_px: int
    width: int
    """Channels of a token; a multiple of ``heads``."""
    layers: int
    heads: int
    mlp_dim: int
    dim: int
    """Of the projection: what text and images are compared in."""
    activation: str = 'quick_gelu'

    def __post_init__(self) -> None:
        for name, most in (('image_px', 1024), ('patch_px', 64), ('width', 2048), ('layers', 64),
                           ('heads', 64), ('mlp_dim', 16384), ('dim', 4096)):
            limits.whole(name, getattr(self, name), 1, most)
        limits.one_of('activation', self.activation, ACTIVATIONS)
        for whole, part in (('image_px', 'patch_px'), ('width', 'heads')):
            if getattr(self, whole) % getattr(self, part):
                raise ConfigError.of(whole, getattr(self, whole),
                                     f'multiples of {part}, {getattr(self, part)}')


CLIP_SIZES: Mapping[str, ClipSize] = {
    'vit_b_16': ClipSize(image_px=224, patch_px=16, width=768, layers=12, heads=12, mlp_dim=3072,
                         dim=512),
    'vit_b_32': ClipSize(image_px=224, patch_px=32, width=768, layers=12, heads=12, mlp_dim=3072,
                         dim=512),
    'small': ClipSize(image_px=64, patch_px=16, width=128, layers=4, heads=4, mlp_dim=512,
                      dim=128),
    'tiny': ClipSize(image_px=32, patch_px=8, width=32, layers=2, heads=2, mlp_dim=128,
                     dim=16),
}
"""'small' is what ``scripts/small_clip.py`` trains. 'tiny' is nobody's: with random weights it is
there to try things on."""
