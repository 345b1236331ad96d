# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Time-aligned sets of samples in which any sensor may be absent. Needs only the layers below."""

from anymodal_seg_ros.sync.config import DEFAULT_INPUTS, InputConfig, SyncConfig
from anymodal_seg_ros.sync.input_queue import InputStats
from anymodal_seg_ros.sync.synchronizer import Synchronizer, SyncStats

__all__ = [
    'DEFAULT_INPUTS',
    'InputConfig',
    'InputStats',
    'SyncConfig',
    'SyncStats',
    'Synchronizer',
]
