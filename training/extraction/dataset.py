# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The folder that recordings are extracted into, one after the other, in any number of runs.

A recording is written beside its final place and moved there when it is complete; it belongs to
the data set from the moment ``dataset.json`` names it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anymodal_seg_ros.bundle import Bundle
from anymodal_seg_ros.errors import ConfigError
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
        if (root / DATASET_FILE).is_file():
            self._data = read_dataset(root)
            for key in ('label_space', 'short_side_px', 'modalities', 'encoders'):
                # Through JSON, in which lists and tuples are one.
                wanted = json.loads(json.dumps(fresh[key]))
                if self._data.get(key) != wanted:
                    raise ConfigError(
                        f'{root} was extracted with {key} {_short(self._data.get(key))}, not '
                        f'{_short(wanted)}; name a new folder')
            return
        if root.exists() and (not root.is_dir() or any(
                not path.name.endswith('.partial') for path in root.iterdir())):
            raise ConfigError(f'{root} is not empty and no data set of recordings; name a new '
                              'folder')
        self._data = {**fresh, 'recordings': {}}

    @property
    def recordings(self) -> Mapping[str, Mapping[str, Any]]:
        """What is complete: name to split, condition, number of frames and source."""
        recordings: dict[str, dict[str, Any]] = self._data['recordings']
        return recordings

    @contextmanager
    def adding(self, name: str) -> Iterator[Path]:
        """A folder to write recording ``name`` into; after an error nothing is left of it."""
        work = self.root / f'.{name}.partial'
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        try:
            yield work / name
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def commit(self, folder: Path, summary: Mapping[str, Any], details: Mapping[str, Any]) -> None:
        """Move a written recording to its place; one of that name is replaced.

        Args:
            folder: what ``adding`` gave.
            summary: its entry in ``dataset.json``.
            details: its ``recording.json``.
        """
        name = folder.name
        (folder / RECORDING_FILE).write_text(_text({**summary, **details}), encoding='utf-8')
        recordings = dict(self.recordings)
        was_there = recordings.pop(name, None) is not None
        # Whenever this is ended, no folder is named that is not whole, and the root is known.
        if was_there or not (self.root / DATASET_FILE).is_file():
            self._write(recordings)
        shutil.rmtree(self.root / name, ignore_errors=True)
        folder.replace(self.root / name)
        self._write(dict(sorted({**recordings, name: dict(summary)}.items())))

    def _write(self, recordings: Mapping[str, Any]) -> None:
        self._data = {**self._data, 'recordings': recordings}
        fresh = self.root / f'{DATASET_FILE}.partial'
        fresh.write_text(_text(self._data), encoding='utf-8')
        fresh.replace(self.root / DATASET_FILE)


def check_split(split: object, recording: str) -> str:
    """The split when there is such a one; raises ConfigError."""
    if not isinstance(split, str) or split not in RecordedDataset.SPLITS:
        raise ConfigError(f'split {split!r} of recording {recording!r}; allowed: '
                          f'{", ".join(RecordedDataset.SPLITS)}')
    return split


def _text(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=2) + '\n'


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f'{text[:57]}...'
