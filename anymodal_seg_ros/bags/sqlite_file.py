# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SQLite databases of rosbag2, also cut, damaged or with a log not yet merged. Layer: bags."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from os import SEEK_END
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, NamedTuple

import apsw

from anymodal_seg_ros.bags.storage import Channel, Say, StoredMessage
from anymodal_seg_ros.existence import exists

MAGIC = b'SQLite format 3\0'
_HEADER_BYTES = 100
_MAX_ID = 2**62
_IN_MEMORY_BYTES = 2**24
_VFS = 'anymodal_whole_pages'
# Damaged pages hold texts that are none, too.
_DAMAGE = (apsw.Error, UnicodeDecodeError)


class _ReadOnlyFile(apsw.VFSFile):
    """A file that stays as it is, of this process alone: what is written to it is forgotten.

    Without locks, which a read-only file refuses, SQLite merges a write-ahead log in memory.
    """

    def xWrite(self, data: bytes, offset: int) -> None:
        return

    def xTruncate(self, newsize: int) -> None:
        return

    def xSync(self, flags: int) -> None:
        return

    def xLock(self, level: int) -> None:
        return

    def xUnlock(self, level: int) -> None:
        return

    def xCheckReservedLock(self) -> bool:
        return False


class _ReadOnlyDatabase(_ReadOnlyFile):
    """A database whose unfinished write SQLite undoes by its journal, and not in the file.

    SQLite takes a page that is not there for zeros, which would be a message of zeros.
    """

    def __init__(self, vfs: str, name: apsw.URIFilename | str | None, flags: list[int]) -> None:
        super().__init__(vfs, name, flags)
        self._size = super().xFileSize()
        self._restored = SpooledTemporaryFile(  # noqa: SIM115 - see xClose
            _IN_MEMORY_BYTES)
        self._pages: dict[int, int] = {}
        self._page_bytes = 1

    def xRead(self, amount: int, offset: int) -> bytes:
        in_page = offset % self._page_bytes
        place = self._pages.get(offset - in_page)
        data: bytes = b''
        if place is not None:
            self._restored.seek(place + in_page)
            data = self._restored.read(amount)
        elif offset + amount <= self._size:
            data = super().xRead(amount, offset)
        if len(data) < amount:
            raise apsw.IOError(f'{len(data)} of {amount} bytes at {offset}')
        return data

    def xWrite(self, data: bytes, offset: int) -> None:
        self._page_bytes = len(data)
        self._pages[offset] = self._restored.seek(0, SEEK_END)
        self._restored.write(data)

    def xTruncate(self, newsize: int) -> None:
        self._size = newsize

    def xFileSize(self) -> int:
        return self._size

    def xClose(self) -> None:
        self._restored.close()
        super().xClose()


class _ReadOnlyVfs(apsw.VFS):
    """Opens nothing for writing, whatever SQLite believes, and deletes nothing."""

    def __init__(self) -> None:
        super().__init__(_VFS, '')

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> apsw.VFSFile:
        for kind, opened in _OPENED.items():
            if flags[0] & kind:
                flags[1] = flags[0]
                return opened('', name, [kind | apsw.SQLITE_OPEN_READONLY, 0])
        return super().xOpen(name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        return


_OPENED = {
    apsw.SQLITE_OPEN_MAIN_DB: _ReadOnlyDatabase,
    apsw.SQLITE_OPEN_WAL: _ReadOnlyFile,
    apsw.SQLITE_OPEN_MAIN_JOURNAL: _ReadOnlyFile,
}
_vfs = _ReadOnlyVfs()


class _Row(NamedTuple):
    """Where a message is; in the order in which they are read."""

    recorded_ns: int
    id: int
    channel_id: int


class SqliteFile:
    """A file that holds a database of rosbag2; see ``Storage``. It is never written to.

    Raises:
        apsw.Error, ValueError: it has no readable table of topics or messages.
    """

    def __init__(self, path: Path, say: Say) -> None:
        self._name = path.name
        self._say = say
        self._has_bad_pages = False
        has_journal = exists(path.with_name(path.name + '-journal'))
        # SQLite undoes nothing in what it was told only to read.
        mode = apsw.SQLITE_OPEN_READWRITE if has_journal else apsw.SQLITE_OPEN_READONLY
        self._database = apsw.Connection(str(path.resolve()), flags=mode, vfs=_VFS)
        try:
            self._database.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            self._database.pragma('locking_mode', 'exclusive')
            # Without it, SQLite reads nothing of a file that is shorter than its header says.
            self._database.pragma('writable_schema', True)
            self._channels = self._read_channels()
            self._rows = sorted(self._read_rows())
            self._say_what_is_missing(path)
        except BaseException:
            self.close()
            raise

    @property
    def channels(self) -> Sequence[Channel]:
        """See ``Storage``."""
        return tuple(self._channels.values())

    @property
    def counts(self) -> Mapping[int, int]:
        """See ``Storage``."""
        return Counter(row.channel_id for row in self._rows)

    @property
    def span_ns(self) -> tuple[int, int] | None:
        """See ``Storage``."""
        return (self._rows[0].recorded_ns, self._rows[-1].recorded_ns) if self._rows else None

    def close(self) -> None:
        """See ``Storage``."""
        self._database.close()

    def messages(self, channel_ids: Collection[int], start_ns: int) -> Iterator[StoredMessage]:
        """See ``Storage``."""
        wanted = frozenset(channel_ids)
        for row in self._rows:
            if row.channel_id in wanted and row.recorded_ns >= start_ns:
                data = self._data(row)
                if data is None:
                    self._say(f'{self._name}: some messages are damaged')
                else:
                    yield StoredMessage(row.recorded_ns, row.channel_id, data)

    def _query(self, statement: str, *values: int) -> Iterator[tuple[Any, ...]]:
        return iter(self._database.execute(statement, values))

    def _read_channels(self) -> dict[int, Channel]:
        definitions: dict[str, tuple[str, str]] = {}
        # Older recordings have no such table.
        with suppress(*_DAMAGE):
            definitions = {name: (form, text) for name, form, text in self._query(
                'SELECT topic_type, encoding, encoded_message_definition '
                'FROM message_definitions')}
        channels = {}
        for channel_id, topic, msgtype, serialization in self._query(
                'SELECT id, name, type, serialization_format FROM topics ORDER BY id'):
            form, text = definitions.get(msgtype, ('', ''))
            channels[channel_id] = Channel(
                id=channel_id, topic=topic, msgtype=msgtype, serialization=serialization,
                definition=text, definition_format=form)
        return channels

    def _read_rows(self) -> Iterator[_Row]:
        """Every row that can be reached; what a damaged page holds is passed over."""
        after, gap = -1, 1
        while after < _MAX_ID:
            last = after
            try:
                for row_id, channel_id, recorded_ns in self._query(
                        'SELECT id, topic_id, timestamp FROM messages WHERE id > ? ORDER BY id',
                        after):
                    if row_id <= last:
                        # Pages that point at each other.
                        return
                    last, gap = row_id, 1
                    if channel_id in self._channels and isinstance(recorded_ns, int):
                        yield _Row(recorded_ns, row_id, channel_id)
                return
            except _DAMAGE:
                self._has_bad_pages = True
                after, gap = last + gap, 2 * gap

    def _data(self, row: _Row) -> bytes | None:
        """The message, or None where it is damaged."""
        try:
            for (data,) in self._query('SELECT data FROM messages WHERE id = ?', row.id):
                return data if isinstance(data, bytes) else None
        except _DAMAGE:
            self._has_bad_pages = True
        return None

    def _say_what_is_missing(self, path: Path) -> None:
        journal = path.with_name(path.name + '-journal')
        if exists(journal) and journal.stat().st_size:
            self._say(f'{self._name}: the recording ended in the middle of a write')
        found_bytes, wanted_bytes = path.stat().st_size, _wanted_bytes(path)
        if found_bytes >= wanted_bytes and not self._has_bad_pages:
            return
        num_listed = len(self._rows)
        self._rows = [row for row in self._rows if self._data(row) is not None]
        extent = (f'{found_bytes} of {wanted_bytes} bytes are there'
                  if found_bytes < wanted_bytes else 'some pages are broken')
        self._say(
            f'{self._name}: damaged: {extent}; {len(self._rows)} messages were found, and '
            f'{num_listed - len(self._rows)} of which only the time is left')


def _wanted_bytes(path: Path) -> int:
    """Size of the database by its own header; 0 where that does not know."""
    with path.open('rb') as file:
        header = file.read(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES:
        return 0
    (page_bytes,) = struct.unpack_from('>H', header, 16)
    changes, num_pages = struct.unpack_from('>II', header, 24)
    (valid_for,) = struct.unpack_from('>I', header, 92)
    known = num_pages if changes == valid_for else 0
    return known * (65536 if page_bytes == 1 else page_bytes)
