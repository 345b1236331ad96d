# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SegRGB-X's joint training: data sets with labels of their own, one network."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from anymodal_seg_ros.models.features import FeatureMaps
from anymodal_seg_ros.models.network import Network
from training.batch import Batch
from training.datasets import ClassSets
from training.losses.joint import joint_cross_entropy
from training.methods.base import Method, Terms, upsampled
from training.methods.segrgbx_options import SegRgbXOptions


class SegRgbX(Method):
    """Cross-entropy over the classes of the network, and over those of the sample's own data set
    (Liu et al., SegRGB-X, arXiv 2603.28023, equation 6). With any network.

    ``criterion`` is not asked: neither term weighs classes or chooses pixels.

    Args:
        class_sets: what the classes of each data set are, by its number; none for one data set
            with the classes of the network.
    """

    def __init__(
        self, criterion: nn.Module, student: Network, teacher: Network | None,
        options: SegRgbXOptions, class_sets: Sequence[ClassSets | None] = (),
    ) -> None:
        super().__init__(criterion, student, teacher, options)
        self.weights = {'ce': 1.0, 'own': options.own}
        self._class_sets = tuple(class_sets) or (None,)

    def forward(self, logits_BKhw: Tensor, features: FeatureMaps, batch: Batch) -> Terms:
        unified, own = joint_cross_entropy(upsampled(logits_BKhw, batch.labels), batch.labels,
                                           batch.source, self._class_sets)
        return {'ce': unified, 'own': own} if self.weights['own'] else {'ce': unified}
