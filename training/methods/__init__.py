# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training methods. A new one is a file in this folder and a row in ``METHODS``."""

from __future__ import annotations

from training.methods.anyseg import AnySeg
from training.methods.base import Method, StudentNetwork, Terms, run_network
from training.methods.feedback import FeedbackLoop
from training.methods.fit import check_ability
from training.methods.robustseg import RobustSeg
from training.methods.supervised import Supervised

METHODS: dict[str, type[Method]] = {
    'supervised': Supervised,
    'anyseg': AnySeg,
    'robustseg': RobustSeg,
}

__all__ = ['METHODS', 'FeedbackLoop', 'Method', 'RobustSeg', 'StudentNetwork', 'Terms',
           'check_ability', 'run_network']
