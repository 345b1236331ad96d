# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Supervised training; with every sensor present it makes the PML teacher of AnySeg."""

from __future__ import annotations

from torch import Tensor

from anymodal_seg_ros.models.features import FeatureMaps
from training.batch import Batch
from training.methods.base import Method, Terms, upsampled


class Supervised(Method):
    """The segmentation loss alone. Which sensors a sample keeps is the recipe's ``dropout``.

    Source: the parallel multi-modal learning (PML) teacher of AnySeg (arXiv 2411.17141, 3.1).
    """

    weights = {'ce': 1.0}  # noqa: RUF012  # read only

    def forward(self, logits_BKhw: Tensor, features: FeatureMaps, batch: Batch) -> Terms:
        return {'ce': self.criterion(upsampled(logits_BKhw, batch.labels), batch.labels)}
