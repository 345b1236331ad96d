# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""KITTI-360 (Liao et al., TPAMI 2022) with the derived sensors of CMNeXt.

    ROOT/{train,val}.txt      lines 'data_2d_raw/<seq>/image_00/data_rect/<frame>.png ...'
    ROOT/data_2d_raw/<seq>/image_00/data_rect/<frame>.png                RGB, 376 x 1408
    ROOT/data_2d_hha/<seq>/image_00/data_rect/<frame>.png                depth as HHA
    ROOT/data_2d_lidar/<seq>/image_00/data_rect/<frame>_color.png        colour map on white
    ROOT/data_2d_event/<seq>/<frame>_event_image.png                     rendered events
    ROOT/data_2d_semantics/train/<seq>/image_00/semantic/<frame>.png     KITTI-360 ids

Depth and events were synthesised by CMNeXt's authors from stereo and ESIM and are not released;
you must make them. White of a LiDAR image, its background, becomes 0, 'no return'. Ids become
Cityscapes' 19 classes, with garages as buildings, gates as fences and small poles as poles.
(49 004 / 12 276 frames, as remembered.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import ClassVar

import numpy as np

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.labels import UNLABELLED
from training.datasets.files import LabelTable, read_color, read_labels, read_list
from training.datasets.folder import Entry, FolderDataset
from training.datasets.frames import Image, UInt8

RGB_FOLDER = 'data_2d_raw'
NUM_IDS = 45
TRAIN_IDS: Mapping[int, int] = {
    7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12,
    26: 13, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18, 34: 2, 35: 4, 37: 5,
}
"""KITTI-360 id to Cityscapes' training id; the other ids to 44, and 255, are unlabelled."""
_LIST_PARTS = 5


class Kitti360Dataset(FolderDataset):
    """Frames in the order of the list."""

    LAYOUT: ClassVar[str] = 'kitti360'
    MODALITIES: ClassVar[tuple[str, ...]] = ('rgb', 'depth', 'lidar', 'event')
    SPLITS: ClassVar[tuple[str, ...]] = ('train', 'val')
    LABEL_SPACE: ClassVar[str] = 'cityscapes'
    FOLDERS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        'rgb': (RGB_FOLDER,), 'depth': ('data_2d_hha',), 'lidar': ('data_2d_lidar',),
        'event': ('data_2d_event',)}
    LABEL_FOLDER: ClassVar[str] = 'data_2d_semantics/train'
    LABELS: ClassVar[LabelTable] = LabelTable(
        {i: TRAIN_IDS.get(i, UNLABELLED) for i in (*range(NUM_IDS), UNLABELLED)})

    def _scan(self) -> Iterable[Entry]:
        self._require_folder('labels', self.LABEL_FOLDER)
        path = self.root / f'{self.split}.txt'
        for line in read_list(path):
            parts = PurePosixPath(line).parts
            if (len(parts) != _LIST_PARTS or parts[0] != RGB_FOLDER
                    or parts[2:4] != ('image_00', 'data_rect') or not line.endswith('.png')):
                raise ConfigError(f'{path} names {line!r}; allowed: {RGB_FOLDER}/<sequence>/'
                                  'image_00/data_rect/<frame>.png')
            frame = parts[4].removesuffix('.png')
            yield Entry(f'{parts[1]}/image_00/{frame}', f'{parts[1]}/{frame}')

    def _read_image(self, modality: str, entry: Entry) -> Image:
        sequence, frame = entry.stem.split('/')
        folder = self.root / self._folders[modality] / sequence
        if modality == 'event':
            return read_color(folder / f'{frame}_event_image.png')
        folder = folder / 'image_00' / 'data_rect'
        if modality == 'lidar':
            return black_background(read_color(folder / f'{frame}_color.png'))
        return read_color(folder / f'{frame}.png')

    def _read_labels(self, entry: Entry, size_hw: tuple[int, int]) -> UInt8:
        sequence, frame = entry.stem.split('/')
        folder = self.root / self.LABEL_FOLDER / sequence / 'image_00' / 'semantic'
        return read_labels(folder / f'{frame}.png', self.LABELS)


def black_background(image: UInt8) -> UInt8:
    """A copy in which white is black: nothing is 0 in the maps of every data set."""
    return np.where((image == 255).all(axis=2, keepdims=True), np.uint8(0), image)
