# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small residual bottlenecks that make a shared encoder a sensor's own. Layer: models; torch only.

Source: Houlsby et al., "Parameter-Efficient Transfer Learning for NLP", ICML 2019, section 2.1;
here one after each stage rather than two in each block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anymodal_seg_ros.models.mit import init_weights

REDUCTION = 4
MIN_HIDDEN_DIM = 8


class Adapter(nn.Module):
    """x + up(GELU(down(x))), where ``up`` starts at zero: a new adapter changes nothing."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        hidden_dim = max(dim // REDUCTION, MIN_HIDDEN_DIM)
        self.down = nn.Linear(dim, hidden_dim)
        self.up = nn.Linear(hidden_dim, dim)
        init_weights(self.down)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x_NHWC: Tensor) -> Tensor:
        y_NHWC: Tensor = x_NHWC + self.up(F.gelu(self.down(x_NHWC)))
        return y_NHWC


class ModalityAdapters(nn.ModuleDict):
    """For each modality one adapter behind each stage."""

    def __init__(self, modalities: Sequence[str], dims: Sequence[int]) -> None:
        super().__init__({m: nn.ModuleList(Adapter(dim) for dim in dims) for m in modalities})

    def forward(self, x_PHWC: Tensor, stage: int, counts: Mapping[str, int]) -> Tensor:
        """Adapt a packed batch: so many rows of each modality, one modality after another."""
        parts = torch.split(x_PHWC, list(counts.values()))
        adapted = []
        for modality, part_NHWC in zip(counts, parts, strict=True):
            adapters = self[modality]
            assert isinstance(adapters, nn.ModuleList)
            adapted.append(adapters[stage](part_NHWC))
        return torch.cat(adapted)
