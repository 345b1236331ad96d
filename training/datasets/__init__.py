# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets. A new one is a file in this folder and a row in ``DATASETS``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from training.datasets.deliver import DeliverDataset
from training.datasets.frames import Frame, FrameCache, FrameSource, first_size, resize_frame

DATASETS: Mapping[str, Callable[..., FrameSource]] = {'deliver': DeliverDataset}

__all__ = ['DATASETS', 'DeliverDataset', 'Frame', 'FrameCache', 'FrameSource', 'first_size',
           'resize_frame']
