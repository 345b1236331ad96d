# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A network as unlike M-SegFormer as one may be: sensors are stacked before they are encoded, so
it is not separable and has no maps of one sensor; its logits have stride 8."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anymodal_seg_ros import limits
from anymodal_seg_ros.models.network import Network
from anymodal_seg_ros.models.network_config import NetworkConfig
from anymodal_seg_ros.models.presence import check_presence


@dataclass(frozen=True, kw_only=True)
class ToyConfig(NetworkConfig):
    """``width`` is the number of channels."""

    width: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        limits.whole('width', self.width, 1, 1024)


class ToyNetwork(Network):
    """Three convolutions over all sensors; an absent one has a learnt colour."""

    config: ToyConfig

    def __init__(self, config: ToyConfig) -> None:
        super().__init__(config)
        self.absent_M3 = nn.Parameter(torch.randn(len(config.modalities), 3))
        self.stem = nn.Conv2d(3 * len(config.modalities), config.width, 8, stride=8)
        self.norm = nn.BatchNorm2d(config.width)
        self.mix = nn.Conv2d(config.width, config.width, 3, padding=1)
        self.classifier = nn.Conv2d(config.width, config.num_classes, 1)

    def logits_of_normalized(
        self, x: Mapping[str, Tensor], present_BM: Tensor | None = None
    ) -> Tensor:
        modalities = self.config.modalities
        present_BM = check_presence(x, present_BM, modalities)
        some = next(iter(x.values()))
        colours = {m: self.absent_M3[i, :, None, None] for i, m in enumerate(modalities)}
        seen = [
            torch.where(present_B.to(some.device)[:, None, None, None],
                        x.get(modality, some).to(self.dtype), colours[modality])
            for modality, present_B in zip(modalities, present_BM.T, strict=True)
        ]
        y_BCHW = torch.tanh(self.norm(self.stem(torch.cat(seen, dim=1))))
        logits_BKhw: Tensor = self.classifier(torch.tanh(y_BCHW + self.mix(y_BCHW)))
        return logits_BKhw
