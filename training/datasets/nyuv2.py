# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""NYU Depth V2 (Silberman et al., ECCV 2012), as prepared for CMX and CMNeXt.

    ROOT/RGB/<name>.{jpg,png}    480 x 640
    ROOT/HHA/<name>.{jpg,png}    depth as HHA (a JPEG of it is lossy)
    ROOT/Depth/<name>.png        or: 8-bit depth, grey
    ROOT/Label/<name>.png        1 to 40 are class 0 to 39; 0 and 255 unlabelled
    ROOT/{train,test}.txt        names, or RGB/<name>.jpg; 795 and 654

ATTENTION: there is no validation list; what published code calls 'val' is test.txt, which is
'test' here. 'val' reads ROOT/val.txt, where you made one from frames of train.txt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.existence import is_file
from training.datasets.files import LabelTable, name_of_image, read_list
from training.datasets.folder import Entry, FolderDataset
from training.settings import OneOf, check_settings

DEPTH_FOLDERS = {'hha': 'HHA', 'depth': 'Depth'}


@dataclass(frozen=True, kw_only=True)
class Nyuv2Options:
    """What NYUv2 alone can be told."""

    depth_folder: Annotated[str, OneOf(('auto', *DEPTH_FOLDERS))] = 'auto'
    """Which depth is read; 'auto' is HHA where it exists, else Depth."""

    def __post_init__(self) -> None:
        check_settings('data.options', self)


class Nyuv2Dataset(FolderDataset):
    """Frames in the order of the list."""

    LAYOUT: ClassVar[str] = 'nyuv2'
    MODALITIES: ClassVar[tuple[str, ...]] = ('rgb', 'depth')
    LABEL_SPACE: ClassVar[str] = 'nyuv2'
    FOLDERS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        'rgb': ('RGB',), 'depth': tuple(DEPTH_FOLDERS.values())}
    LABEL_FOLDER: ClassVar[str] = 'Label'
    LABELS: ClassVar[LabelTable] = LabelTable.from_one(40)
    OPTIONS: ClassVar[type[Any]] = Nyuv2Options

    def _choices(self, modality: str) -> tuple[str, ...]:
        wanted = self.options.depth_folder
        if modality == 'depth' and wanted != 'auto':
            return (DEPTH_FOLDERS[wanted],)
        return super()._choices(modality)

    def _scan(self) -> Iterable[Entry]:
        self._require_folder('labels', self.LABEL_FOLDER)
        path = self.root / f'{self.split}.txt'
        if self.split == 'val' and not is_file(path):
            raise ConfigError(f'no list of the split: {path}; NYUv2 has none for val. Score on '
                              "'test' (in a recipe data.score_split), or list frames of "
                              'train.txt there')
        for name in read_list(path, name_of_image('RGB', *DEPTH_FOLDERS.values())):
            yield Entry(name, name)
