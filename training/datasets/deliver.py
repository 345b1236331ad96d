# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""DELIVER's folder layout, for the released data set and for simulated streets alike.

``ROOT/<folder>/<condition>/<split>/<scene>/<frame>_<suffix>_front.png``; a sensor failure is a
token of the scene's name. (Zhang et al., Delivering Arbitrary-Modal Segmentation, CVPR 2023.)

Front view, 1042 x 1042, 3983 / 2005 / 1897 frames. Depth is 8-bit grey without a published law
(``depth``) or HHA (``hha``); LiDAR is projected points in grey; events are 0 or 255 in red and
blue, one polarity each, smaller in the failure 'eventlowres'. Labels: the red channel, 1 to 25 are
class 0 to 24.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from anymodal_seg_ros.documents import read_json
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.existence import is_dir, is_file
from training.datasets.files import LabelTable, UnreadableFrameError, read_color, read_labels
from training.datasets.folder import Entry, FolderDataset
from training.datasets.frames import NORMAL, Image, UInt8, resize_image
from training.settings import OneOf, check_settings

SENSORS = ('rgb', 'depth', 'lidar', 'event')
"""Of every such data set; streets may have been simulated with more."""
MANIFEST = 'dataset.json'
MAX_MANIFEST_BYTES = 16 << 20


@dataclass(frozen=True, kw_only=True)
class DeliverOptions:
    """What DELIVER alone can be told."""

    depth_folder: Annotated[str, OneOf(('auto', 'hha', 'depth'))] = 'auto'
    """Which depth is read; 'auto' is hha where it exists, else depth."""
    allow_missing: bool = False
    """A modality without a file is absent instead of an error."""

    def __post_init__(self) -> None:
        check_settings('data.options', self)


class DeliverDataset(FolderDataset):
    """Frames of one split, sorted by condition, scene and frame. Arguments as of FolderDataset."""

    LAYOUT: ClassVar[str] = 'deliver'
    MODALITIES: ClassVar[tuple[str, ...]] = (*SENSORS, 'thermal')
    LABEL_SPACE: ClassVar[str] = 'deliver'
    FOLDERS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        'rgb': ('img',), 'depth': ('hha', 'depth'), 'lidar': ('lidar',), 'event': ('event',),
        'thermal': ('thermal',)}
    LABEL_FOLDER: ClassVar[str] = 'semantic'
    LABELS: ClassVar[LabelTable] = LabelTable.from_one(25)
    CONDITIONS: ClassVar[tuple[str, ...]] = ('cloud', 'fog', 'night', 'rain', 'sun')
    FAILURES: ClassVar[tuple[str, ...]] = ('motionblur', 'overexposure', 'underexposure',
                                           'lidarjitter', 'eventlowres')
    OPTIONS: ClassVar[type[Any]] = DeliverOptions

    @classmethod
    def modalities_of(cls, root: str | Path) -> tuple[str, ...]:
        """DELIVER's, and those that have a folder beside them."""
        return tuple(name for name in cls.MODALITIES if name in SENSORS or any(
            is_dir(Path(root) / folder) for folder in cls.FOLDERS[name]))

    def describe(self) -> dict[str, Any]:
        """As of every data set, and the number of scenes."""
        scenes = {entry.stem.split('/')[2] for entry in self._entries}
        return {**super().describe(), 'scenes': len(scenes)}

    def _choices(self, modality: str) -> tuple[str, ...]:
        wanted = self.options.depth_folder
        if modality == 'depth' and wanted != 'auto':
            return (wanted,)
        return super()._choices(modality)

    def _find_folder(self, modality: str) -> str:
        if self.options.allow_missing:
            choices = self._choices(modality)
            return next((c for c in choices if is_dir(self.root / c)), choices[0])
        return super()._find_folder(modality)

    def _scan(self) -> Iterable[Entry]:
        ending = '_semantic_front.png'
        base = self.root / self._require_folder('labels', self.LABEL_FOLDER)
        found = []
        for path in base.glob(f'*/{self.split}/*/*{ending}'):
            condition, _, scene, name = path.relative_to(base).parts
            found.append((condition, scene, name.removesuffix(ending)))
        for condition, scene, frame in sorted(found):
            tokens = scene.lower().split('_')
            failure = next((f for f in self.FAILURES if f in tokens), NORMAL)
            stem = f'{condition}/{self.split}/{scene}/{frame}'
            yield Entry(stem, stem, condition, failure)

    def _path(self, folder: str, suffix: str, entry: Entry) -> Path:
        return self.root / folder / f'{entry.stem}_{suffix}_front.png'

    def _image_path(self, modality: str, entry: Entry) -> Path:
        return self._path(self._folders[modality], modality, entry)

    def _read_images(self, entry: Entry) -> dict[str, Image]:
        images = {
            name: self._read_image(name, entry) for name in self.modalities
            if not self.options.allow_missing or is_file(self._image_path(name, entry))
        }
        if not images:
            raise UnreadableFrameError(f'no modality of frame {entry.id} is in {self.root}')
        return images

    def _read_image(self, modality: str, entry: Entry) -> UInt8:
        return read_color(self._image_path(modality, entry))

    def _read_labels(self, entry: Entry, size_hw: tuple[int, int]) -> UInt8:
        return read_labels(self._path(self.LABEL_FOLDER, 'semantic', entry), self.LABELS)

    def _of_one_size(self, entry: Entry, images: dict[str, Image]) -> dict[str, Image]:
        """Event images may be smaller: they get the size of the others, else of the labels."""
        reference = next((name for name in images if name != 'event'), None)
        size_hw = (images[reference] if reference else self._read_labels(entry, (0, 0))).shape[:2]
        for name, image in images.items():
            if image.shape[:2] != size_hw and name != 'event':
                raise UnreadableFrameError(
                    f'{self._image_path(name, entry)} is {image.shape[:2]} but {reference} is '
                    f'{size_hw}; only event images may differ in size')
        return {name: resize_image(image, name, (size_hw[0], size_hw[1]))
                for name, image in images.items()}

    def _manifest(self) -> dict[str, Any]:
        """The data set's own description ``dataset.json``; empty where there is none."""
        path = self.root / MANIFEST
        if not is_file(path):
            return {}
        manifest = read_json(path, MAX_MANIFEST_BYTES)
        if not isinstance(manifest, dict):
            raise ConfigError(f'{path} must hold a table, not {type(manifest).__name__}')
        return manifest
