# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A network's answer in the classes of one data set, of which each is a set of the network's."""

from __future__ import annotations

import torch
from torch import Tensor

from training.datasets import ClassSets


def own_logits(logits_BKHW: Tensor, class_sets: ClassSets | None) -> Tensor:
    """Logits [B, J, H, W] of a data set's J classes: of a set u the logarithm of the sum of exp
    over its members, so that its probability is the sum of theirs; of a single member its logit.

    None takes the classes of the network. The others of the network are left out: a softmax over
    what is returned is over the data set's classes alone (Liu et al., SegRGB-X, arXiv 2603.28023,
    remap of equation 6; the paper has one class of the network for each).
    """
    if class_sets is None:
        return logits_BKHW
    of_class = logits_BKHW.unbind(1)
    return torch.stack([
        of_class[ids[0]] if len(ids) == 1 else torch.stack([of_class[k] for k in ids]).logsumexp(0)
        for ids in class_sets.ids], 1)
