# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MCubeS (Liang et al., Multimodal Material Segmentation, CVPR 2022).

    ROOT/polL_color/<name>.png                        RGB, 8 or 16 bit, 1024 x 1224 (h x w)
    ROOT/polL_aolp_sin/<name>.npy, polL_aolp_cos/...  sine and cosine of AoLP
    ROOT/polL_dolp/<name>.npy                         DoLP
    ROOT/NIR_warped/<name>.png                        near infrared, 8 or 16 bit
    ROOT/GT/<name>.png                                20 materials, 255 unlabelled
    ROOT/list_folder/{train,val,test}.txt             names

The left 192 columns have no near infrared and are cut off. AoLP is (sine, cosine, sine) and DoLP
and NIR are repeated, all as in ``polarization``; 16-bit images are float32 with 65535 as 255.

ATTENTION: 'val' is the val list and 'test' the test list. The published numbers of the CMNeXt
family call the TEST list 'val': to compare with them, score on 'test'. (302 / 96 / 102 frames, as
remembered from the paper.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from training.datasets.files import (
    LabelTable,
    UnreadableFrameError,
    read_array,
    read_deep_color,
    read_list,
)
from training.datasets.folder import Entry, FolderDataset
from training.datasets.frames import Image, UInt8
from training.datasets.polarization import encode_aolp, encode_dolp

LEFT_MARGIN_PX = 192
COSINE_FOLDER = 'polL_aolp_cos'


class McubesDataset(FolderDataset):
    """Frames in the order of the list. 'val' is the val list, 'test' the test list."""

    LAYOUT: ClassVar[str] = 'mcubes'
    MODALITIES: ClassVar[tuple[str, ...]] = ('rgb', 'aolp', 'dolp', 'nir')
    LABEL_SPACE: ClassVar[str] = 'mcubes'
    FOLDERS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        'rgb': ('polL_color',), 'aolp': ('polL_aolp_sin',), 'dolp': ('polL_dolp',),
        'nir': ('NIR_warped',)}
    LABEL_FOLDER: ClassVar[str] = 'GT'
    LABELS: ClassVar[LabelTable] = LabelTable.plain(20)

    def _scan(self) -> Iterable[Entry]:
        self._require_folder('labels', self.LABEL_FOLDER)
        if 'aolp' in self.modalities:
            self._require_folder('aolp', COSINE_FOLDER)
        for name in read_list(self.root / 'list_folder' / f'{self.split}.txt'):
            yield Entry(name, name)

    def _read_image(self, modality: str, entry: Entry) -> Image:
        folder = self._folders[modality]
        if modality == 'aolp':
            return encode_aolp(self._read_plane(folder, entry),
                               self._read_plane(COSINE_FOLDER, entry))
        if modality == 'dolp':
            return encode_dolp(self._read_plane(folder, entry))
        image = read_deep_color(self.root / folder / f'{entry.stem}.png')
        return np.ascontiguousarray(image[:, LEFT_MARGIN_PX:])

    def _read_plane(self, folder: str, entry: Entry) -> npt.NDArray[np.float32]:
        path = self.root / folder / f'{entry.stem}.npy'
        plane = read_array(path)
        if plane.ndim != 2 or plane.dtype.kind != 'f':
            raise UnreadableFrameError(f'{path} has shape {plane.shape} of {plane.dtype}; '
                                       'allowed: (height, width) of floats')
        return plane[:, LEFT_MARGIN_PX:].astype(np.float32)

    def _read_labels(self, entry: Entry, size_hw: tuple[int, int]) -> UInt8:
        return np.ascontiguousarray(super()._read_labels(entry, size_hw)[:, LEFT_MARGIN_PX:])
