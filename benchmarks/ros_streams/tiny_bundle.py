# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bundle with random weights and a small input, for tests and timing of what is around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from anymodal_seg_ros.bundle import Bundle
from anymodal_seg_ros.bundle.weights import save_bundle
from anymodal_seg_ros.labels import load_label_space
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.models import build_model
from anymodal_seg_ros.sim.vehicle import SENSOR_NAMES


def write_tiny_bundle(path: Path, short_side_px: int = 64, seed: int = 0,
                      modalities: Sequence[str] = SENSOR_NAMES, model: str = 'm_segformer',
                      settings: Mapping[str, Any] | None = None) -> Path:
    """Save a MiT-B0 network of these modalities under ``path`` and return it; ``settings`` are
    further ones of the network."""
    torch.manual_seed(seed)
    space = load_label_space('deliver')
    bundle = Bundle(
        model_name=model,
        model_config={'backbone': 'b0', 'num_classes': space.num_classes,
                      'modalities': tuple(modalities), **(settings or {})},
        encoders={name: MODALITIES[name].default_settings() for name in modalities},
        label_space=space,
        short_side_px=short_side_px,
        provenance={'recipe': 'random weights', 'seed': seed},
    )
    network = build_model(bundle.model_name, bundle.model_config)
    save_bundle(path, bundle, network.state_dict())
    return path
