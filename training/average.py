# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The running average of a network's weights, which generalises better than the last ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class WeightAverage:
    """Exponential moving average of all floating-point state; the rest is copied.

    The decay rises from 0.1 as (1 + step) / (10 + step) up to the one given. Parameters that do
    not learn are no copies but the module's own.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        given = module.state_dict(keep_vars=True)
        self._moving = [name for name, value in given.items()
                        if value.requires_grad or not isinstance(value, nn.Parameter)]
        self.state = {name: value.detach().clone() if name in self._moving else value.detach()
                      for name, value in given.items()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Take in the weights after optimiser step number ``step`` (from 1)."""
        decay = min(self.decay, (1 + step) / (10 + step)) if self.decay else 0.0
        state = module.state_dict()
        for name in self._moving:
            value = state[name]
            if value.is_floating_point():
                self.state[name].lerp_(value.detach(), 1 - decay)
            else:
                self.state[name].copy_(value)

    def load(self, state: dict[str, Tensor]) -> None:
        """Continue from a checkpoint's ``state``."""
        for name, value in self.state.items():
            value.copy_(state[name])
