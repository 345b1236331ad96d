# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Layers with weights for each of several owners: one call for a batch whose rows have different
ones. Layer: models; torch only.

An owner is a modality. A single one owns all rows, whatever their modality: then these are plain
layers. Only batch norm must have several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anymodal_seg_ros.models.mit import BLOCK_NORM_EPS, conv_nhwc

BATCH_NORM_EPS = 1e-5
BATCH_NORM_MOMENTUM = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Owners:
    """The owner of each row of a batch."""

    column_P: Tensor
    """int64, a column of ``config.modalities``, on the device of the maps."""
    is_each_once: bool
    """Whether the rows are one of each owner, in the order of the columns."""

    def weights_of_rows(self, stacked: Tensor) -> Tensor:
        """[O, ...] to [P, ...]; [1, ...] where one owner has all rows."""
        if len(stacked) == 1 or self.is_each_once:
            return stacked
        return stacked[self.column_P]


class OwnedLayers(nn.Module):
    """One layer for each owner."""

    def __init__(self, layers: dict[str, nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(layers)
        self._kept: tuple[str, ...] = ()

    @property
    def only(self) -> nn.Module | None:
        """The layer, where there is one owner."""
        return next(iter(self.layers.values())) if len(self.layers) == 1 else None

    def stacked(self, name: str) -> Tensor:
        """A weight of all owners, [O, ...]."""
        if name in self._kept:
            kept: Tensor = getattr(self, f'kept_{name}')
            return kept
        return torch.stack([getattr(layer, name) for layer in self.layers.values()])

    def keep_stacked(self) -> None:
        """The weights do not change any more: stack them once."""
        if self.only is None:
            names = tuple(name for name, _ in next(iter(self.layers.values())).named_parameters())
            for name in names:
                self.register_buffer(f'kept_{name}', self.stacked(name), persistent=False)
            self._kept = names


class OwnedLinear(OwnedLayers):
    """See ``nn.Linear``."""

    def __init__(self, owners: Sequence[str], in_dim: int, out_dim: int) -> None:
        super().__init__({owner: nn.Linear(in_dim, out_dim) for owner in owners})

    def forward(self, x_PHWC: Tensor, owners: Owners) -> Tensor:
        """[P, H, W, C] to [P, H, W, E]."""
        if self.only is not None:
            y_PHWE: Tensor = self.only(x_PHWC)
            return y_PHWE
        weight_PEC = owners.weights_of_rows(self.stacked('weight'))
        bias_PE = owners.weights_of_rows(self.stacked('bias'))
        y_PNE = torch.baddbmm(bias_PE[:, None], x_PHWC.flatten(1, 2), weight_PEC.transpose(1, 2))
        return y_PNE.view(*x_PHWC.shape[:3], -1)


class OwnedConv(OwnedLayers):
    """A convolution of ``dim`` channels to as many: depthwise, or one patch to one pixel.

    Args:
        kernel_size: of a depthwise convolution at every pixel, or side of the patches.
        is_depthwise: else it is of patches that touch.
    """

    def __init__(
        self, owners: Sequence[str], dim: int, kernel_size: int, *, is_depthwise: bool
    ) -> None:
        self.stride = 1 if is_depthwise else kernel_size
        self.padding = kernel_size // 2 if is_depthwise else 0
        self.groups = dim if is_depthwise else 1
        super().__init__(
            {
                owner: nn.Conv2d(
                    dim, dim, kernel_size, self.stride, self.padding, groups=self.groups
                )
                for owner in owners
            }
        )

    def forward(self, x_PHWC: Tensor, owners: Owners) -> Tensor:
        """[P, H, W, C] to [P, H / stride, W / stride, C]."""
        if isinstance(self.only, nn.Conv2d):
            return conv_nhwc(self.only, x_PHWC)
        rows, height, width, dim = x_PHWC.shape
        # Every row is a group of channels of one image.
        y_1QHW = F.conv2d(
            x_PHWC.permute(0, 3, 1, 2).reshape(1, rows * dim, height, width),
            owners.weights_of_rows(self.stacked('weight')).flatten(0, 1),
            owners.weights_of_rows(self.stacked('bias')).flatten(),
            stride=self.stride,
            padding=self.padding,
            groups=rows * self.groups,
        )
        return y_1QHW.reshape(rows, dim, *y_1QHW.shape[2:]).permute(0, 2, 3, 1)


class Vector(nn.Module):
    """A number for each channel."""

    def __init__(self, dim: int, value: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((dim,), value))


class OwnedScale(OwnedLayers):
    """A factor for each channel."""

    def __init__(self, owners: Sequence[str], dim: int, value: float) -> None:
        super().__init__({owner: Vector(dim, value) for owner in owners})

    def forward(self, x_PHWC: Tensor, owners: Owners) -> Tensor:
        return x_PHWC * owners.weights_of_rows(self.stacked('weight'))[:, None, None]


class OwnedLayerNorm(OwnedLayers):
    """See ``nn.LayerNorm``; over the channels."""

    def __init__(self, owners: Sequence[str], dim: int, eps: float = BLOCK_NORM_EPS) -> None:
        super().__init__({owner: nn.LayerNorm(dim, eps=eps) for owner in owners})
        self.eps = eps

    def forward(self, x_PHWC: Tensor, owners: Owners) -> Tensor:
        if self.only is not None:
            y_PHWC: Tensor = self.only(x_PHWC)
            return y_PHWC
        normed_PHWC = F.layer_norm(x_PHWC, x_PHWC.shape[-1:], eps=self.eps)
        weight_PC = owners.weights_of_rows(self.stacked('weight'))
        bias_PC = owners.weights_of_rows(self.stacked('bias'))
        return normed_PHWC * weight_PC[:, None, None] + bias_PC[:, None, None]


class Affine(nn.Module):
    """Factor and offset of each channel."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))


class OwnedBatchNorm(OwnedLayers):
    """See ``nn.BatchNorm2d``; statistics are those of an owner's rows, of this process alone.

    One pixel in all is no error here: it has no spread, so it becomes the offset.
    """

    running_mean_OC: Tensor
    running_var_OC: Tensor

    def __init__(self, owners: Sequence[str], dim: int) -> None:
        super().__init__({owner: Affine(dim) for owner in owners})
        self.register_buffer('running_mean_OC', torch.zeros(len(owners), dim))
        self.register_buffer('running_var_OC', torch.ones(len(owners), dim))

    def forward(self, x_PHWC: Tensor, owners: Owners) -> Tensor:
        mean_OC, var_OC = self.running_mean_OC, self.running_var_OC
        if self.training:
            mean_OC, var_OC = self._statistics(x_PHWC, owners)
        scale_OC = self.stacked('weight') * torch.rsqrt(var_OC + BATCH_NORM_EPS)
        shift_OC = self.stacked('bias') - mean_OC * scale_OC
        scale_PC, shift_PC = map(owners.weights_of_rows, (scale_OC, shift_OC))
        return x_PHWC * scale_PC[:, None, None] + shift_PC[:, None, None]

    def _statistics(self, x_PHWC: Tensor, owners: Owners) -> tuple[Tensor, Tensor]:
        """Mean and variance of each owner's pixels; the running ones learn of them."""
        column_P = owners.column_P
        with torch.autocast(x_PHWC.device.type, enabled=False):
            own_OP = F.one_hot(column_P, len(self.layers)).T.float()
            count_O1 = own_OP.sum(1, keepdim=True) * (x_PHWC.shape[1] * x_PHWC.shape[2])
            x_PHWC = x_PHWC.float()
            mean_OC = own_OP @ x_PHWC.sum((1, 2)) / count_O1.clamp(min=1)
            centred_PHWC = x_PHWC - mean_OC[column_P][:, None, None]
            var_OC = own_OP @ centred_PHWC.square().sum((1, 2)) / count_O1.clamp(min=1)
        with torch.no_grad():
            rate_O1 = BATCH_NORM_MOMENTUM * (count_O1 > 0)
            unbiased_OC = var_OC * count_O1 / (count_O1 - 1).clamp(min=1)
            self.running_mean_OC += rate_O1 * (mean_OC - self.running_mean_OC)
            self.running_var_OC += rate_O1 * (unbiased_OC - self.running_var_OC)
        return mean_OC, var_OC
