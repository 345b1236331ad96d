# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses. A new one is a file in this folder and a row in ``LOSSES`` (logits against labels) or
in ``DISTILLATION`` (student against teacher)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from anymodal_seg_ros.errors import ConfigError
from training.losses.cross_entropy import CrossEntropy
from training.losses.cross_modal_kd import cross_modal_kd
from training.losses.ifv import ifv_kd, ifv_maps
from training.losses.logit_kd import logit_kd
from training.losses.ohem import OhemCrossEntropy
from training.losses.pairing import PAIRINGS, draw_pairing
from training.losses.projection import FeatureProjection
from training.losses.prototype_bank import PrototypeBank
from training.losses.prototype_kd import prototype_kd
from training.losses.prototypes import Prototypes, class_prototypes, pseudo_labels
from training.losses.unimodal_kd import unimodal_kd

LOSSES: Mapping[str, Callable[[Tensor | None], nn.Module]] = {
    'ce': CrossEntropy,
    'ohem': OhemCrossEntropy,
}

DISTILLATION: Mapping[str, Callable[..., Tensor]] = {
    'kd': logit_kd,
    'umd': unimodal_kd,
    'cmd': cross_modal_kd,
    'cp': prototype_kd,
    'ifv': ifv_kd,
}
"""Each gives an unweighted float32 scalar, computed in float32 also under autocast, and sends no
gradient to the teacher."""


def build_loss(name: str, weight_K: Tensor | None = None) -> nn.Module:
    """A loss by name: (logits [B, K, H, W], labels int64 [B, H, W] with 255 ignored) to a scalar.

    Raises:
        ConfigError: unknown name.
    """
    if name not in LOSSES:
        raise ConfigError(f'unknown loss {name!r}; allowed: {", ".join(LOSSES)}')
    return LOSSES[name](weight_K)


def class_weights(pixels_K: Tensor) -> Tensor:
    """1 / log(1.02 + frequency), scaled so that the mean over all pixels is 1 (Paszke et al.,
    ENet, 2016). A class without a pixel gets the largest weight: it may be in frames not counted.

    Args:
        pixels_K: number of training pixels of each class.

    Raises:
        ValueError: no pixel at all.
    """
    if not pixels_K.any():
        raise ValueError('class weights need a labelled pixel')
    share_K = pixels_K.double() / pixels_K.sum()
    weight_K = 1.0 / torch.log(1.02 + share_K)
    return (weight_K / (weight_K * share_K).sum()).float()


__all__ = [
    'DISTILLATION',
    'LOSSES',
    'PAIRINGS',
    'CrossEntropy',
    'FeatureProjection',
    'OhemCrossEntropy',
    'PrototypeBank',
    'Prototypes',
    'build_loss',
    'class_prototypes',
    'class_weights',
    'cross_modal_kd',
    'draw_pairing',
    'ifv_kd',
    'ifv_maps',
    'logit_kd',
    'prototype_kd',
    'pseudo_labels',
    'unimodal_kd',
]
