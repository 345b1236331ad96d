# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which files a recording consists of, and their formats by what they begin with. Layer: bags."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import apsw

from anymodal_seg_ros.bags import mcap_file, sqlite_file
from anymodal_seg_ros.bags.compression import ZSTD_MAGIC, decompressed_pieces, max_file_bytes
from anymodal_seg_ros.bags.storage import Say, Storage
from anymodal_seg_ros.documents import read_yaml
from anymodal_seg_ros.errors import BagError, ConfigError
from anymodal_seg_ros.existence import exists, is_dir
from anymodal_seg_ros.unfinished import write_errors

METADATA_FILE = 'metadata.yaml'
_PATTERNS = ('*.mcap', '*.db3', '*.mcap.zstd', '*.db3.zstd')
_ROS1_MAGIC = b'#ROSBAG'
_READ_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a recording."""

    files: tuple[Path, ...]
    num_messages: int | None
    """As metadata.yaml counts them; None where nothing does."""


def list_files(path: Path, say: Say) -> Listing:
    """The files of a folder, by its metadata.yaml where that is usable, or the one file given.

    Raises:
        BagError: there is none.
    """
    if not is_dir(path):
        return Listing((path,), None)
    present = sorted(file for pattern in _PATTERNS for file in path.glob(pattern))
    names, num_messages = _read_metadata(path, say)
    listed = [path / PurePosixPath(name).name for name in names]
    for file in listed:
        if not exists(file):
            say(f'{file.name} is missing, which {METADATA_FILE} lists')
    files = [file for file in listed if exists(file)]
    left_out = [file.name for file in present if file not in files]
    if files and left_out:
        say(f'{", ".join(left_out)}: left out, for {METADATA_FILE} does not list it')
    if not files and not present:
        raise BagError(f'{path}: no recording here (a rosbag2 folder with {METADATA_FILE}, an '
                       '.mcap or a .db3 file is wanted)')
    return Listing(tuple(files or present), num_messages)


def _read_metadata(folder: Path, say: Say) -> tuple[tuple[str, ...], int | None]:
    """Names of the files and number of messages, as far as they are told."""
    if not exists(folder / METADATA_FILE):
        say(f'{METADATA_FILE} is missing: the recording was not closed (a power cut?), and its '
            'last moments may be lost')
        return (), None
    try:
        content = read_yaml(folder / METADATA_FILE)
        information = content['rosbag2_bagfile_information']
        names = tuple(str(name) for name in information['relative_file_paths'])
        num_messages = information.get('message_count')
    except (ConfigError, LookupError, TypeError, AttributeError):
        say(f'{METADATA_FILE} is damaged; the files are read without it')
        return (), None
    return names, num_messages if isinstance(num_messages, int) else None


def open_file(file: Path, say: Say, stack: ExitStack) -> Storage:
    """Open one file of a recording; ``stack`` closes it.

    Raises:
        BagError: it is of no known format, or damaged where nothing can be found without.
    """
    try:
        with file.open('rb') as opened:
            start = opened.read(len(sqlite_file.MAGIC))
        if start.startswith(ZSTD_MAGIC):
            return open_file(_unpacked(file, say, stack), say, stack)
        storage: Storage
        if start.startswith(mcap_file.MAGIC):
            storage = mcap_file.McapFile(file, say)
        elif start.startswith(sqlite_file.MAGIC):
            storage = sqlite_file.SqliteFile(file, say)
        else:
            raise BagError(_no_format(file, start))
    except (OSError, apsw.Error, ValueError) as error:
        text = ' '.join(str(error).split()) or type(error).__name__
        raise BagError(f'{file.name} is damaged: {text}') from None
    stack.callback(storage.close)
    return storage


def _no_format(file: Path, start: bytes) -> str:
    if start.startswith(_ROS1_MAGIC):
        return f'{file.name} is a ROS 1 recording; convert it with rosbags-convert'
    if not start:
        return f'{file.name} is empty'
    return f'{file.name} is damaged: it begins neither as MCAP nor as SQLite'


def _unpacked(file: Path, say: Say, stack: ExitStack) -> Path:
    """A temporary copy of what can be decompressed of a file."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix='anymodal-bag-')))
    copy = folder / file.stem
    left = max_file_bytes(file.stat().st_size)
    with file.open('rb') as packed, copy.open('wb') as unpacked:
        for piece in decompressed_pieces('zstd', iter(partial(packed.read, _READ_BYTES), b'')):
            with write_errors(copy):
                unpacked.write(piece[:left])
                unpacked.flush()
            if len(piece) > left:
                say(f'{file.name} unpacks to more than {copy.stat().st_size} bytes, and the rest '
                    'is left out; unpack it with zstd -d if it is to be read')
                break
            left -= len(piece)
    return copy
