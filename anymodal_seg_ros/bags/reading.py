# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading rosbag2 recordings, in recorded order and deserialised only when asked. Layer: bags."""

from __future__ import annotations

import struct
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import apsw
from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.rosbag2 import ReaderError
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, TypesysError, get_typestore

from anymodal_seg_ros.errors import BadMessageError, BagError
from anymodal_seg_ros.unfinished import left_over

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

NS_PER_S = 1_000_000_000
# What the libraries below raise for a file that is damaged, cut short or not a recording.
_DAMAGE = (AnyReaderError, ReaderError, TypesysError, SerdeError, OSError, EOFError,
           ValueError, TypeError, AttributeError, LookupError, AssertionError, struct.error,
           apsw.Error)


@lru_cache(maxsize=1)
def default_typestore() -> Typestore:
    """Definitions of the standard messages, for recordings that carry none."""
    return get_typestore(Stores.LATEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class BagInfo:
    """What a recording holds."""

    topics: tuple[str, ...]
    types: Mapping[str, str]
    """Topic to message type, for example ``'sensor_msgs/msg/Image'``."""
    counts: Mapping[str, int]
    """Topic to number of messages."""
    start_ns: int
    end_ns: int
    """Recorded time of the first and of the last message; both 0 in an empty recording."""

    @property
    def duration_s(self) -> float:
        """Seconds from the first message to the last."""
        return (self.end_ns - self.start_ns) / NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BagMessage:
    """One recorded message, still serialized."""

    topic: str
    msgtype: str
    recorded_ns: int
    cdr: bytes
    _deserialise: Callable[[bytes, str], Any] = field(repr=False)

    def message(self) -> Any:  # noqa: ANN401 - one of many message classes
        """The message as an object; primitive arrays are read-only numpy views of ``cdr``.

        Raises:
            BadMessageError: the bytes are not a message of this type.
            BagError: neither the recording nor this package defines the type.
        """
        return self._deserialise(self.cdr, self.msgtype)


@contextmanager
def _damage_as_bag_error(path: Path) -> Generator[None, None, None]:
    try:
        yield
    except FileNotFoundError as error:
        raise BagError(f'{path}: no recording here (a rosbag2 folder with metadata.yaml, an '
                       f'.mcap or a .db3 file is wanted): {_one_line(error)}') from None
    except _DAMAGE as error:
        raise BagError(f'{path}: damaged or not a rosbag2 recording: '
                       f'{_one_line(error)}') from None


def _refuse_short_databases(path: Path) -> None:
    """SQLite itself reads a database that was cut short as far as it goes, without a word."""
    for database in path.glob('*.db3') if path.is_dir() else [path]:
        with database.open('rb') as file:
            header = file.read(100)
        if len(header) == 100 and header.startswith(b'SQLite format 3\0'):
            (page_size,) = struct.unpack_from('>H', header, 16)
            (changes,), (valid_for,) = (struct.unpack_from('>I', header, at) for at in (24, 92))
            (num_pages,) = struct.unpack_from('>I', header, 28)
            wanted = num_pages * (65536 if page_size == 1 else page_size)
            found = database.stat().st_size
            if changes == valid_for and found < wanted:
                raise BagError(f'{path}: damaged: {database.name} has {found} of {wanted} bytes')


def _one_line(error: BaseException) -> str:
    return ' '.join(str(error).split()) or type(error).__name__


class BagReader:
    """A recording, as context manager and as iterator of ``BagMessage``.

    ``for message in reader`` opens it when needed and closes what it opened; inside ``with`` it
    can be iterated more than once. Not for use by several threads at once.
    """

    def __init__(self, path: Path | str, topics: Sequence[str] | None = None,
                 start_s: float = 0.0) -> None:
        self.path = Path(path)
        self._topics = None if topics is None else frozenset(topics)
        self._start_s = start_s
        self._reader: AnyReader | None = None

    def __enter__(self) -> BagReader:
        if not self.path.exists():
            raise BagError(f'{self.path}: no such recording{left_over(self.path)}')
        with _damage_as_bag_error(self.path):
            _refuse_short_databases(self.path)
            reader = AnyReader([self.path], default_typestore=default_typestore())
            reader.open()
            if not reader.is2:
                reader.close()
                raise BagError(f'{self.path}: a ROS 1 recording; convert it with rosbags-convert')
        self._reader = reader
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc: BaseException | None,
                 traceback: TracebackType | None) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            with _damage_as_bag_error(self.path):
                reader.close()

    def info(self) -> BagInfo:
        """Topics, types, counts and time span. The reader must be open."""
        reader = self._opened()
        with _damage_as_bag_error(self.path):
            topics = reader.topics
            counts = {name: info.msgcount for name, info in topics.items()}
            types = {c.topic: c.msgtype for c in reader.connections}
            empty = sum(counts.values()) == 0
            # rosbags ends the span one nanosecond after the last message.
            start_ns, end_ns = (0, 0) if empty else (reader.start_time, reader.end_time - 1)
        return BagInfo(topics=tuple(topics), types=types, counts=counts,
                       start_ns=start_ns, end_ns=end_ns)

    def __iter__(self) -> Iterator[BagMessage]:
        if self._reader is not None:
            yield from self._messages(self._reader)
            return
        with self:
            yield from self._messages(self._opened())

    def _opened(self) -> AnyReader:
        if self._reader is None:
            raise BagError(f'{self.path}: the reader is not open')
        return self._reader

    def _messages(self, reader: AnyReader) -> Iterator[BagMessage]:
        with _damage_as_bag_error(self.path):
            wanted = [c for c in reader.connections
                      if self._topics is None or c.topic in self._topics]
            if not wanted:
                return
            start_ns = reader.start_time + round(self._start_s * NS_PER_S)
            source = reader.messages(connections=wanted,
                                     start=start_ns if self._start_s else None)
        while True:
            with _damage_as_bag_error(self.path):
                found = next(source, None)
            if found is None:
                return
            connection, recorded_ns, cdr = found
            yield BagMessage(topic=connection.topic, msgtype=connection.msgtype,
                             recorded_ns=recorded_ns, cdr=cdr, _deserialise=self._deserialise)

    def _deserialise(self, cdr: bytes, msgtype: str) -> Any:  # noqa: ANN401
        store = self._reader.typestore if self._reader is not None else None
        if store is not None and msgtype not in store.fielddefs:
            store = None
        return from_cdr(cdr, msgtype, store)


def from_cdr(cdr: bytes, msgtype: str, typestore: Typestore | None = None) -> Any:  # noqa: ANN401
    """A serialized message as an object; primitive arrays are read-only views of ``cdr``.

    Raises:
        BadMessageError: the bytes are not a message of this type.
        BagError: the type is not known.
    """
    store = default_typestore() if typestore is None else typestore
    if msgtype not in store.fielddefs:
        raise BagError(f'no definition of {msgtype} is known')
    try:
        return store.deserialize_cdr(cdr, msgtype)
    except (SerdeError, LookupError, ValueError, TypeError, struct.error) as error:
        raise BadMessageError('cdr', f'not a {msgtype}: {_one_line(error)}') from None


def to_cdr(message: Any) -> bytes:  # noqa: ANN401
    """A message made by this package's builders or by ``from_cdr``, serialized.

    Raises:
        BagError: not such a message, or a field's value does not fit its type.
    """
    try:
        return bytes(default_typestore().serialize_cdr(message, message.__msgtype__))
    except (AttributeError, LookupError, SerdeError, ValueError, TypeError, OverflowError,
            struct.error) as error:
        raise BagError(f'{type(message).__name__} cannot be serialized as a message: '
                       f'{_one_line(error)}') from None


def read_bag(path: Path | str, topics: Sequence[str] | None = None,
             start_s: float = 0.0) -> BagReader:
    """Messages of a recording in recorded order, from ``start_s`` seconds after its first.

    ``path`` is a rosbag2 folder (mcap or sqlite3), an ``.mcap`` or a ``.db3`` file; ``topics``
    None means all. Use as ``for message in read_bag(path)`` or ``with read_bag(path) as bag``.

    Raises:
        BagError: when opened or read, if it is missing, damaged or cut short.
    """
    return BagReader(path, topics, start_s)


def bag_info(path: Path | str) -> BagInfo:
    """What a recording holds, without reading its messages. Raises BagError."""
    with BagReader(path) as reader:
        return reader.info()
