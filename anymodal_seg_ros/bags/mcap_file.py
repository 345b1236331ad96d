# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MCAP files, also without the index that a recorder writes last. Layer: bags.

Format: https://mcap.dev/spec. Records are an opcode, a length and content; most lie in chunks.
"""

from __future__ import annotations

import heapq
import struct
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from anymodal_seg_ros.bags.compression import (
    DECOMPRESSORS,
    MAX_BLOCK_BYTES,
    decompressed,
    max_block_bytes,
)
from anymodal_seg_ros.bags.storage import Channel, Say, StoredMessage

Buffer = bytes | memoryview

MAGIC = b'\x89MCAP0\r\n'
_RUN_BYTES = 2**20
_FOOTER, _SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _CHUNK_INDEX = 0x02, 0x03, 0x04, 0x05, 0x06, 0x08
_STATISTICS, _DATA_END = 0x0B, 0x0F
_FIRST_PRIVATE = 0x80
_FOOTER_BYTES = 9 + 20
_HEAD = struct.Struct('<BQ')
_MESSAGE_HEAD = struct.Struct('<HIQQ')
_CHUNK_HEAD = struct.Struct('<QQQI')


@dataclass(frozen=True, slots=True)
class _Block:
    """A part of the file that is read at once: a chunk, or a run of records outside of chunks."""

    offset: int
    end: int
    start_ns: int
    end_ns: int


class _Fields:
    """The fields of a record one after the other; ValueError where they reach beyond its end."""

    def __init__(self, content: Buffer) -> None:
        self._content = content
        self._at = 0

    def rest(self) -> Buffer:
        return self._content[self._at:]

    def take(self, size: int) -> Buffer:
        start, self._at = self._at, self._at + size
        if self._at > len(self._content):
            raise ValueError('a field reaches beyond the end of its record')
        return self._content[start:self._at]

    def numbers(self, layout: struct.Struct | str) -> tuple[int, ...]:
        layout = struct.Struct(layout) if isinstance(layout, str) else layout
        return layout.unpack(self.take(layout.size))

    def number(self, layout: str) -> int:
        return self.numbers('<' + layout)[0]

    def text(self) -> str:
        return bytes(self.take(self.number('I'))).decode('utf-8', 'replace')


def _whole_size(record: Buffer) -> int:
    """Bytes that the record beginning here should have; 0 where that is cut, too."""
    if len(record) < _HEAD.size:
        return 0
    length: int = _HEAD.unpack_from(record)[1]
    return _HEAD.size + length


def _records(data: Buffer) -> Iterator[tuple[int, memoryview]]:
    """Opcode and content of every whole record from the start of ``data``."""
    data = memoryview(data)
    at = 0
    while at + _HEAD.size <= len(data):
        opcode, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        if not opcode or at + length > len(data):
            return
        yield opcode, data[at:at + length]
        at += length


class McapFile:
    """A file that holds MCAP; see ``Storage``.

    With its index intact, nothing is read at first but that. Otherwise the whole file is read
    once to make one, up to where it was cut.
    """

    def __init__(self, path: Path, say: Say) -> None:
        self._name = path.name
        self._size = path.stat().st_size
        self._file = path.open('rb')
        self._schemas: dict[int, tuple[str, str, str]] = {}
        self._channels: dict[int, Channel] = {}
        self._counts: Counter[int] = Counter()
        self._span_ns: tuple[int, int] | None = None
        self._blocks: list[_Block] = []
        self._say = say
        try:
            if not self._index_from_summary():
                self._index_from_scan()
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
        return self._counts

    @property
    def span_ns(self) -> tuple[int, int] | None:
        """See ``Storage``."""
        return self._span_ns

    def close(self) -> None:
        """See ``Storage``."""
        self._file.close()

    def messages(self, channel_ids: Collection[int], start_ns: int) -> Iterator[StoredMessage]:
        """See ``Storage``. Blocks may overlap in time, and are read when their time has come."""
        wanted = frozenset(channel_ids)
        held: list[tuple[int, int, StoredMessage]] = []
        order = 0
        for block in sorted(self._blocks, key=lambda b: (b.start_ns, b.offset)):
            if block.end_ns < start_ns:
                continue
            while held and held[0][0] < block.start_ns:
                yield heapq.heappop(held)[2]
            for recorded_ns, channel_id, data in self._read_block(block):
                if channel_id in wanted and recorded_ns >= start_ns:
                    message = StoredMessage(recorded_ns, channel_id, bytes(data))
                    heapq.heappush(held, (recorded_ns, order, message))
                    order += 1
        while held:
            yield heapq.heappop(held)[2]

    def _bytes(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)

    def _index_from_summary(self) -> bool:
        """Whether the file ends with an index that covers all of it."""
        tail = self._bytes(max(self._size - _FOOTER_BYTES - len(MAGIC), 0), _FOOTER_BYTES + 8)
        footer = list(_records(tail))
        if not tail.endswith(MAGIC) or len(footer) != 1 or footer[0][0] != _FOOTER:
            return False
        (start,) = struct.unpack_from('<Q', footer[0][1])
        end = self._size - _FOOTER_BYTES - len(MAGIC)
        if not len(MAGIC) <= start < end:
            return False
        statistics: Buffer = b''
        blocks = []
        try:
            for opcode, content in _records(self._bytes(start, end - start)):
                if opcode == _STATISTICS:
                    statistics = content
                elif opcode == _CHUNK_INDEX:
                    start_ns, end_ns, at, size = _Fields(content).numbers('<QQQQ')
                    if at + size > start:
                        return False
                    blocks.append(_Block(at, at + size, start_ns, end_ns))
                else:
                    self._learn(opcode, content)
            return self._take_statistics(_Fields(statistics), blocks)
        except ValueError:
            return False

    def _take_statistics(self, statistics: _Fields, blocks: list[_Block]) -> bool:
        num_messages, _, _, _, _, num_chunks = statistics.numbers('<QHIIII')
        start_ns, end_ns = statistics.numbers('<QQ')
        size = statistics.number('I')
        counts = dict(struct.iter_unpack('<HQ', statistics.take(size - size % 10)))
        if len(blocks) != num_chunks or (num_messages and not num_chunks) \
                or not set(counts) <= set(self._channels):
            return False
        self._blocks = blocks
        self._counts.update(counts)
        self._span_ns = (start_ns, end_ns) if num_messages else None
        return True

    def _index_from_scan(self) -> None:
        at = run_start = len(MAGIC)
        complete = False
        while at + _HEAD.size <= self._size:
            opcode, length = _HEAD.unpack(self._bytes(at, _HEAD.size))
            complete = opcode in (_DATA_END, _FOOTER)
            if complete or not opcode or _DATA_END < opcode < _FIRST_PRIVATE:
                break
            end = at + _HEAD.size + length
            if opcode == _CHUNK or at - run_start >= _RUN_BYTES:
                self._index_block(run_start, at)
                run_start = at
            if opcode == _CHUNK:
                self._index_block(at, min(end, self._size))
                run_start = end
            if end > self._size:
                break
            at = end
        self._index_block(run_start, at)
        self._say_how_it_ends(at, complete)

    def _say_how_it_ends(self, at: int, complete: bool) -> None:
        found = f'{self._counts.total()} messages were found'
        if complete and self._bytes(self._size - len(MAGIC), len(MAGIC)) == MAGIC:
            return
        if complete:
            self._say(f'{self._name}: the index at the end is cut off; all {found}')
        else:
            self._say(f'{self._name}: the recording was cut off; {found}, and the last '
                                f'{self._size - at} of {self._size} bytes are no whole record')

    def _index_block(self, start: int, end: int) -> None:
        if start >= end:
            return
        stamps_ns = []
        for recorded_ns, channel_id, _ in self._read_block(_Block(start, end, 0, 0)):
            self._counts[channel_id] += 1
            stamps_ns.append(recorded_ns)
        if stamps_ns:
            first_ns, last_ns = min(stamps_ns), max(stamps_ns)
            self._blocks.append(_Block(start, end, first_ns, last_ns))
            known = self._span_ns or (first_ns, last_ns)
            self._span_ns = (min(known[0], first_ns), max(known[1], last_ns))

    def _read_block(self, block: _Block) -> Iterator[tuple[int, int, memoryview]]:
        """Times, channels and data of its messages. What cannot be read is said, and channels that
        it declares are learnt."""
        data: Buffer = self._bytes(block.offset, min(block.end - block.offset, MAX_BLOCK_BYTES))
        is_cut = len(data) < _whole_size(data)
        if data[:1] == bytes([_CHUNK]):
            data = self._chunk_records(block, memoryview(data), is_cut)
        num_read = 0
        for opcode, content in _records(data):
            num_read += _HEAD.size + len(content)
            if opcode != _MESSAGE:
                self._learn(opcode, content)
            elif len(content) >= _MESSAGE_HEAD.size:
                channel_id, _, recorded_ns, _ = _MESSAGE_HEAD.unpack_from(content)
                if channel_id in self._channels:
                    yield recorded_ns, channel_id, content[_MESSAGE_HEAD.size:]
                else:
                    self._say(f'{self._name}: messages of channel {channel_id} are left out: the '
                              'record that tells its topic is lost')
        if num_read < len(data) and not is_cut:
            self._say_damaged(block, f'{len(data) - num_read} of {len(data)} bytes are no records')

    def _chunk_records(self, block: _Block, chunk: memoryview, is_cut: bool) -> Buffer:
        """The records in a chunk: all, or those before the place where it is cut or damaged."""
        fields = _Fields(chunk[_HEAD.size:])
        try:
            _, _, size, checksum = fields.numbers(_CHUNK_HEAD)
            kind = fields.text()
            stored = fields.number('Q')
            found = fields.rest()[:stored]
        except ValueError:
            kind, size, checksum, found = '', -1, 0, b''
        if kind and kind not in DECOMPRESSORS:
            self._say(f'{self._name}: compression {kind!r} is unknown; allowed: '
                      f'{", ".join(DECOMPRESSORS)}')
            return b''
        records = found
        if kind:
            records = decompressed(kind, found, min(size, max_block_bytes(len(found))))
        if is_cut:
            return records
        if len(records) != size:
            self._say_damaged(block, f'{len(records)} of {max(size, 0)} bytes can be read')
        elif checksum and checksum != zlib.crc32(records):
            self._say_damaged(block, f'its {size} bytes have another checksum than was recorded, '
                                     'and are left out')
            return b''
        return records

    def _say_damaged(self, block: _Block, what: str) -> None:
        self._say(f'{self._name}: damaged at byte {block.offset}: {what}')

    def _learn(self, opcode: int, content: Buffer) -> None:
        """Take a schema or a channel from its record; one that is malformed is passed over."""
        fields = _Fields(content)
        try:
            if opcode == _SCHEMA:
                schema_id = fields.number('H')
                self._schemas[schema_id] = (fields.text(), fields.text(), fields.text())
            elif opcode == _CHANNEL:
                channel_id, schema_id = fields.numbers('<HH')
                topic, serialization = fields.text(), fields.text()
                msgtype, definition_format, definition = self._schemas.get(schema_id, ('',) * 3)
                self._channels[channel_id] = Channel(
                    id=channel_id, topic=topic, msgtype=msgtype, serialization=serialization,
                    definition=definition, definition_format=definition_format)
        except ValueError:
            return
