# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading rosbag2 recordings, in recorded order and deserialised only when asked. Layer: bags."""

from __future__ import annotations

import heapq
import logging
import struct
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rosbags.serde import SerdeError
from rosbags.typesys import (
    Stores,
    TypesysError,
    get_types_from_idl,
    get_types_from_msg,
    get_typestore,
)

from anymodal_seg_ros.bags.compression import ZSTD_MAGIC, decompressed, max_block_bytes
from anymodal_seg_ros.bags.definitions import deviation
from anymodal_seg_ros.bags.files import METADATA_FILE, Listing, list_files, open_file
from anymodal_seg_ros.bags.storage import Channel, Storage
from anymodal_seg_ros.errors import BadMessageError, BagError
from anymodal_seg_ros.existence import exists
from anymodal_seg_ros.unfinished import left_over

if TYPE_CHECKING:
    from rosbags.interfaces.typing import Typesdict
    from rosbags.typesys.store import Typestore

NS_PER_S = 1_000_000_000

logger = logging.getLogger(__name__)

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
    damage: tuple[str, ...] = ()
    """What of the recording is missing or broken, as far as opening it shows; a line each."""

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

    def message_of(self, msgtypes: Collection[str]) -> Any:  # noqa: ANN401
        """The same of a message that must be of one of these types.

        Raises:
            BadMessageError: it is of another type, or its bytes are no message.
        """
        if self.msgtype not in msgtypes:
            raise BadMessageError('type', f'{self.topic} has {self.msgtype}; allowed: '
                                          + ', '.join(msgtypes))
        return self.message()


def _one_line(error: BaseException) -> str:
    return ' '.join(str(error).split()) or type(error).__name__


@lru_cache(maxsize=1024)
def _warn_once(path: Path, text: str) -> None:
    """A recording is opened for its rig, its truth, its messages: its damage is said once."""
    logger.warning('%s: %s', path, text)


class BagReader:
    """A recording, as context manager and as iterator of ``BagMessage``.

    Of a damaged or unfinished one, everything that is there is read; what is not is a warning
    and a line of ``damage``. ``for message in reader`` opens it when needed and closes what it
    opened; inside ``with`` it can be iterated more than once. Not for use by several threads at
    once.
    """

    def __init__(self, path: Path | str, topics: Sequence[str] | None = None,
                 start_s: float = 0.0) -> None:
        self.path = Path(path)
        self.damage: list[str] = []
        self._topics = None if topics is None else frozenset(topics)
        self._start_s = start_s
        self._opened_files: ExitStack | None = None
        self._storages: list[Storage] = []
        self._typestore = default_typestore()
        self._deviations: dict[str, str] = {}

    def __enter__(self) -> BagReader:
        if not exists(self.path):
            raise BagError(f'{self.path}: no such recording{left_over(self.path)}')
        self.damage.clear()
        with ExitStack() as stack:
            listing = list_files(self.path, self._say)
            stack.callback(self._storages.clear)
            for file in listing.files:
                try:
                    self._storages.append(open_file(file, self._say, stack))
                except BagError as error:
                    self._say(str(error))
            self._check_completeness(listing)
            self._typestore = _typestore_of(
                channel for storage in self._storages for channel in storage.channels)
            self._opened_files = stack.pop_all()
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc: BaseException | None,
                 traceback: TracebackType | None) -> None:
        stack, self._opened_files = self._opened_files, None
        if stack is not None:
            stack.close()

    def info(self) -> BagInfo:
        """Topics, types, counts and time span. The reader must be open."""
        self._check_open()
        types: dict[str, str] = {}
        counts: Counter[str] = Counter()
        for storage, channel in self._channels():
            types[channel.topic] = channel.msgtype
            counts[channel.topic] += storage.counts.get(channel.id, 0)
        start_ns, end_ns = self._span_ns()
        return BagInfo(topics=tuple(types), types=types, counts=dict(counts),
                       start_ns=start_ns, end_ns=end_ns, damage=tuple(self.damage))

    def __iter__(self) -> Iterator[BagMessage]:
        if self._opened_files is not None:
            yield from self._messages()
            return
        with self:
            yield from self._messages()

    def _say(self, text: str) -> None:
        if text not in self.damage:
            self.damage.append(text)
            _warn_once(self.path, text)

    def _check_completeness(self, listing: Listing) -> None:
        """Compare what was found with what the recorder counted; BagError if that is nothing."""
        num_found = sum(sum(storage.counts.values()) for storage in self._storages)
        if listing.num_messages is not None and num_found < listing.num_messages:
            self._say(f'{num_found} of the {listing.num_messages} messages that '
                      f'{METADATA_FILE} counts are there')
        if self.damage and not num_found:
            raise BagError(f'{self.path}: damaged or not a rosbag2 recording: '
                           + '; '.join(self.damage))

    def _check_open(self) -> None:
        if self._opened_files is None:
            raise BagError(f'{self.path}: the reader is not open')

    def _channels(self) -> Iterator[tuple[Storage, Channel]]:
        for storage in self._storages:
            for channel in storage.channels:
                if channel.serialization == 'cdr':
                    yield storage, channel
                else:
                    self._say(f'{channel.topic} is left out: its messages are of format '
                              f'{channel.serialization!r}; allowed: cdr')

    def _span_ns(self) -> tuple[int, int]:
        spans = [storage.span_ns for storage in self._storages if storage.span_ns is not None]
        if not spans:
            return 0, 0
        return min(start for start, _ in spans), max(end for _, end in spans)

    def _messages(self) -> Iterator[BagMessage]:
        start_ns = self._span_ns()[0] + round(self._start_s * NS_PER_S)
        wanted = [(storage, channel) for storage, channel in self._channels()
                  if self._topics is None or channel.topic in self._topics]
        sources = []
        for storage in self._storages:
            channels = {channel.id: channel for owner, channel in wanted if owner is storage}
            if channels:
                sources.append(self._messages_of(storage, channels, start_ns))
        yield from heapq.merge(*sources, key=lambda message: message.recorded_ns)

    def _messages_of(self, storage: Storage, channels: Mapping[int, Channel],
                     start_ns: int) -> Iterator[BagMessage]:
        try:
            for recorded_ns, channel_id, data in storage.messages(channels, start_ns):
                channel = channels[channel_id]
                if data.startswith(ZSTD_MAGIC):
                    limit = max_block_bytes(len(data))
                    unpacked = decompressed('zstd', data, limit + 1)
                    if len(unpacked) > limit:
                        self._say(f'{channel.topic}: a message of {len(data)} bytes unpacks to '
                                  f'more than {limit}: such ones are left out')
                        continue
                    data = bytes(unpacked)
                yield BagMessage(topic=channel.topic, msgtype=channel.msgtype,
                                 recorded_ns=recorded_ns, cdr=data,
                                 _deserialise=self._deserialise)
        except OSError as error:
            self._say(f'cannot be read further: {_one_line(error)}')

    def _deserialise(self, cdr: bytes, msgtype: str) -> Any:  # noqa: ANN401
        if msgtype not in self._typestore.fielddefs:
            return from_cdr(cdr, msgtype)
        if msgtype not in self._deviations:
            self._deviations[msgtype] = deviation(self._typestore, default_typestore(), msgtype)
        if self._deviations[msgtype]:
            raise BadMessageError(self._deviations[msgtype], f'the recording defines {msgtype} '
                                                             'without this field, or otherwise')
        return from_cdr(cdr, msgtype, self._typestore)


def _typestore_of(channels: Iterable[Channel]) -> Typestore:
    """The definitions that a recording carries; one that cannot be understood is passed over."""
    return _typestore(tuple(dict.fromkeys(
        (channel.msgtype, channel.definition, channel.definition_format)
        for channel in channels if channel.definition)))


@lru_cache(maxsize=8)
def _typestore(definitions: tuple[tuple[str, str, str], ...]) -> Typestore:
    """Made once, however often a recording is opened: for its rig, its truth, its messages."""
    store = get_typestore(Stores.EMPTY)
    for msgtype, definition, definition_format in definitions:
        if msgtype in store.fielddefs:
            continue
        try:
            store.register(_parsed(msgtype, definition, definition_format))
        except (TypesysError, ValueError, LookupError, TypeError, AttributeError):
            logger.debug('the definition of %s cannot be understood', msgtype)
    return store


def _parsed(msgtype: str, definition: str, definition_format: str) -> Typesdict:
    if definition_format != 'ros2idl':
        return get_types_from_msg(definition, msgtype)
    rule = '=' * 80 + '\n'
    if not definition.startswith(f'{rule}IDL: '):
        return get_types_from_idl(definition)
    found: Typesdict = {}
    for part in definition.split(rule)[1:]:
        found.update(get_types_from_idl(part.partition('\n')[2]))
    return found


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
        BagError: when opened, if it is missing or nothing in it can be read.
    """
    return BagReader(path, topics, start_s)


def bag_info(path: Path | str) -> BagInfo:
    """What a recording holds, without reading its messages. Raises BagError."""
    with BagReader(path) as reader:
        return reader.info()
