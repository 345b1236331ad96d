# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""UrbanLF, real and synthetic light fields (Sheng et al., UrbanLF, TCSVT 2022).

    ROOT/<split>/<scene>/<i>_<j>.png        9 x 9 views, i and j 1 to 9; 5_5 is the centre
    ROOT/<split>/<scene>/label.png          real (432 x 623): colours of the label space
    ROOT/<split>/<scene>/5_5_label.npy      synthetic (480 x 640): 1 to 14 are class 0 to 13;
                                            0 and 255 unlabelled

The camera image is the centre view and the light field one other view of it. A colour that is no
class is an error, or unlabelled where ``unmatched`` says so; never a class. Black is the class
'others'. Scenes without labels cannot be read. (Splits as remembered from the paper: real
580 / 80 / 164, synthetic 172 / 28 / 50.)
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.existence import is_file
from anymodal_seg_ros.labels import UNLABELLED, load_label_space
from training.datasets.files import LabelTable, UnreadableFrameError, read_array, read_color
from training.datasets.folder import Entry, FolderDataset
from training.datasets.frames import Image, UInt8
from training.settings import OneOf, check_settings

CENTRE = '5_5'
REAL_LABEL, SYNTHETIC_LABEL = 'label.png', '5_5_label.npy'
LABELS = LabelTable.from_one(14)
_VIEW = re.compile(r'[1-9]_[1-9]')


@dataclass(frozen=True, kw_only=True)
class UrbanlfOptions:
    """What UrbanLF alone can be told."""

    view: str = '1_1'
    """The view that is 'lightfield', 1_1 to 9_9 but the centre."""
    unmatched: Annotated[str, OneOf(('error', 'unlabelled'))] = 'error'
    """What a colour that is no class is: an 'error', or 'unlabelled'."""

    def __post_init__(self) -> None:
        check_settings('data.options', self)
        if not _VIEW.fullmatch(self.view) or self.view == CENTRE:
            raise ConfigError.of('data.options.view', self.view, f'1_1 to 9_9 but {CENTRE}')


class UrbanlfDataset(FolderDataset):
    """Scenes of one split, sorted by name."""

    LAYOUT: ClassVar[str] = 'urbanlf'
    MODALITIES: ClassVar[tuple[str, ...]] = ('rgb', 'lightfield')
    LABEL_SPACE: ClassVar[str] = 'urbanlf'
    OPTIONS: ClassVar[type[Any]] = UrbanlfOptions

    def _choices(self, modality: str) -> tuple[str, ...]:
        return (self.split,)

    def _scan(self) -> Iterable[Entry]:
        for path in sorted((self.root / self.split).glob(f'*/{CENTRE}.png')):
            scene = path.parent.name
            yield Entry(f'{self.split}/{scene}', f'{self.split}/{scene}')

    def _read_image(self, modality: str, entry: Entry) -> Image:
        view = CENTRE if modality == 'rgb' else self.options.view
        return read_color(self.root / entry.stem / f'{view}.png')

    def _read_labels(self, entry: Entry, size_hw: tuple[int, int]) -> UInt8:
        folder = self.root / entry.stem
        if is_file(folder / REAL_LABEL):
            return self._of_colors(folder / REAL_LABEL)
        if is_file(folder / SYNTHETIC_LABEL):
            return LABELS.decode(read_array(folder / SYNTHETIC_LABEL), folder / SYNTHETIC_LABEL)
        raise UnreadableFrameError(f'no file {REAL_LABEL} or {SYNTHETIC_LABEL} in {folder}')

    def _of_colors(self, path: Path) -> UInt8:
        pixels = read_color(path).astype(np.uint32)
        codes = pixels[:, :, 0] << 16 | pixels[:, :, 1] << 8 | pixels[:, :, 2]
        ids: UInt8 = _color_table()[codes]
        unmatched = ids == UNLABELLED
        if unmatched.any() and self.options.unmatched == 'error':
            color = tuple(int(v) for v in pixels[unmatched][0])
            raise UnreadableFrameError(f'{path} has colour {color} at {int(unmatched.sum())} '
                                       "pixels, which is no class; the option unmatched: "
                                       'unlabelled leaves them out')
        return ids


@lru_cache(maxsize=1)
def _color_table() -> UInt8:
    """uint8 [2^24]: class id of each colour, ``UNLABELLED`` for all others."""
    table = np.full(1 << 24, UNLABELLED, np.uint8)
    for class_id, (red, green, blue) in enumerate(load_label_space('urbanlf').colors):
        table[red << 16 | green << 8 | blue] = class_id
    return table
