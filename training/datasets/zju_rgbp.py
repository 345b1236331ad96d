# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ZJU-RGB-P (Xiang et al., Polarization-driven Semantic Segmentation, Optics Express 2021).

    ROOT/<split>/{0,45,90,135}/<name>_<angle>.png   RGB behind a polariser, 1024 x 1224 (h x w)
    ROOT/<split>/<split>_label/<name>.png           1 to 8 are class 0 to 7; 0 and 255 unlabelled

'train' and 'val' hold 344 and 50 frames. The camera image is the mean of the four; AoLP and DoLP
are worked out from their grey values, see ``polarization``.

Image size, number of frames and the order of the classes are as remembered from the paper, and
were not checked against the files; check the class names on one frame before printing scores.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from training.datasets.files import LabelTable, UnreadableFrameError, read_color, read_labels
from training.datasets.folder import Entry, FolderDataset
from training.datasets.frames import Image, UInt8
from training.datasets.polarization import encode_aolp, encode_dolp, polarization_of

ANGLES = (0, 45, 90, 135)
LABELS = LabelTable.from_one(8)


class ZjuRgbpDataset(FolderDataset):
    """Frames of one split, sorted by name."""

    LAYOUT: ClassVar[str] = 'zju_rgbp'
    MODALITIES: ClassVar[tuple[str, ...]] = ('rgb', 'aolp', 'dolp')
    SPLITS: ClassVar[tuple[str, ...]] = ('train', 'val')
    LABEL_SPACE: ClassVar[str] = 'zju_rgbp'

    def _choices(self, modality: str) -> tuple[str, ...]:
        return (self.split,)

    def _scan(self) -> Iterable[Entry]:
        for angle in ANGLES:
            self._require_folder(f'polariser angle {angle}', f'{self.split}/{angle}')
        self._require_folder('labels', self._label_folder)
        for path in sorted((self.root / self.split / '0').glob('*_0.png')):
            name = path.name.removesuffix('_0.png')
            yield Entry(f'{self.split}/{name}', name)

    @property
    def _label_folder(self) -> str:
        return f'{self.split}/{self.split}_label'

    def _read_images(self, entry: Entry) -> dict[str, Image]:
        colors = [self._read_angle(angle, entry) for angle in ANGLES]
        if len({color.shape for color in colors}) > 1:
            raise UnreadableFrameError(f'{self.root}: the four angles of {entry.id} are '
                                       f'{[color.shape[:2] for color in colors]}; allowed: one '
                                       'size')
        i0, i45, i90, i135 = (color.mean(axis=2, dtype=np.float32) for color in colors)
        sine, cosine, degree = polarization_of((i0, i45, i90, i135))
        mean: npt.NDArray[np.float32] = np.mean(colors, axis=0, dtype=np.float32)
        images: dict[str, Image] = {
            'rgb': mean, 'aolp': encode_aolp(sine, cosine), 'dolp': encode_dolp(degree)}
        return {name: images[name] for name in self.modalities}

    def _read_angle(self, angle: int, entry: Entry) -> UInt8:
        return read_color(self.root / self.split / str(angle) / f'{entry.stem}_{angle}.png')

    def _read_labels(self, entry: Entry, size_hw: tuple[int, int]) -> UInt8:
        return read_labels(self.root / self._label_folder / f'{entry.stem}.png', LABELS)
