# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compressed data of a recording, as far as it goes. Layer: bags."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from lz4.frame import LZ4FrameDecompressor

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdDecompressor, ZstdError
else:
    from backports.zstd import ZstdDecompressor, ZstdError

ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
MAX_BLOCK_BYTES = 2**28
"""Chunks and messages beyond this are taken for damage: recorders close a chunk at some MiB."""
_STEP_BYTES = 2**20
_BLOCK_BYTES, _BLOCK_RATIO = 2**26, 100
_FILE_BYTES, _FILE_RATIO = 2**28, 1000


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    def decompress(self, data: bytes | memoryview, max_length: int = -1, /) -> bytes: ...


DECOMPRESSORS: Mapping[str, Callable[[], _Decompressor]] = {
    'zstd': ZstdDecompressor,
    'lz4': LZ4FrameDecompressor,
}
"""By the names that MCAP and rosbag2 give them."""


def decompressed_pieces(kind: str, data: Iterator[bytes | memoryview]) -> Iterator[bytes]:
    """What can be decompressed of one compressed stream, up to where it is cut or damaged.

    ``kind`` is a key of ``DECOMPRESSORS``. A piece is at most 1 MiB, however much a byte of the
    input claims to hold.
    """
    decompressor = DECOMPRESSORS[kind]()
    try:
        for compressed in data:
            piece = decompressor.decompress(compressed, _STEP_BYTES)
            while piece:
                yield piece
                if decompressor.eof or decompressor.needs_input:
                    break
                piece = decompressor.decompress(b'', _STEP_BYTES)
            if decompressor.eof:
                return
    except (ZstdError, RuntimeError, EOFError, ValueError):
        # Damaged from here on. lz4 raises RuntimeError.
        return


def max_block_bytes(packed_bytes: int) -> int:
    """What a chunk or message of so many compressed bytes may hold: a bomb holds more."""
    return min(max(_BLOCK_BYTES, _BLOCK_RATIO * packed_bytes), MAX_BLOCK_BYTES)


def max_file_bytes(packed_bytes: int) -> int:
    """The same of a file, which is unpacked onto the disk."""
    return max(_FILE_BYTES, _FILE_RATIO * packed_bytes)


def decompressed(kind: str, data: bytes | memoryview, max_bytes: int) -> memoryview:
    """The same in one, without what lies beyond ``max_bytes``."""
    whole = bytearray()
    for piece in decompressed_pieces(kind, iter([data])):
        whole += piece
        if len(whole) >= max_bytes:
            break
    return memoryview(whole)[:max_bytes]
