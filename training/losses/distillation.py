# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The losses of a student against a teacher."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from training.losses.cross_modal_kd import cross_modal_kd
from training.losses.ifv import ifv_kd
from training.losses.logit_kd import logit_kd
from training.losses.prototype_kd import prototype_kd
from training.losses.unimodal_kd import unimodal_kd

DISTILLATION: Mapping[str, Callable[..., Tensor]] = {
    'kd': logit_kd,
    'umd': unimodal_kd,
    'cmd': cross_modal_kd,
    'cp': prototype_kd,
    'ifv': ifv_kd,
}
"""Each gives an unweighted float32 scalar, computed in float32 also under autocast, and sends no
gradient to the teacher."""
