# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A network whose sensors look at each other while they are encoded: it has maps of each, but is
not separable, and nothing in it belongs to one sensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anymodal_seg_ros.models.abilities import FeatureNetwork
from anymodal_seg_ros.models.features import FeatureMaps
from anymodal_seg_ros.models.fusion import fuse_present
from anymodal_seg_ros.models.head import sum_at_first
from anymodal_seg_ros.models.network_config import NetworkConfig
from anymodal_seg_ros.models.presence import check_presence, present_rows

DIMS = (16, 24)


@dataclass(frozen=True, kw_only=True)
class JointConfig(NetworkConfig):
    """Nothing of its own."""


class JointNetwork(FeatureNetwork):
    """Two levels, strides 8 and 16. Each map gets the mean of the others of its sample."""

    def __init__(self, config: JointConfig) -> None:
        super().__init__(config)
        self.stem = nn.Conv2d(3, DIMS[0], 8, stride=8)
        self.stage = nn.Conv2d(DIMS[0], DIMS[1], 2, stride=2)
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for dim in DIMS)
        self.others = nn.ModuleList(nn.Linear(dim, dim) for dim in DIMS)
        self.heads = nn.ModuleList(nn.Linear(dim, config.num_classes) for dim in DIMS)

    @property
    def feature_dims(self) -> tuple[int, ...]:
        return DIMS

    def encode_normalized(
        self, x: Mapping[str, Tensor], present_BM: Tensor | None = None
    ) -> FeatureMaps:
        modalities = self.config.modalities
        present_BM = check_presence(x, present_BM, modalities)
        rows = present_rows(x, present_BM, modalities)
        x_PCHW = torch.cat([rows[modality].to(self.dtype) for modality in rows])
        pairs = FeatureMaps.of_present((), present_BM)
        same_PP = pairs.owner_BP().T.float() @ pairs.owner_BP().float()
        others_PP = (same_PP - torch.eye(len(same_PP))).to(x_PCHW)
        others_PP = others_PP / others_PP.sum(1, keepdim=True).clamp(min=1)
        maps = []
        for conv, norm, linear in zip((self.stem, self.stage), self.norms, self.others,
                                      strict=True):
            x_PHWC = torch.tanh(norm(conv(x_PCHW).permute(0, 2, 3, 1)))
            mean_PHWC = (others_PP @ x_PHWC.flatten(1)).view_as(x_PHWC)
            maps.append(x_PHWC + linear(mean_PHWC))
            x_PCHW = maps[-1].permute(0, 3, 1, 2)
        return pairs.with_maps(maps)

    def fuse(self, features: FeatureMaps) -> list[Tensor]:
        return fuse_present(features, None)

    def decode(self, fused: Sequence[Tensor]) -> Tensor:
        return sum_at_first([head(x_BHWC) for head, x_BHWC in zip(
            self.heads, fused, strict=True)])

    def encoder_parameters(self) -> list[nn.Parameter]:
        parts = (self.stem, self.stage, self.norms, self.others)
        return [parameter for part in parts for parameter in part.parameters()]
