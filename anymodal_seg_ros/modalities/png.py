# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A PNG's chunks, walked before anything is unpacked (W3C, "PNG Specification"). numpy only.

A decoder that believes a damaged length or size allocates gigabytes for a few hundred bytes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.modalities.base import Uint8Array
from anymodal_seg_ros.modalities.checked_image import CheckedImage
from anymodal_seg_ros.modalities.pixels import check_image_size

PNG_MAGIC = b'\x89PNG\r\n\x1a\n'
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Colour type to samples of a pixel."""
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_HEADER = struct.Struct('>IIBBBBB')
# Of a chunk without its content: length, name and checksum.
_FRAME_BYTES = 12
# A match of 258 bytes takes two bits at least: deflate never unpacks to more than this.
_DEFLATE_RATIO = 1032
# What makes the picture. The rest may hold text, profiles and further pictures to be unpacked.
_PICTURE_CHUNKS = frozenset({b'IHDR', b'PLTE', b'tRNS', b'IDAT', b'IEND'})


def check_png(buffer: Uint8Array) -> CheckedImage:
    """A PNG, uint8 [N], whose chunks are whole; only those that make the picture are left.

    Raises:
        BadMessageError: a chunk is cut short, damaged or missing, or the body cannot hold an
            image of this size.
    """
    data = buffer.tobytes()
    kept = [slice(0, len(PNG_MAGIC))]
    body_bytes = 0
    chunks = png_chunks(data)
    name, chunk = next(chunks)
    content = slice(chunk.start + 8, chunk.stop - 4)
    if name != b'IHDR' or content.stop - content.start != _HEADER.size:
        raise BadMessageError('data', 'a PNG without its header')
    width, height, depth, color = _HEADER.unpack(data[content])[:4]
    check_image_size(height, width, field='data')
    if depth not in _DEPTHS.get(color, ()):
        raise BadMessageError('data', f'a PNG of colour type {color} and {depth} bits')
    kept.append(chunk)
    for name, chunk in chunks:
        if name == b'IHDR':
            raise BadMessageError('data', 'a PNG with two headers')
        if name in _PICTURE_CHUNKS:
            kept.append(chunk)
        if name == b'IDAT':
            body_bytes += chunk.stop - chunk.start - _FRAME_BYTES
    unpacked = height * (1 + (width * _CHANNELS[color] * depth + 7) // 8)
    if unpacked > _DEFLATE_RATIO * body_bytes:
        raise BadMessageError('data', f'{body_bytes} bytes of pixels; a PNG of {width}x{height} '
                                      'cannot be packed into so few')
    return CheckedImage(height=height, width=width,
                        file=np.concatenate([buffer[part] for part in kept]),
                        unpacked_bytes=max(unpacked, height * width * 3))


def png_chunks(data: bytes) -> Iterator[tuple[bytes, slice]]:
    """Name and place of each chunk up to IEND, all of them whole."""
    at, name = len(PNG_MAGIC), b''
    while name != b'IEND':
        if at + _FRAME_BYTES > len(data):
            raise BadMessageError('data', f'{len(data)} bytes; the PNG is cut short')
        length, name = struct.unpack_from('>I4s', data, at)
        end = at + _FRAME_BYTES + length
        if end > len(data):
            raise BadMessageError('data', f'{len(data)} bytes; the PNG is cut short in a chunk '
                                          f'of {length} at byte {at}')
        (checksum,) = struct.unpack_from('>I', data, end - 4)
        if zlib.crc32(data[at + 4:end - 4]) != checksum:
            raise BadMessageError('data', f'the PNG is damaged in the chunk at byte {at}')
        yield name, slice(at, end)
        at = end
