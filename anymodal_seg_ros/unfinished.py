# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Outputs that are whole or bear a name that says unfinished, whenever a process ends. Ground.

A file is written as ``NAME.unfinished``, a folder as ``NAME.unfinished/NAME``, and renamed when it
is complete. What a killed process left under that name is in nobody's way: the next try begins
anew.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import BinaryIO

from anymodal_seg_ros.errors import WriteError
from anymodal_seg_ros.existence import exists, is_file

SUFFIX = '.unfinished'
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""Errors that no reading gives."""
_REPLACED = '.replaced'
NOTHING = 0


def unfinished_path(path: Path) -> Path:
    """Where ``path`` is written until it is complete."""
    return path.with_name(path.name + SUFFIX)


def left_over(path: Path) -> str:
    """For the message that ``path`` is missing: that its writing was interrupted, else ''."""
    unfinished = unfinished_path(path)
    return f'; {unfinished} is what an interrupted command left' if exists(unfinished) else ''


@contextmanager
def write_errors(path: Path) -> Generator[None, None, None]:
    """Every OSError of the block as WriteError: one line that names ``path``."""
    try:
        yield
    except OSError as error:
        raise WriteError(f'cannot write {path}: {error.strerror or error}') from None


def write_whole(path: str | Path, data: bytes | str) -> None:
    """A file's content at once or not at all; text is stored as UTF-8. See ``whole_file``."""
    with whole_file(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)


@contextmanager
def whole_file(path: str | Path) -> Generator[BinaryIO, None, None]:
    """A file to write; it takes its place, or that of an older one, when the block is left.

    After an error the older one is as it was and nothing else is left. A link is followed, folders
    on the way are made, and into what is no regular file (``/dev/stdout``) the block writes as it
    goes.

    Raises:
        WriteError: the disk is full, or the file cannot be written at all.
    """
    with write_errors(Path(path)):
        path = Path(path).resolve()
        if _kind(path) not in (NOTHING, stat.S_IFREG):
            with path.open('wb') as file:
                yield file
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = unfinished_path(path)
        try:
            with unfinished.open('wb') as file:
                yield file
                _to_disk(file)
            unfinished.replace(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise


@contextmanager
def whole_folder(path: str | Path, *, replace: bool = False,
                 keep: bool = False) -> Generator[Path, None, None]:
    """The place of a folder to make and fill; it is moved to ``path`` when the block is left.

    Nobody else can write the same output at the same time.

    Args:
        path: new or an empty folder, where nothing may be replaced.
        replace: an older folder at ``path`` goes when the new one is complete.
        keep: after an error what was written stays under the unfinished name, until the next try.

    Raises:
        WriteError: the disk is full, ``path`` exists, another process is writing it, or it cannot
            be written at all.
    """
    path = Path(path).resolve()
    with write_errors(path):
        if _kind(path) not in (NOTHING, stat.S_IFDIR):
            raise WriteError(f'cannot write {path}: it is no folder')
        if not replace and _is_taken(path):
            raise WriteError(f'{path} exists already; name a new folder, or remove it')
        if path.is_mount():
            raise WriteError(f'{path} is a mount point; name a folder in it')
        path.parent.mkdir(parents=True, exist_ok=True)
    work = unfinished_path(path)
    with _owned(path, work):
        replaced = work / _REPLACED
        with write_errors(path):
            if _kind(replaced) and not _kind(path):
                replaced.rename(path)
            _empty(work)
        try:
            yield work / path.name
            with write_errors(path):
                _move(work / path.name, path, replaced)
        except BaseException as error:
            if not keep:
                _empty(work)
            if isinstance(error, OSError) and error.errno in _FULL:
                raise WriteError(f'cannot write {path}: {error.strerror}') from None
            raise


def put_aside(path: Path) -> Path | None:
    """Give what is left of an interrupted writing of the folder ``path`` a name of its own.

    For data that cannot be made again. Returns the new place; None where there is nothing.

    Raises:
        WriteError: another process is writing it, or it cannot be renamed.
    """
    path = path.resolve()
    work = unfinished_path(path)
    with write_errors(work):
        if not _kind(work / path.name):
            return None
    with _owned(path, work), write_errors(work):
        free = next(place for n in count(1)
                    if not _kind(place := path.with_name(f'{path.name}.cut-{n}')))
        (work / path.name).rename(free)
    return free


def _kind(path: Path) -> int:
    """``stat.S_IFDIR`` and so on, links followed; NOTHING where nothing is.

    A disk that does not answer is an OSError: a folder on it may not be taken for absent.
    """
    try:
        return stat.S_IFMT(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return NOTHING


def _is_taken(path: Path) -> bool:
    return _kind(path) != NOTHING and any(path.iterdir())


@contextmanager
def _owned(path: Path, work: Path) -> Generator[None, None, None]:
    """The folder ``work``, locked as long as this process lives and then removed if empty."""
    with write_errors(path):
        work.mkdir(exist_ok=True)
        handle = os.open(work, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WriteError(f'{path} is being written by another process') from None
        except OSError:
            pass  # a file system without locks
        try:
            yield
        finally:
            if not any(work.iterdir()):
                work.rmdir()
    finally:
        os.close(handle)


def _move(fresh: Path, path: Path, replaced: Path) -> None:
    # Few and large files; many small ones, which lie deeper, would take minutes.
    for entry in fresh.iterdir():
        if is_file(entry):
            with entry.open('rb') as file:
                os.fsync(file.fileno())
    if not _is_taken(path):
        fresh.replace(path)
        return
    path.rename(replaced)
    try:
        fresh.rename(path)
    except OSError:
        replaced.rename(path)
        raise
    _empty(replaced.parent)


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if stat.S_ISDIR(entry.lstat().st_mode):
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
