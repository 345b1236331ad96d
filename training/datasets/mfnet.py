# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MFNet's RGB-thermal streets (Ha et al., MFNet, IROS 2017), as released or split into sensors.

    ROOT/images/<name>.png            four channels: red, green, blue, thermal; 480 x 640
    ROOT/{rgb,img}/<name>.{jpg,png}   or: colour (as CMNeXt and StitchFusion have it),
    ROOT/ther/<name>.{jpg,png}        and thermal; a JPEG is lossy
    ROOT/labels/<name>.png            0 to 8; 0 is the class 'unlabeled' and is scored
    ROOT/{train,val,test}.txt         names, or rgb/<name>.jpg

Names end in D (day) or N (night): the condition. 784 / 392 / 393 frames. Copies with '_flip' in a
list are passed over; training mirrors frames by itself.

ATTENTION: 'val' is the val list and 'test' the test list. Published code often reads the test
list for 'val'.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

import numpy as np

from training.datasets.files import (
    LabelTable,
    UnreadableFrameError,
    name_of_image,
    read_list,
    read_pixels,
    red_first,
)
from training.datasets.folder import ANY_CONDITION, Entry, FolderDataset
from training.datasets.frames import Image

PACKED_FOLDER = 'images'
TIMES = {'D': 'day', 'N': 'night'}


class MfnetDataset(FolderDataset):
    """Frames in the order of the list. 'val' is the val list, 'test' the test list."""

    LAYOUT: ClassVar[str] = 'mfnet'
    MODALITIES: ClassVar[tuple[str, ...]] = ('rgb', 'thermal')
    LABEL_SPACE: ClassVar[str] = 'mfnet'
    FOLDERS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        'rgb': (PACKED_FOLDER, 'rgb', 'img'), 'thermal': (PACKED_FOLDER, 'ther')}
    LABEL_FOLDER: ClassVar[str] = 'labels'
    LABELS: ClassVar[LabelTable] = LabelTable.plain(9)
    CONDITIONS: ClassVar[tuple[str, ...]] = tuple(TIMES.values())

    def _scan(self) -> Iterable[Entry]:
        self._require_folder('labels', self.LABEL_FOLDER)
        name_of = name_of_image(*self.FOLDERS['rgb'], *self.FOLDERS['thermal'])
        for name in read_list(self.root / f'{self.split}.txt', name_of):
            if 'flip' not in name:
                yield Entry(name, name, TIMES.get(name[-1], ANY_CONDITION))

    def _read_images(self, entry: Entry) -> dict[str, Image]:
        if PACKED_FOLDER not in self._folders.values():
            return super()._read_images(entry)
        path = self.root / PACKED_FOLDER / f'{entry.stem}.png'
        pixels = read_pixels(path)
        if pixels.ndim != 3 or pixels.shape[2] != 4 or pixels.dtype != np.uint8:
            raise UnreadableFrameError(f'{path} has shape {pixels.shape} of {pixels.dtype}; '
                                       'allowed: four channels of uint8 (RGB and thermal)')
        images: dict[str, Image] = {'rgb': red_first(pixels),
                                    'thermal': red_first(pixels[:, :, 3])}
        return {name: images[name] for name in self.modalities}
