# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a network costs: parameters and multiplications."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from anymodal_seg_ros.models import build_model


def cost_of(
    model_name: str, model_config: Mapping[str, Any], size_px: int
) -> tuple[int, int]:
    """Parameters, and multiplications for one square input with all sensors, in the form in which
    it is trained."""
    model = build_model(model_name, model_config).eval()
    images = {name: torch.zeros(1, 3, size_px, size_px) for name in model.config.modalities}
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.logits(images)
    return sum(value.numel() for value in model.parameters()), counter.get_total_flops() // 2
