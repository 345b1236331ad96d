# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tokens that a stage's blocks see beside the patches. Layer: models; torch only.

Source: SegRGB-X, section 3.3 and appendix A.2: what the prompts themselves would become is thrown
away, so they are keys and values alone. The gate is that of LLaMA-Adapter (Zhang et al., ICLR
2024, section 3.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anymodal_seg_ros.models.mit import Block, init_weights


class StagePrompts(nn.Module):
    """Control prompts, made from the guidance, and prompts that each modality has learned.

    Args:
        modalities: each has its own learned prompts.
        guidance_dim: channels of the guidance.
        dim, num_heads, depth: of the stage.
        control, learned: so many prompts of each kind.
        gated: see ``prompted``; one gate for each block and head.
    """

    def __init__(
        self, modalities: Sequence[str], guidance_dim: int, dim: int, num_heads: int, depth: int,
        *, control: int, learned: int, gated: bool,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.control: nn.Sequential | None = None
        if control:
            self.control = nn.Sequential(
                nn.Linear(guidance_dim, guidance_dim), nn.GELU(),
                nn.Linear(guidance_dim, control * dim))
            self.control.apply(init_weights)
        self.learned = nn.ParameterDict()
        for modality in modalities if learned else ():
            # One by one: a table's entries would be sorted.
            self.learned[modality] = nn.Parameter(torch.empty(learned, dim))
            nn.init.trunc_normal_(self.learned[modality], std=0.02)
        self.gate: nn.Parameter | None = None
        if gated and (control or learned):
            self.gate = nn.Parameter(torch.zeros(depth, num_heads))

    def tokens(self, guidance_PD: Tensor, modality_P: Tensor) -> Tensor:
        """[P, K, C] for the streams of so many images and their modalities."""
        kinds = []
        if self.control is not None:
            kinds.append(self.control(guidance_PD).view(len(guidance_PD), -1, self.dim))
        if len(self.learned):
            kinds.append(torch.stack(list(self.learned.values()))[modality_P])
        return torch.cat(kinds, dim=1)

    def forward(
        self, blocks: Iterable[nn.Module], x_PHWC: Tensor, guidance_PD: Tensor,
        modality_P: Tensor,
    ) -> Tensor:
        """Maps through all blocks of the stage."""
        if self.control is None and not len(self.learned):
            for block in blocks:
                x_PHWC = block(x_PHWC)
            return x_PHWC
        tokens_PKC = self.tokens(guidance_PD, modality_P)
        for i, block in enumerate(blocks):
            assert isinstance(block, Block)
            gate_h = None if self.gate is None else self.gate[i]
            x_PHWC = prompted(block, x_PHWC, tokens_PKC, gate_h)
        return x_PHWC


def prompted(
    block: Block, x_NHWC: Tensor, tokens_NKC: Tensor, gate_h: Tensor | None
) -> Tensor:
    """A block whose keys and values have tokens behind those of the reduced map.

    With a gate the tokens have a softmax of their own, whose outcome is added times tanh(gate):
    at 0 the block is what it was.
    """
    attention = block.attention
    normed_NHWC = block.norm1(x_NHWC)
    queries = attention.queries(normed_NHWC)
    keys, values = attention.keys_values(attention.context(normed_NHWC))
    token_keys, token_values = attention.keys_values(block.norm1(tokens_NKC))
    if gate_h is None:
        found = F.scaled_dot_product_attention(
            queries, torch.cat([keys, token_keys], 2), torch.cat([values, token_values], 2))
    else:
        found = F.scaled_dot_product_attention(queries, keys, values)
        of_tokens = F.scaled_dot_product_attention(queries, token_keys, token_values)
        found = found + gate_h.tanh()[:, None, None] * of_tokens
    out_NHWC = x_NHWC + block.drop_path(attention.project(found, x_NHWC))
    return block.feed_forward(out_NHWC)
