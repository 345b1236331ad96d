# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Captions of a data set's frames: a JSON file, beside it unless it is said to lie elsewhere.

    {"format_version": 1, "source": "label statistics",
     "captions": {"train": {"night/train/MAP_1/0042": "a driving scene at night with road, ..."}}}

Frames are named by split and by ``Frame.id``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anymodal_seg_ros import limits
from anymodal_seg_ros.documents import read_json
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.existence import is_file
from anymodal_seg_ros.unfinished import write_whole

CAPTIONS_FILE = 'captions.json'
FORMAT_VERSION = 1
KEYS = ('format_version', 'source', 'captions')
MAX_BYTES = 128 << 20
MAX_CHARACTERS = 2000
"""Of a caption; CLIP reads 77 tokens of it."""


def read_captions(path: Path, split: str) -> dict[str, str]:
    """Frame id to caption of one split.

    Raises:
        ConfigError: no such file or split, or it is no file of captions; it names what is wrong.
    """
    if not is_file(path):
        raise ConfigError(f'no captions at {path}; write them from labels by '
                          'python -m training.ma_clip captions, or bring your own as JSON')
    data = read_json(path, MAX_BYTES)
    limits.table(str(path), data)
    limits.known(str(path), data, KEYS)
    limits.one_of(f'{path}: format_version', data.get('format_version'), (FORMAT_VERSION,))
    of_splits = data.get('captions')
    limits.table(f'{path}: captions', of_splits)
    if split not in of_splits:
        raise ConfigError(f'{path} has no captions of split {split!r}; it has '
                          f'{", ".join(map(repr, of_splits)) or "none"}')
    captions: Any = of_splits[split]
    limits.table(f'{path}: captions of {split!r}', captions)
    for frame, caption in captions.items():
        _check_caption(f'{path}: caption of {frame!r}', caption)
    return dict(captions)


def write_captions(path: Path, captions: Mapping[str, Mapping[str, str]], source: str) -> None:
    """Write split to frame id to caption; raises WriteError."""
    data = {'format_version': FORMAT_VERSION, 'source': source, 'captions': captions}
    write_whole(path, json.dumps(data, indent=1, ensure_ascii=False) + '\n')


def _check_caption(what: str, caption: object) -> None:
    if not isinstance(caption, str) or not caption.strip() or len(caption) > MAX_CHARACTERS:
        raise ConfigError.of(what, caption, f'a text of 1 to {MAX_CHARACTERS} characters')
