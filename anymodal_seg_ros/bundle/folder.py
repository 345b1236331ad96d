# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bundle's folder: its description and the bytes of its artefacts, read and checked."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from anymodal_seg_ros.bundle.artefacts import Artefact
from anymodal_seg_ros.bundle.description import KEYS, Bundle, check_keys
from anymodal_seg_ros.documents import parse_json
from anymodal_seg_ros.errors import BundleError, ConfigError
from anymodal_seg_ros.existence import is_dir, is_file
from anymodal_seg_ros.unfinished import left_over, write_whole

CONFIG_FILE = 'bundle.json'
WEIGHTS_FILE = 'weights.safetensors'
MAX_CONFIG_BYTES = 1 << 20


def read_description(path: str | Path) -> Bundle:
    """Read and check a bundle's JSON; its weights are not looked at, and need no torch.

    Raises:
        BundleError: no folder, or its JSON is missing, oversized or wrong; the message names the
            file and what is allowed.
    """
    return read_signed(Path(path))[0]


def read_weights_sha256(path: str | Path) -> str:
    """The SHA-256 that the weights of a bundle must have; raises BundleError."""
    return read_signed(Path(path))[1]


def read_signed(folder: Path) -> tuple[Bundle, str]:
    """The description, and the SHA-256 that the weights must have; raises BundleError."""
    if not is_dir(folder):
        raise BundleError(f'no bundle folder at {folder}{left_over(folder)}')
    file = folder / CONFIG_FILE
    with open_inside(folder, CONFIG_FILE, MAX_CONFIG_BYTES) as stream:
        text = content_of(stream)
    try:
        data = parse_json(text, CONFIG_FILE, refuse_constants=True)
        if not isinstance(data, dict) or 'weights_sha256' not in data:
            check_keys('bundle', data, KEYS | {'weights_sha256'})
        sha256 = data.pop('weights_sha256')
        if not isinstance(sha256, str):
            raise ConfigError.of('weights_sha256', sha256, '64 hexadecimal digits')
        return Bundle.from_dict(data), sha256
    except (ConfigError, TypeError) as error:
        raise BundleError(f'{file}: {error}') from None


def signed_text(bundle: Bundle, weights_sha256: str) -> str:
    """The content of ``CONFIG_FILE``; raises BundleError for what JSON cannot hold."""
    try:
        text = json.dumps({**bundle.to_dict(), 'weights_sha256': weights_sha256}, indent=2,
                          allow_nan=False) + '\n'
    except (TypeError, ValueError) as error:
        raise BundleError(f'{CONFIG_FILE} cannot be written: {error}') from None
    if len(text.encode()) > MAX_CONFIG_BYTES:
        raise BundleError(f'{CONFIG_FILE} has {len(text)} bytes; at most {MAX_CONFIG_BYTES}')
    return text


def update_provenance(path: str | Path, changes: Mapping[str, Any]) -> None:
    """Change entries of a bundle's provenance; all other files stay as they are.

    Raises:
        BundleError: no bundle, or changes that JSON cannot hold.
        WriteError: the disk is full, or the folder cannot be written at all.
    """
    bundle, sha256 = read_signed(Path(path))
    provenance = {**bundle.provenance, **changes}
    write_whole(Path(path) / CONFIG_FILE,
                signed_text(replace(bundle, provenance=provenance), sha256))


def read_artefact(path: str | Path, artefact: Artefact) -> bytes:
    """The content of an artefact of the bundle at ``path``, of the declared size and hash.

    Hand on these bytes and not the file: what reads a graph from a path may follow references to
    other files.

    Raises:
        BundleError: the file is missing, lies elsewhere, or is not what was declared.
    """
    file = Path(path) / artefact.file
    with open_inside(Path(path), artefact.file, artefact.size_bytes) as stream:
        data = content_of(stream)
    if not artefact.fits(data):
        raise BundleError(f'{file}: its size or SHA-256 is not the one in {CONFIG_FILE}; it was '
                          'altered')
    return data


def open_inside(folder: Path, name: str, max_bytes: int) -> BinaryIO:
    """Open a regular file of limited size that really lies in the folder; else BundleError."""
    file = folder / name
    try:
        if file.resolve(strict=True).parent != folder.resolve(strict=True):
            raise BundleError(f'{file} is a link out of the bundle; it must lie in the folder')
        # Opening a named pipe would wait for whoever writes into it.
        if not is_file(file):
            raise BundleError(f'{file} is no regular file')
        stream = file.open('rb')
    except FileNotFoundError:
        inner = folder / 'bundle'
        hint = f'; the bundle of this run is {inner}' if is_file(inner / name) else ''
        raise BundleError(f'{file} is missing{hint}') from None
    except (OSError, RuntimeError) as error:
        raise BundleError(f'{file} cannot be opened: {error}') from None
    status = os.fstat(stream.fileno())
    if not stat.S_ISREG(status.st_mode) or status.st_size > max_bytes:
        stream.close()
        raise BundleError(f'{file} has {status.st_size} bytes; allowed: at most {max_bytes}')
    return stream


def content_of(stream: BinaryIO) -> bytes:
    """What is left of an open file; memory is taken for what it holds, not for what it may."""
    return stream.read(os.fstat(stream.fileno()).st_size + 1)
