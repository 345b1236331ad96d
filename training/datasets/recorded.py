# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A vehicle's own recordings, as ``extract_bag`` writes them.

``ROOT/dataset.json`` names the recordings, their splits, the label space and the encoders;
``ROOT/<recording>/frames.jsonl`` has a line for each frame, ``ROOT/<recording>/<modality>/
<frame>.png`` an encoded image and ``ROOT/<recording>/label/<frame>.png`` class ids, 255
unlabelled. A sensor that was not in a frame has no file there.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from anymodal_seg_ros.documents import parse_json, read_json
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.existence import is_file
from anymodal_seg_ros.labels import UNLABELLED, LabelSpace
from anymodal_seg_ros.modalities import MODALITIES
from training.datasets.files import (
    LabelTable,
    UnreadableFrameError,
    is_inside,
    read_color,
    read_labels,
)
from training.datasets.folder import check_names
from training.datasets.frames import NORMAL, Frame, UInt8
from training.settings import NoSettings

DATASET_FILE = 'dataset.json'
MAX_DATASET_BYTES = 64 << 20
FRAMES_FILE = 'frames.jsonl'
LABEL_FOLDER = 'label'
LAYOUT = 'recorded'
RECORDING = 'recording'
"""The condition of a recording's frames that were given no other one."""
FORMAT_VERSION = 1


class _Entry(NamedTuple):
    id: str
    condition: str
    images: tuple[str, ...]
    """Those of the wanted modalities that are there."""
    failure: str
    labelled: bool


class RecordedDataset:
    """Frames of the recordings of one split, in order of recording and time.

    A frame's failure is 'normal' where it has all wanted modalities, else 'no_' and the missing
    ones ('no_lidar_event'). A frame with none of them is left out.

    Args:
        root: what ``extract_bag`` wrote.
        split: 'train', 'val' or 'test', as each recording was assigned.
        modalities: which to read; None reads all that were extracted.
        conditions: keep only recordings with these tags; empty keeps all.
        failures: keep only frames with these, 'normal' among them; empty keeps all.
        options: none are known.

    Raises:
        ConfigError: no such data set, an unknown modality, condition or option, or no frame that
            passes the filters.
    """

    MODALITIES: ClassVar[tuple[str, ...]] = tuple(MODALITIES)
    SPLITS: ClassVar[tuple[str, ...]] = ('train', 'val', 'test')
    LABEL_SPACE: ClassVar[str] = 'deliver'
    """Unless the recordings were extracted with another one; ``describe`` says which."""
    OPTIONS: ClassVar[type[Any]] = NoSettings

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
        self.root = Path(root)
        self.split = split
        check_names(f'option of {LAYOUT}', options or (), ())
        check_names('split', [split], self.SPLITS)
        self.manifest = read_dataset(self.root)
        self._label_table = LabelTable.plain(len(self.manifest['label_space']['classes']))
        extracted = tuple(self.manifest['modalities'])
        check_names('modality', modalities or (), extracted)
        self.modalities = extracted if modalities is None else tuple(modalities)
        if not self.modalities:
            raise ConfigError(f'no modality to read; allowed: {", ".join(extracted)}')
        recordings = self.manifest['recordings']
        check_names('condition', conditions,
                    sorted({str(recording['condition']) for recording in recordings.values()}))
        self._entries = [
            entry for name, recording in sorted(recordings.items())
            if recording['split'] == split
            and (not conditions or recording['condition'] in conditions)
            for entry in (self._entry(line, recording['condition'])
                          for line in read_frames(self.root, name))
            if entry.images and (not failures or entry.failure in failures)
        ]
        if not self._entries:
            raise ConfigError(
                f'no {split!r} frames in {self.root} for conditions {list(conditions) or "all"} '
                f'and failures {list(failures) or "all"}')

    @classmethod
    def modalities_of(cls, root: str | Path) -> tuple[str, ...]:
        """Those that were extracted; raises ConfigError where there is no such data set."""
        return tuple(read_dataset(Path(root))['modalities'])

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Frame:
        """Reads a frame; raises UnreadableFrameError naming the file that is missing or wrong."""
        entry = self._entries[index]
        images: dict[str, UInt8] = {}
        for name in entry.images:
            path = self.root / image_file(entry.id, name)
            image = read_color(path)
            size_hw = next(iter(images.values()), image).shape[:2]
            if image.shape[:2] != size_hw:
                raise UnreadableFrameError(f'{path} is {image.shape[:2]} but {entry.images[0]} '
                                           f'is {size_hw}')
            images[name] = image
        labels = np.full(next(iter(images.values())).shape[:2], UNLABELLED, np.uint8)
        if entry.labelled:
            path = self.root / image_file(entry.id, LABEL_FOLDER)
            labels = read_labels(path, self._label_table)
        return Frame(id=entry.id, condition=entry.condition, failure=entry.failure,
                     images=images, labels=labels)

    def describe(self) -> dict[str, Any]:
        """Split, counts and a hash of the frame list and manifest, as plain data."""
        digest = hashlib.sha256('\n'.join(str(entry) for entry in self._entries).encode())
        digest.update(json.dumps(self.manifest, sort_keys=True).encode())
        return {
            'layout': LAYOUT,
            'split': self.split,
            'frames': len(self),
            'labelled_frames': sum(entry.labelled for entry in self._entries),
            'conditions': dict(Counter(entry.condition for entry in self._entries)),
            'failures': dict(Counter(entry.failure for entry in self._entries)),
            'label_space': self.manifest['label_space']['name'],
            'folders': {name: name for name in self.modalities},
            'options': {},
            'recordings': len({entry.id.rpartition('/')[0] for entry in self._entries}),
            'sha256': digest.hexdigest(),
            # A line for each of many recordings would fill a bundle; the hash covers them.
            'manifest': {**self.manifest, 'recordings': len(self.manifest['recordings'])},
        }

    def _entry(self, line: Mapping[str, Any], condition: str) -> _Entry:
        images = tuple(name for name in self.modalities if name in line['members'])
        missing = [name for name in self.modalities if name not in images]
        return _Entry(id=str(line['id']), condition=condition, images=images,
                      failure='_'.join(['no', *missing]) if missing else NORMAL,
                      labelled=line['label'] is not None)


def image_file(frame_id: str, folder: str) -> str:
    """Path of a frame's image or labels, relative to the data set."""
    recording, _, frame = frame_id.rpartition('/')
    return f'{recording}/{folder}/{frame}.png'


def read_dataset(root: Path) -> dict[str, Any]:
    """The data set's ``dataset.json``; raises ConfigError if it is not one of recordings."""
    path = root / DATASET_FILE
    if not is_file(path):
        raise ConfigError(f'no extracted recordings at {root}: {DATASET_FILE} is missing')
    data = read_json(path, MAX_DATASET_BYTES)
    keys = ('layout', 'format_version', 'label_space', 'modalities', 'recordings')
    if not isinstance(data, dict) or any(key not in data for key in keys):
        raise ConfigError(f'{path} does not describe recordings; needed: {", ".join(keys)}')
    if (data['layout'], data['format_version']) != (LAYOUT, FORMAT_VERSION):
        raise ConfigError(f'{path} has layout {data["layout"]!r} version '
                          f'{data["format_version"]!r}; allowed: {LAYOUT!r} {FORMAT_VERSION}')
    try:
        LabelSpace.from_dict(data['label_space'])
    except ConfigError as error:
        raise ConfigError(f'{path}: {error}') from None
    modalities, recordings = data['modalities'], data['recordings']
    if not isinstance(modalities, list) or not all(isinstance(name, str) for name in modalities):
        raise ConfigError.of(f'{path}: modalities', modalities, 'a list of names')
    if not isinstance(recordings, dict):
        raise ConfigError.of(f'{path}: recordings', recordings, 'a table')
    for name, recording in recordings.items():
        _check_recording(f'{path}: recording {name!r}', name, recording)
    return data


def _check_recording(what: str, name: str, recording: object) -> None:
    if not is_inside(name):
        raise ConfigError(f'{what}; allowed: the name of a folder of the data set')
    if not isinstance(recording, dict) or not all(
            isinstance(recording.get(key), str) for key in ('split', 'condition')):
        raise ConfigError.of(what, recording, 'a table with split and condition')


def read_frames(root: Path, recording: str) -> list[dict[str, Any]]:
    """The lines of a recording's ``frames.jsonl``; raises ConfigError naming a bad one."""
    path = root / recording / FRAMES_FILE
    if not is_file(path):
        raise ConfigError(f'no file {path}')
    try:
        lines = path.read_text(encoding='utf-8').splitlines()
    except UnicodeDecodeError as error:
        raise ConfigError(f'{path} is no text: {error}') from None
    frames = []
    for number, text in enumerate(lines, 1):
        try:
            line = parse_json(text, f'{path}, line {number}')
            known = (line['id'].startswith(f'{recording}/') and is_inside(line['id'])
                     and 'label' in line and isinstance(line['members'], dict))
        except (ConfigError, TypeError, LookupError, AttributeError):
            known = False
        if not known:
            raise ConfigError(f'{path}, line {number}, is no frame: {text[:80]!r}')
        frames.append(line)
    return frames
