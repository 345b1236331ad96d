# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets. A new one is a file in this folder and a row in ``DATASETS``."""

from __future__ import annotations

from collections.abc import Mapping

from training.datasets.class_sets import ClassSets
from training.datasets.deliver import DeliverDataset
from training.datasets.frames import (
    DatasetType,
    Frame,
    FrameCache,
    Frames,
    FrameSource,
    resize_frame,
)
from training.datasets.joined import JoinedFrames
from training.datasets.kitti360 import Kitti360Dataset
from training.datasets.mcubes import McubesDataset
from training.datasets.mfnet import MfnetDataset
from training.datasets.muses import MusesDataset
from training.datasets.nyuv2 import Nyuv2Dataset
from training.datasets.part import hold_out, spread
from training.datasets.recorded import RecordedDataset
from training.datasets.remap import (
    Labelling,
    LabelMap,
    RemappedFrames,
    load_label_map,
    own_label_space,
    with_label_map,
)
from training.datasets.unreadable import UNREADABLE_POLICIES, ReadableFrames, with_policy
from training.datasets.urbanlf import UrbanlfDataset
from training.datasets.zju_rgbp import ZjuRgbpDataset

DATASETS: Mapping[str, DatasetType] = {
    'deliver': DeliverDataset,
    'muses': MusesDataset,
    'mcubes': McubesDataset,
    'mfnet': MfnetDataset,
    'nyuv2': Nyuv2Dataset,
    'zju_rgbp': ZjuRgbpDataset,
    'urbanlf': UrbanlfDataset,
    'kitti360': Kitti360Dataset,
    'recorded': RecordedDataset,
}

__all__ = ['DATASETS', 'UNREADABLE_POLICIES', 'ClassSets', 'DatasetType', 'DeliverDataset',
           'Frame', 'FrameCache', 'FrameSource', 'Frames', 'JoinedFrames', 'LabelMap',
           'Labelling', 'ReadableFrames', 'RemappedFrames', 'hold_out', 'load_label_map',
           'own_label_space', 'resize_frame', 'spread', 'with_label_map', 'with_policy']
