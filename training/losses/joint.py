# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cross-entropy of samples that are labelled each in the classes of its own data set."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from anymodal_seg_ros.labels import UNLABELLED
from training.datasets import ClassSets
from training.own_logits import own_logits


def joint_cross_entropy(
    logits_BKHW: Tensor, labels_BHW: Tensor, source_B: Tensor,
    class_sets: Sequence[ClassSets | None],
) -> tuple[Tensor, Tensor]:
    """The two terms of equation 6 of SegRGB-X (Liu et al., arXiv 2603.28023).

    A label y is a set U of the network's K classes. The first term is -log of the probability of
    U among all K, the second -log of that among the classes of the sample's own data set.

    Args:
        logits_BKHW: at the size of the labels.
        labels_BHW: int64, each in the classes of its sample's data set, 255 unlabelled.
        source_B: int64, on the CPU: the number of each sample's data set.
        class_sets: of each data set; None for the classes of the network.

    Returns:
        Means over the labelled pixels of all samples; 0 with gradient 0 where there are none.
    """
    unified = own = logits_BKHW.new_zeros((), dtype=torch.float32)
    for number in sorted(set(source_B.tolist())):
        rows = (source_B == number).nonzero()[:, 0].to(logits_BKHW.device)
        logits_NKHW, labels_NHW = logits_BKHW[rows].float(), labels_BHW[rows]
        logits_NJHW = own_logits(logits_NKHW, class_sets[number])
        labelled_NHW = labels_NHW != UNLABELLED
        index_N1HW = labels_NHW.where(labelled_NHW, 0)[:, None]
        of_label_NHW = logits_NJHW.gather(1, index_N1HW)[:, 0]
        unified = unified + ((logits_NKHW.logsumexp(1) - of_label_NHW) * labelled_NHW).sum()
        own = own + ((logits_NJHW.logsumexp(1) - of_label_NHW) * labelled_NHW).sum()
    num_labelled = (labels_BHW != UNLABELLED).sum().clamp(min=1)
    return unified / num_labelled, own / num_labelled
