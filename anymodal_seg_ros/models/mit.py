# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Mix Transformer (MiT-B0 to B5), the encoder of SegFormer. Layer: models; torch only.

Source: Xie et al., "SegFormer: Simple and Efficient Design for Semantic Segmentation with
Transformers", NeurIPS 2021, section 3.1.

Feature maps travel as ``x_NHWC``: layer norm and linear layers want channels last, and a
permuted view of it is exactly what convolutions call ``channels_last``, so nothing is copied.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from anymodal_seg_ros.models.mit_sizes import MiTSize

PATCH_NORM_EPS = 1e-5
BLOCK_NORM_EPS = 1e-6
SHARED_STEM = 'shared'


def init_weights(module: nn.Module) -> None:
    """Initialise one layer: linear N(0, .02) cut at 2, conv N(0, sqrt(2 / fan_out)), norms 1/0."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
        nn.init.normal_(module.weight, std=math.sqrt(2.0 / fan_out))
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def conv_nhwc(conv: nn.Conv2d, x_NHWC: Tensor) -> Tensor:
    """Apply a convolution to a channels-last map without a copy; [N, H, W, C] in and out."""
    y_NCHW: Tensor = conv(x_NHWC.permute(0, 3, 1, 2))
    return y_NCHW.permute(0, 2, 3, 1)


class DropPath(nn.Module):
    """Stochastic depth: drop a residual branch for a whole sample (Huang et al., 2016)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0.0:
            return x
        keep = 1.0 - self.rate
        mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep)
        return x * (mask / keep)

    def extra_repr(self) -> str:
        return f'rate={self.rate:.4f}'


class OverlapPatchEmbed(nn.Module):
    """Strided convolution with overlapping windows, then layer norm."""

    def __init__(self, in_channels: int, dim: int, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, dim, kernel_size, stride, kernel_size // 2)
        self.norm = nn.LayerNorm(dim, eps=PATCH_NORM_EPS)

    def forward(self, x_NHWC: Tensor) -> Tensor:
        """[N, H, W, C_in] to [N, H / stride, W / stride, C]."""
        y_NHWC: Tensor = self.norm(conv_nhwc(self.proj, x_NHWC))
        return y_NHWC


class Attention(nn.Module):
    """Multi-head self-attention whose keys and values come from a map reduced R times."""

    def __init__(self, dim: int, num_heads: int, reduction: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, 2 * dim)
        self.proj = nn.Linear(dim, dim)
        self.reduce: nn.Conv2d | None = None
        self.reduce_norm: nn.LayerNorm | None = None
        if reduction > 1:
            self.reduce = nn.Conv2d(dim, dim, reduction, reduction)
            self.reduce_norm = nn.LayerNorm(dim, eps=PATCH_NORM_EPS)

    def queries(self, x_NHWC: Tensor) -> Tensor:
        """[N, heads, H * W, C / heads]."""
        return self._by_head(self.q(x_NHWC).flatten(1, 2))

    def context(self, x_NHWC: Tensor) -> Tensor:
        """What keys and values are made of: the map, reduced, as [N, L, C]."""
        if self.reduce is not None and self.reduce_norm is not None:
            x_NHWC = self.reduce_norm(conv_nhwc(self.reduce, x_NHWC))
        return x_NHWC.flatten(1, 2)

    def keys_values(self, context_NLC: Tensor) -> tuple[Tensor, Tensor]:
        """Each [N, heads, L, C / heads]."""
        k_NLC, v_NLC = self.kv(context_NLC).chunk(2, dim=2)
        return self._by_head(k_NLC), self._by_head(v_NLC)

    def project(self, out: Tensor, like_NHWC: Tensor) -> Tensor:
        """What the heads found, [N, heads, H * W, C / heads], to a map of the given shape."""
        out_NHWC: Tensor = self.proj(out.transpose(1, 2).reshape(like_NHWC.shape))
        return out_NHWC

    def forward(self, x_NHWC: Tensor) -> Tensor:
        keys, values = self.keys_values(self.context(x_NHWC))
        out = F.scaled_dot_product_attention(self.queries(x_NHWC), keys, values)
        return self.project(out, x_NHWC)

    def _by_head(self, x_NLC: Tensor) -> Tensor:
        return x_NLC.view(*x_NLC.shape[:2], self.num_heads, -1).transpose(1, 2)


class MixFFN(nn.Module):
    """Feed-forward layer with a 3x3 depthwise convolution, which stands in for positions."""

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.dwconv = nn.Conv2d(hidden_dim, hidden_dim, 3, padding=1, groups=hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, dim)

    def forward(self, x_NHWC: Tensor) -> Tensor:
        hidden_NHWC = F.gelu(conv_nhwc(self.dwconv, self.fc1(x_NHWC)))
        out_NHWC: Tensor = self.fc2(hidden_NHWC)
        return out_NHWC


class Block(nn.Module):
    """Pre-norm transformer block: x += attention(LN x); x += MixFFN(LN x)."""

    def __init__(
        self, dim: int, num_heads: int, reduction: int, mlp_ratio: int, drop_path: float
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=BLOCK_NORM_EPS)
        self.attention = Attention(dim, num_heads, reduction)
        self.norm2 = nn.LayerNorm(dim, eps=BLOCK_NORM_EPS)
        self.ffn = MixFFN(dim, mlp_ratio * dim)
        self.drop_path = DropPath(drop_path)

    def forward(self, x_NHWC: Tensor) -> Tensor:
        return self.feed_forward(
            x_NHWC + self.drop_path(self.attention(self.norm1(x_NHWC)))
        )

    def feed_forward(self, x_NHWC: Tensor) -> Tensor:
        """The second half."""
        out_NHWC: Tensor = x_NHWC + self.drop_path(self.ffn(self.norm2(x_NHWC)))
        return out_NHWC


class Stage(nn.Module):
    """The blocks of one resolution and their closing norm. Stage 1 has its stem outside."""

    def __init__(self, size: MiTSize, index: int, drop_paths: Sequence[float]) -> None:
        super().__init__()
        dim = size.dims[index]
        self.patch_embed: OverlapPatchEmbed | None = None
        if index > 0:
            self.patch_embed = OverlapPatchEmbed(size.dims[index - 1], dim, 3, 2)
        self.blocks = nn.ModuleList(
            Block(dim, size.heads[index], size.reductions[index], size.mlp_ratio, drop_path)
            for drop_path in drop_paths
        )
        self.norm = nn.LayerNorm(dim, eps=BLOCK_NORM_EPS)

    def embed(self, x_NHWC: Tensor) -> Tensor:
        """The map as the first block gets it."""
        if self.patch_embed is not None:
            x_NHWC = self.patch_embed(x_NHWC)
        return x_NHWC

    def transform(self, x_NHWC: Tensor) -> Tensor:
        """Through all blocks."""
        for block in self.blocks:
            x_NHWC = block(x_NHWC)
        return x_NHWC

    def forward(self, x_NHWC: Tensor) -> Tensor:
        out_NHWC: Tensor = self.norm(self.transform(self.embed(x_NHWC)))
        return out_NHWC


class MixTransformer(nn.Module):
    """Four-stage encoder. Several stems (first patch embeddings) may share all later layers."""

    def __init__(
        self,
        size: MiTSize,
        *,
        stems: Sequence[str] = (SHARED_STEM,),
        in_channels: int = 3,
        drop_path: float = 0.1,
    ) -> None:
        """Build and initialise.

        Args:
            size: a row of ``mit_sizes.BACKBONES``.
            stems: names of the first patch embeddings; one is the published network.
            in_channels: channels of an input image.
            drop_path: rate at the last block; it grows linearly from 0 at the first one.
        """
        super().__init__()
        self.size = size
        self.stems = nn.ModuleDict(
            {name: OverlapPatchEmbed(in_channels, size.dims[0], 7, 4) for name in stems}
        )
        num_blocks = sum(size.depths)
        rates = [drop_path * i / (num_blocks - 1) for i in range(num_blocks)]
        starts = [sum(size.depths[:i]) for i in range(4)]
        self.stages = nn.ModuleList(
            Stage(size, i, rates[starts[i] : starts[i] + size.depths[i]]) for i in range(4)
        )
        self.apply(init_weights)

    def forward_stem(self, x_NCHW: Tensor, stem: str = SHARED_STEM) -> Tensor:
        """Normalised images [N, 3, H, W] to [N, H/4, W/4, C_1]."""
        x_NHWC: Tensor = self.stems[stem](x_NCHW.permute(0, 2, 3, 1))
        return x_NHWC

    def forward_stages(
        self, x_NHWC: Tensor, after_stage: Callable[[Tensor, int], Tensor] | None = None
    ) -> list[Tensor]:
        """A stem's output to four normed maps [N, H/s, W/s, C_i], s = 4, 8, 16, 32.

        ``after_stage`` gets each map and its stage, 0 to 3; what it returns goes on.
        """
        features = []
        for i, stage in enumerate(self.stages):
            x_NHWC = stage(x_NHWC)
            if after_stage is not None:
                x_NHWC = after_stage(x_NHWC, i)
            features.append(x_NHWC)
        return features

    def forward(self, x_NCHW: Tensor, stem: str = SHARED_STEM) -> list[Tensor]:
        """Normalised images [N, 3, H, W] to four normed maps [N, H/s, W/s, C_i]."""
        return self.forward_stages(self.forward_stem(x_NCHW, stem))
