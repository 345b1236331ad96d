# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses, a file each. Those of logits against labels have a row in ``LOSSES``; those of a student
against a teacher are called by its method.

Rows name module and class, so that a recipe is read without torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, cast

from anymodal_seg_ros import limits

if TYPE_CHECKING:
    from torch import Tensor, nn

LOSSES: Mapping[str, tuple[str, str]] = {
    'ce': ('training.losses.cross_entropy', 'CrossEntropy'),
    'ohem': ('training.losses.ohem', 'OhemCrossEntropy'),
}


def build_loss(name: str, weight_K: Tensor | None = None) -> nn.Module:
    """A loss by name: (logits [B, K, H, W], labels int64 [B, H, W] with 255 ignored) to a scalar.

    Raises:
        ConfigError: unknown name.
    """
    limits.one_of('loss', name, LOSSES)
    module, loss = LOSSES[name]
    return cast('nn.Module', getattr(import_module(module), loss)(weight_K))


__all__ = ['LOSSES', 'build_loss']
