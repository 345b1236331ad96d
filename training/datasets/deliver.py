# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""DELIVER's folder layout, for the released data set and for simulated streets alike.

``ROOT/<folder>/<condition>/<split>/<scene>/<frame>_<suffix>_front.png``; a sensor failure is a
token of the scene's name. (Zhang et al., Delivering Arbitrary-Modal Segmentation, CVPR 2023.)
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from anymodal_seg_ros.errors import ConfigError
from training.datasets.frames import Frame, UInt8, resize_image

CONDITIONS = ('cloud', 'fog', 'night', 'rain', 'sun')
FAILURES = ('motionblur', 'overexposure', 'underexposure', 'lidarjitter', 'eventlowres')
NORMAL = 'normal'
FOLDERS = {
    'rgb': (('img', 'rgb'),),
    'depth': (('hha', 'depth'), ('depth', 'depth')),
    'lidar': (('lidar', 'lidar'),),
    'event': (('event', 'event'),),
}
"""Modality to its possible (folder, file name suffix); the first folder that exists is read."""
LABEL_FOLDER = ('semantic', 'semantic')
MANIFEST = 'dataset.json'
MAX_STORED_LABEL = 25


class _Entry(NamedTuple):
    condition: str
    scene: str
    frame: str
    failure: str


class DeliverDataset:
    """Frames of one split, sorted by condition, scene and frame.

    Args:
        root: the data set's folder.
        split: 'train', 'val' or 'test'.
        modalities: which to read.
        conditions: keep only these; empty keeps all.
        failures: keep only these, 'normal' among them; empty keeps all.
        depth_folder: 'auto' (hha where it exists, else depth), 'hha' or 'depth'.
        allow_missing: a modality without a file is absent instead of an error.

    Raises:
        ConfigError: no such folder, an unknown filter, or no frame that passes the filters.
    """

    def __init__(
        self,
        root: str | Path,
        split: str,
        modalities: Sequence[str] = tuple(FOLDERS),
        *,
        conditions: Sequence[str] = (),
        failures: Sequence[str] = (),
        depth_folder: str = 'auto',
        allow_missing: bool = False,
    ) -> None:
        _check_names('condition', conditions, CONDITIONS)
        _check_names('failure', failures, (NORMAL, *FAILURES))
        _check_names('modality', modalities, tuple(FOLDERS))
        _check_names('depth_folder', [depth_folder], ('auto', 'hha', 'depth'))
        self.root = Path(root)
        self.split = split
        self.modalities = tuple(modalities)
        self.allow_missing = allow_missing
        self._folders = {name: self._folder(name, depth_folder) for name in self.modalities}
        self._entries = [
            entry for entry in self._scan()
            if (not conditions or entry.condition in conditions)
            and (not failures or entry.failure in failures)
        ]
        if not self._entries:
            raise ConfigError(
                f'no {split!r} frames in {self.root} for conditions {list(conditions) or "all"} '
                f'and failures {list(failures) or "all"}')

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Frame:
        """Reads a frame; raises ConfigError naming the file that is missing or wrong."""
        entry = self._entries[index]
        images = {}
        for name in self.modalities:
            path = self._path(self._folders[name], entry)
            if self.allow_missing and not path.is_file():
                continue
            images[name] = _read_image(path)
        if not images:
            raise ConfigError(f'no modality of frame {self._id(entry)} is in {self.root}')
        images = self._of_one_size(entry, images)
        return Frame(id=self._id(entry), condition=entry.condition, failure=entry.failure,
                     images=images, labels=_read_labels(self._path(LABEL_FOLDER, entry)))

    def describe(self) -> dict[str, Any]:
        """Split, counts and a hash of the frame list and manifest, as plain data."""
        digest = hashlib.sha256('\n'.join(map(self._id, self._entries)).encode())
        manifest = read_manifest(self.root)
        digest.update(json.dumps(manifest, sort_keys=True).encode())
        return {
            'layout': 'deliver',
            'split': self.split,
            'frames': len(self),
            'conditions': dict(Counter(entry.condition for entry in self._entries)),
            'failures': dict(Counter(entry.failure for entry in self._entries)),
            'scenes': len({entry.scene for entry in self._entries}),
            'folders': {name: folder for name, (folder, _) in self._folders.items()},
            'sha256': digest.hexdigest(),
            'manifest': manifest,
        }

    def _folder(self, modality: str, depth_folder: str) -> tuple[str, str]:
        choices = FOLDERS[modality]
        if modality == 'depth' and depth_folder != 'auto':
            choices = tuple(choice for choice in choices if choice[0] == depth_folder)
        for choice in choices:
            if (self.root / choice[0]).is_dir():
                return choice
        if self.allow_missing:
            return choices[0]
        raise ConfigError(f'{self.root} has no folder {" or ".join(c[0] for c in choices)} '
                          f'for {modality}')

    def _scan(self) -> list[_Entry]:
        folder, suffix = LABEL_FOLDER
        ending = f'_{suffix}_front.png'
        if not (self.root / folder).is_dir():
            raise ConfigError(f'{self.root} is not in DELIVER layout: no folder {folder!r}')
        entries = []
        for path in (self.root / folder).glob(f'*/{self.split}/*/*{ending}'):
            condition, _, scene, name = path.relative_to(self.root / folder).parts
            tokens = scene.lower().split('_')
            failure = next((f for f in FAILURES if f in tokens), NORMAL)
            entries.append(_Entry(condition, scene, name.removesuffix(ending), failure))
        return sorted(entries)

    def _path(self, folder: tuple[str, str], entry: _Entry) -> Path:
        return (self.root / folder[0] / entry.condition / self.split / entry.scene
                / f'{entry.frame}_{folder[1]}_front.png')

    def _id(self, entry: _Entry) -> str:
        return f'{entry.condition}/{self.split}/{entry.scene}/{entry.frame}'

    def _of_one_size(self, entry: _Entry, images: dict[str, UInt8]) -> dict[str, UInt8]:
        """Event images may be smaller and are brought to the size of the others."""
        reference = next((name for name in images if name != 'event'), 'event')
        size_hw = images[reference].shape[:2]
        for name, image in images.items():
            if image.shape[:2] != size_hw and name != 'event':
                raise ConfigError(
                    f'{self._path(self._folders[name], entry)} is {image.shape[:2]} but '
                    f'{reference} is {size_hw}; only event images may differ in size')
        return {name: resize_image(image, name, size_hw) for name, image in images.items()}


def read_manifest(root: Path) -> dict[str, Any]:
    """The data set's own description ``dataset.json``; empty where there is none."""
    path = root / MANIFEST
    if not path.is_file():
        return {}
    try:
        manifest = json.loads(path.read_text(encoding='utf-8'))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f'{path} is not JSON: {error}') from None
    if not isinstance(manifest, dict):
        raise ConfigError(f'{path} must hold a table, not {type(manifest).__name__}')
    return manifest


def _check_names(what: str, names: Sequence[str], allowed: Sequence[str]) -> None:
    for name in names:
        if name not in allowed:
            raise ConfigError(f'unknown {what} {name!r}; allowed: {", ".join(allowed)}')


def _read_png(path: Path, flags: int) -> UInt8:
    if not path.is_file():
        raise ConfigError(f'no file {path}')
    image = cv2.imdecode(np.fromfile(path, np.uint8), flags)
    if image is None:
        raise ConfigError(f'{path} is not a readable image')
    if image.dtype != np.uint8:
        raise ConfigError(f'{path} has {image.dtype} values; allowed: uint8')
    return np.asarray(image, np.uint8)


def _read_image(path: Path) -> UInt8:
    image = _read_png(path, cv2.IMREAD_UNCHANGED)
    if image.ndim == 2:
        return np.repeat(image[:, :, None], 3, axis=2)
    return np.ascontiguousarray(image[:, :, 2::-1])


def _read_labels(path: Path) -> UInt8:
    """Stored 0 and 255 are unlabelled, 1 to 25 are class 0 to 24; the red channel holds them."""
    stored = _read_png(path, cv2.IMREAD_UNCHANGED)
    if stored.ndim == 3:
        stored = stored[:, :, 2]
    is_class = (stored >= 1) & (stored <= MAX_STORED_LABEL)
    if not (is_class | (stored == 0) | (stored == 255)).all():
        raise ConfigError(f'{path} holds labels up to {stored[stored != 255].max()}; '
                          f'allowed: 0 to {MAX_STORED_LABEL} and 255')
    return np.where(is_class, stored - 1, 255).astype(np.uint8)
