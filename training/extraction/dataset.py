# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The folder that recordings are extracted into, one after the other, in any number of runs.

A recording gets its name when it is complete, and belongs to the data set from the moment
``dataset.json`` names it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from anymodal_seg_ros.bundle import FROM_DATASET, Bundle
from anymodal_seg_ros.documents import parse_json
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.existence import exists, is_dir, is_file
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.unfinished import SUFFIX, whole_folder, write_whole
from training.datasets.recorded import (
    DATASET_FILE,
    FORMAT_VERSION,
    LAYOUT,
    RecordedDataset,
    read_dataset,
)

RECORDING_FILE = 'recording.json'


class ExtractedDataset:
    """A new data set, or one that is added to.

    Args:
        root: new, empty, or an earlier run's.
        bundle: encoders, size of the images and label space; all recordings share them.

    Raises:
        ConfigError: ``root`` holds something else, or was extracted with other settings.
    """

    def __init__(self, root: Path, bundle: Bundle) -> None:
        self.root = root
        fresh = {
            'name': root.resolve().name,
            'layout': LAYOUT,
            'format_version': FORMAT_VERSION,
            'label_space': bundle.label_space.to_dict(),
            'short_side_px': bundle.short_side_px,
            'modalities': list(bundle.encoders),
            'encoders': {name: dict(value) for name, value in bundle.encoders.items()},
        }
        if is_file(root / DATASET_FILE):
            self._data = read_dataset(root)
            for key in ('label_space', 'short_side_px', 'modalities', 'encoders'):
                # Through JSON, in which lists and tuples are one.
                wanted = parse_json(json.dumps(fresh[key]), key)
                if _complete(key, self._data.get(key)) != _complete(key, wanted):
                    raise ConfigError(
                        f'{root} was extracted with {key} {_short(self._data.get(key))}, not '
                        f'{_short(wanted)}; name a new folder')
            return
        if exists(root) and (not is_dir(root) or any(
                path.suffix != SUFFIX for path in root.iterdir())):
            raise ConfigError(f'{root} is not empty and no data set of recordings; name a new '
                              'folder')
        self._data = {**fresh, 'recordings': {}}

    @property
    def recordings(self) -> Mapping[str, Mapping[str, Any]]:
        """What is complete: name to split, condition, number of frames and source."""
        recordings: dict[str, dict[str, Any]] = self._data['recordings']
        return recordings

    def add(self, name: str,
            write: Callable[[Path], tuple[Mapping[str, Any], Mapping[str, Any]]]) -> None:
        """Add recording ``name``; one of that name is replaced. After an error nothing is left of
        it.

        Args:
            write: makes the folder that it gets, writes the frames into it, and returns the
                recording's entry in ``dataset.json`` and what its ``recording.json`` has beside.

        Raises:
            WriteError: the disk is full, or the folder cannot be written at all.
        """
        with whole_folder(self.root / name, replace=True) as folder:
            summary, details = write(folder)
            (folder / RECORDING_FILE).write_text(_text({**summary, **details}), encoding='utf-8')
            others = {key: value for key, value in self.recordings.items() if key != name}
            # Whenever this is ended, no folder is named that is not whole, and the root is known.
            if name in self.recordings or not is_file(self.root / DATASET_FILE):
                self._write(others)
        self._write(dict(sorted({**others, name: summary}.items())))

    def _write(self, recordings: Mapping[str, Any]) -> None:
        self._data = {**self._data, 'recordings': recordings}
        write_whole(self.root / DATASET_FILE, _text(self._data))


def check_split(split: object, recording: str) -> str:
    """The split when there is such a one; raises ConfigError."""
    if not isinstance(split, str) or split not in RecordedDataset.SPLITS:
        raise ConfigError(f'split {split!r} of recording {recording!r}; allowed: '
                          f'{", ".join(RecordedDataset.SPLITS)}')
    return split


def _text(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=2) + '\n'


def _complete(key: str, value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Encoders with the settings that an earlier version did not know; all else as it is."""
    if key != 'encoders' or not isinstance(value, dict):
        return value
    return {name: {**MODALITIES[name].default_settings(), **settings}
            if name in MODALITIES and settings != FROM_DATASET else settings
            for name, settings in value.items()}


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f'{text[:57]}...'
