# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Domain-Specific Refinement Module: the last maps, asked by prompts. Layer: models; torch only.

Source: SegRGB-X, section 3.4, equations 2 to 5. The paper's shapes tie it to one input size; here
prompts are small grids that are resized (as in PromptIR, Potlapalli et al., NeurIPS 2023), weights
act on channels alone, and the embedding modulates a learned grid. Attention over channels is that
of Restormer (Zamir et al., CVPR 2022).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anymodal_seg_ros.models.mit import init_weights
from anymodal_seg_ros.models.segrgbx.config import SPATIAL, SPATIAL_CHANNEL

GRID = 16
NUM_PROMPTS = 8
INDICATOR_REDUCTION = 4
MODULATION_DIM = 128
INITIAL_SCALE = 0.01


def resized(grid_PChw: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """A grid at another size, bilinear, as [P, H * W, C]."""
    grid_PCHW = F.interpolate(grid_PChw, size=size_hw, mode='bilinear', align_corners=False)
    return grid_PCHW.flatten(2).transpose(1, 2)


class UniversalPrompt(nn.Module):
    """A mixture of learned prompts, by the channels' means of a map (equation 2).

    Args:
        dim: channels.
        prompt: 'spatial' prompts are grids, 'vector' ones the same at every pixel.
    """

    def __init__(self, dim: int, prompt: str) -> None:
        super().__init__()
        side = GRID if prompt == SPATIAL else 1
        self.indicator = nn.Sequential(
            nn.Linear(dim, dim // INDICATOR_REDUCTION), nn.GELU(),
            nn.Linear(dim // INDICATOR_REDUCTION, NUM_PROMPTS))
        self.indicator.apply(init_weights)
        self.prompts = nn.Parameter(torch.empty(NUM_PROMPTS, dim, side, side))
        nn.init.trunc_normal_(self.prompts, std=0.02)

    def forward(self, x_PHWC: Tensor) -> Tensor:
        """[P, H * W, C]."""
        share_PK = self.indicator(x_PHWC.mean((1, 2))).softmax(1)
        mixed_PChw = (share_PK @ self.prompts.flatten(1)).view(-1, *self.prompts.shape[1:])
        return resized(mixed_PChw, (x_PHWC.shape[1], x_PHWC.shape[2]))


class SpatialQuery(nn.Module):
    """A learned grid, scaled and shifted in each channel by the embedding (equation 4)."""

    def __init__(self, dim: int, guidance_dim: int) -> None:
        super().__init__()
        self.grid = nn.Parameter(torch.empty(1, dim, GRID, GRID))
        nn.init.trunc_normal_(self.grid, std=0.02)
        self.modulation = nn.Sequential(
            nn.Linear(guidance_dim, MODULATION_DIM), nn.GELU(),
            nn.Linear(MODULATION_DIM, 2 * dim))
        self.modulation.apply(init_weights)

    def forward(self, guidance_PD: Tensor, size_hw: tuple[int, int]) -> Tensor:
        """[P, H * W, C]."""
        scale_P1C, shift_P1C = self.modulation(guidance_PD)[:, None].chunk(2, dim=2)
        query_PNC: Tensor = resized(self.grid, size_hw) * (1.0 + scale_P1C) + shift_P1C
        return query_PNC


class QueryAttention(nn.Module):
    """Queries of a prompt, keys and values of a map, both [P, N, C]."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, 2 * dim)
        self.proj = nn.Linear(dim, dim)
        self.apply(init_weights)

    def projected(self, prompt_PNC: Tensor, x_PNC: Tensor) -> list[Tensor]:
        """Query, key and value, each [P, heads, N, C / heads]."""
        parts = self.q(prompt_PNC), *self.kv(x_PNC).chunk(2, dim=2)
        return [part.view(*part.shape[:2], self.num_heads, -1).transpose(1, 2) for part in parts]

    def merged(self, out: Tensor) -> Tensor:
        """[P, heads, N, C / heads] to [P, N, C]."""
        out_PNC: Tensor = self.proj(out.transpose(1, 2).flatten(2))
        return out_PNC


class SpatialAttention(QueryAttention):
    """Each pixel of the prompt looks at all pixels of the map (equation 5)."""

    def forward(self, prompt_PNC: Tensor, x_PNC: Tensor) -> Tensor:
        query, key, value = self.projected(prompt_PNC, x_PNC)
        return self.merged(F.scaled_dot_product_attention(query, key, value))


class ChannelAttention(QueryAttention):
    """Each channel of the prompt looks at the channels of the map in its head (equation 3)."""

    def __init__(self, dim: int, num_heads: int, prompt: str) -> None:
        super().__init__(dim, num_heads)
        self.temperature = nn.Parameter(torch.ones(num_heads, 1, 1))
        self.is_spatial = prompt == SPATIAL

    def forward(self, prompt_PNC: Tensor, x_PNC: Tensor) -> Tensor:
        query, key, value = self.projected(prompt_PNC, x_PNC)
        # A prompt that is the same at every pixel would keep only its sign if it had unit length.
        query = F.normalize(query, dim=2) if self.is_spatial else query * query.shape[2] ** -0.5
        scores = query.transpose(2, 3) @ F.normalize(key, dim=2) * self.temperature
        return self.merged((scores.softmax(3) @ value.transpose(2, 3)).transpose(2, 3))


class DomainSpecificRefinement(nn.Module):
    """Attention over channels by the universal prompt, then over pixels by the embedding.

    Args:
        dim, num_heads: of the stage.
        guidance_dim: channels of the embedding.
        order: 'channel_spatial' or 'spatial_channel'.
        prompt: see ``UniversalPrompt``.
        residual: whether the outcome is added to the map, scaled, or takes its place.
    """

    def __init__(
        self, dim: int, num_heads: int, guidance_dim: int, *, order: str, prompt: str,
        residual: bool,
    ) -> None:
        super().__init__()
        self.is_reversed = order == SPATIAL_CHANNEL
        self.universal = UniversalPrompt(dim, prompt)
        self.channel = ChannelAttention(dim, num_heads, prompt)
        self.query = SpatialQuery(dim, guidance_dim)
        self.spatial = SpatialAttention(dim, num_heads)
        self.scale: nn.Parameter | None = None
        if residual:
            self.scale = nn.Parameter(torch.full((dim,), INITIAL_SCALE))

    def forward(self, x_PHWC: Tensor, guidance_PD: Tensor) -> Tensor:
        """Maps [P, H, W, C] and embeddings of the streams to maps of the same shape."""
        size_hw = x_PHWC.shape[1], x_PHWC.shape[2]
        found_PNC = x_PHWC.flatten(1, 2)
        steps = [(self.channel, self.universal(x_PHWC)),
                 (self.spatial, self.query(guidance_PD, size_hw))]
        for attention, prompt_PNC in reversed(steps) if self.is_reversed else steps:
            found_PNC = attention(prompt_PNC, found_PNC)
        found_PHWC = found_PNC.view(x_PHWC.shape)
        return found_PHWC if self.scale is None else x_PHWC + self.scale * found_PHWC
