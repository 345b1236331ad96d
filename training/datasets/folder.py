# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the readers of public data sets have in common: arguments, filters, checks, description."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from anymodal_seg_ros import limits
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.existence import is_dir
from training.datasets.files import (
    IMAGE_SUFFIXES,
    LabelTable,
    UnreadableFrameError,
    first_file,
    read_color,
    read_labels,
)
from training.datasets.frames import NORMAL, Frame, Image, UInt8, first_shape
from training.settings import NoSettings, read_section, settings_of

ANY_CONDITION = 'any'
"""The condition of the frames of data sets that tell none."""


class Entry(NamedTuple):
    """A frame before it is read."""

    id: str
    """What ``Frame.id`` will be."""
    stem: str
    """What the reader finds its files by."""
    condition: str = ANY_CONDITION
    failure: str = NORMAL


class FolderDataset(ABC):
    """Frames of one split of a data set in a folder.

    A data set whose files lie as ``FOLDER/<stem>.png`` says so with its constants and lists its
    frames in ``_scan``; others say how they differ.

    Args:
        root: the data set's folder.
        split: one of ``SPLITS``.
        modalities: which to read; None reads all that ``modalities_of`` gives.
        conditions: keep frames of any of these; empty keeps all. 'fog' and 'night' both match
            the condition 'fog_night'.
        failures: keep frames with any of these, 'normal' among them; empty keeps all.
        options: of this data set, see ``OPTIONS``.

    Raises:
        ConfigError: a wrong argument, a missing folder, or no frame that passes the filters.
    """

    LAYOUT: ClassVar[str]
    MODALITIES: ClassVar[tuple[str, ...]]
    SPLITS: ClassVar[tuple[str, ...]] = ('train', 'val', 'test')
    LABEL_SPACE: ClassVar[str]
    FOLDERS: ClassVar[Mapping[str, tuple[str, ...]]]
    """Modality to the folders that may hold it; the first that exists is read."""
    LABEL_FOLDER: ClassVar[str]
    LABELS: ClassVar[LabelTable]
    CONDITIONS: ClassVar[tuple[str, ...]] = ()
    FAILURES: ClassVar[tuple[str, ...]] = ()
    OPTIONS: ClassVar[type[Any]] = NoSettings
    """The settings class of what such a data set alone can be told."""

    def __init__(
        self,
        root: str | Path,
        split: str,
        modalities: Sequence[str] | None = None,
        *,
        conditions: Sequence[str] = (),
        failures: Sequence[str] = (),
        options: Mapping[str, Any] | None = None,
    ) -> None:
        check_names('split', [split], self.SPLITS)
        check_names('modality', modalities or (), self.MODALITIES)
        check_names('condition', conditions, self.CONDITIONS)
        check_names('failure', failures, (NORMAL, *self.FAILURES))
        check_names(f'option of {self.LAYOUT}', options or (),
                    [item.name for item in settings_of(self.OPTIONS)])
        self.root = Path(root)
        self.split = split
        self.modalities = self.modalities_of(root) if modalities is None else tuple(modalities)
        if not self.modalities:
            raise ConfigError(f'no modality to read; allowed: {", ".join(self.MODALITIES)}')
        self.options = read_section(self.OPTIONS, 'data.options', options or {})
        if not is_dir(self.root):
            raise ConfigError(f'no folder {self.root}')
        self._folders = {name: self._find_folder(name) for name in self.modalities}
        self._entries = [
            entry for entry in self._scan()
            if (not conditions or _has_condition(entry, conditions))
            and (not failures or entry.failure in failures)
        ]
        if not self._entries:
            raise ConfigError(
                f'no {split!r} frames in {self.root} for conditions {list(conditions) or "all"} '
                f'and failures {list(failures) or "all"}')
        _check_unique(self._entries)

    @classmethod
    def modalities_of(cls, root: str | Path) -> tuple[str, ...]:
        """All, where a data set says no more: opening one whose folders are not complete says
        which one is missing."""
        return cls.MODALITIES

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Frame:
        """Reads a frame; raises UnreadableFrameError naming the file that is wrong."""
        entry = self._entries[index]
        images = self._of_one_size(entry, self._read_images(entry))
        labels = self._read_labels(entry, first_shape(images))
        self._check_size(entry, 'labels', labels.shape, first_shape(images))
        return Frame(id=entry.id, condition=entry.condition, failure=entry.failure,
                     images=images, labels=labels)

    def describe(self) -> dict[str, Any]:
        """Split, counts, and a hash of the frame list and manifest, as plain data."""
        manifest = self._manifest()
        digest = hashlib.sha256('\n'.join(entry.id for entry in self._entries).encode())
        digest.update(json.dumps(manifest, sort_keys=True).encode())
        return {
            'layout': self.LAYOUT,
            'split': self.split,
            'frames': len(self),
            'conditions': dict(Counter(entry.condition for entry in self._entries)),
            'failures': dict(Counter(entry.failure for entry in self._entries)),
            'label_space': self.LABEL_SPACE,
            'folders': dict(self._folders),
            'options': asdict(self.options),
            'sha256': digest.hexdigest(),
            'manifest': manifest,
        }

    def _choices(self, modality: str) -> tuple[str, ...]:
        """Folders below ``root`` that may hold a modality; the first that exists is read."""
        return self.FOLDERS[modality]

    @abstractmethod
    def _scan(self) -> Iterable[Entry]:
        """The frames of the split, in order."""

    def _read_image(self, modality: str, entry: Entry) -> Image:
        """[H, W, 3]; raises UnreadableFrameError."""
        stem = self.root / self._folders[modality] / entry.stem
        return read_color(first_file(stem, IMAGE_SUFFIXES))

    def _read_labels(self, entry: Entry, size_hw: tuple[int, int]) -> UInt8:
        """Class ids [H, W], 255 unlabelled; raises UnreadableFrameError."""
        return read_labels(self.root / self.LABEL_FOLDER / f'{entry.stem}.png', self.LABELS)

    def _read_images(self, entry: Entry) -> dict[str, Image]:
        return {name: self._read_image(name, entry) for name in self.modalities}

    def _manifest(self) -> dict[str, Any]:
        return {}

    def _find_folder(self, modality: str) -> str:
        return self._require_folder(modality, *self._choices(modality))

    def _require_folder(self, what: str, *choices: str) -> str:
        """The first of some folders that exists; raises ConfigError naming them."""
        for choice in choices:
            if is_dir(self.root / choice):
                return choice
        raise ConfigError(f'{self.root} has no folder {" or ".join(choices)} for {what}; it was '
                          f'read as data set {self.LAYOUT!r}')

    def _of_one_size(self, entry: Entry, images: dict[str, Image]) -> dict[str, Image]:
        for name, image in images.items():
            self._check_size(entry, name, image.shape[:2], first_shape(images))
        return images

    def _check_size(self, entry: Entry, what: str, found: tuple[int, ...],
                    wanted: tuple[int, int]) -> None:
        if found != wanted:
            raise UnreadableFrameError(f'{self.root}: {what} of {entry.id} is {found} but the '
                                       f'images are {wanted}')


def check_names(what: str, names: Iterable[str], allowed: Sequence[str]) -> None:
    """Raises ConfigError for the first name that is not allowed."""
    for name in names:
        limits.one_of(what, name, allowed)


def _has_condition(entry: Entry, conditions: Sequence[str]) -> bool:
    tokens = (entry.condition, *entry.condition.split('_'))
    return any(condition in tokens for condition in conditions)


def _check_unique(entries: Sequence[Entry]) -> None:
    if len({entry.id for entry in entries}) != len(entries):
        twice, _ = Counter(entry.id for entry in entries).most_common(1)[0]
        raise ConfigError(f'frame {twice} is there twice')
