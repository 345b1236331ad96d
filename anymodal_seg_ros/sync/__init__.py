# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Time-aligned sets of samples in which any sensor may be absent. Needs only the layers below."""

from anymodal_seg_ros.sync.sample_queue import SampleQueueStats
from anymodal_seg_ros.sync.sync_config import DEFAULT_INPUTS, SyncConfig, SyncInputConfig
from anymodal_seg_ros.sync.synchronizer import Synchronizer, SyncStats

__all__ = [
    'DEFAULT_INPUTS',
    'SampleQueueStats',
    'SyncConfig',
    'SyncInputConfig',
    'SyncStats',
    'Synchronizer',
]
