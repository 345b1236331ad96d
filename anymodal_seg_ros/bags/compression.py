# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compressed data of a recording, as far as it goes. Layer: bags."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped]

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdDecompressor, ZstdError
else:
    from backports.zstd import ZstdDecompressor, ZstdError

ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
_STEP_BYTES = 2**20


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


def decompressed(kind: str, data: bytes | memoryview, max_bytes: int) -> bytes:
    """The same in one, without what lies beyond ``max_bytes``."""
    whole = bytearray()
    for piece in decompressed_pieces(kind, iter([data])):
        whole += piece
        if len(whole) >= max_bytes:
            break
    return bytes(whole[:max_bytes])
