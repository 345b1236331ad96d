# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A JPEG's segments, walked before anything is decoded (ITU-T T.81, annex B). numpy only.

A decoder goes over the whole picture once for each scan, however few bytes a scan has.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.modalities.base import Uint8Array
from anymodal_seg_ros.modalities.checked_image import CheckedImage
from anymodal_seg_ros.modalities.pixels import check_image_size

JPEG_MAGIC = b'\xff\xd8\xff'
MAX_SCANS = 20
"""Encoders write one to four scans, or about ten in progressive files."""
_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
# C4, C8 and CC in the midst of the frame headers are tables and a reserved marker.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_RESTARTS = range(0xD0, 0xD8)
_TEMPORARY, _START, _END, _SCAN = 0x01, 0xD8, 0xD9, 0xDA
_BLOCK_PX = 64


def check_jpeg(buffer: Uint8Array) -> CheckedImage:
    """A JPEG, uint8 [N], whose segments are whole up to the end of the image.

    Raises:
        BadMessageError: a segment is cut short or missing, the coding is not Huffman's, or the
            scans cannot hold an image of this size.
    """
    frame: tuple[int, int, int, int] | None = None
    scans = scan_bytes = 0
    for marker, content, following_bytes in _segments(buffer):
        if marker in _FRAMES:
            if frame is not None:
                raise BadMessageError('data', 'a JPEG with two frame headers')
            frame = _frame(marker, content)
        elif marker == _SCAN:
            scans += 1
            scan_bytes += following_bytes
            if scans > MAX_SCANS:
                raise BadMessageError('data', f'a JPEG of more than {MAX_SCANS} scans')
    if frame is None:
        raise BadMessageError('data', 'a JPEG without a frame header')
    marker, height, width, components = frame
    # Each block has a code for its mean, of a bit at least, and baseline one more for its rest.
    bits = 1 if marker == _PROGRESSIVE else 2
    if height * width * bits > 8 * _BLOCK_PX * scan_bytes:
        raise BadMessageError('data', f'{scan_bytes} bytes of pixels; a JPEG of {width}x{height} '
                                      'cannot be packed into so few')
    return CheckedImage(height=height, width=width, file=buffer,
                        unpacked_bytes=height * width * max(3, components))


def _segments(buffer: Uint8Array) -> Iterator[tuple[int, bytes, int]]:
    """Marker, content and, of scans, the bytes that follow, of each segment up to the end."""
    data = buffer.tobytes()
    scan_ends = _markers_within_scans(buffer)
    at = 2
    while True:
        at, marker = _next_marker(data, at)
        if marker == _END:
            return
        if marker == _START:
            raise BadMessageError('data', f'a JPEG within the JPEG at byte {at - 2}')
        if marker == _TEMPORARY or marker in _RESTARTS:
            continue
        content, at = _segment(data, at)
        if marker != _SCAN:
            yield marker, content, 0
            continue
        following = int(np.searchsorted(scan_ends, at))
        if following == scan_ends.size:
            raise BadMessageError('data', f'{len(data)} bytes; the JPEG is cut short')
        yield marker, content, int(scan_ends[following]) - at
        at = int(scan_ends[following])


def _markers_within_scans(buffer: Uint8Array) -> npt.NDArray[np.intp]:
    """Where a marker begins that ends a scan: not a stuffed 0xFF, a restart or a fill byte."""
    first, second = buffer[:-1], buffer[1:]
    is_marker = ((first == 0xFF) & (second != 0x00) & (second != 0xFF)
                 & ((second & 0xF8) != 0xD0))
    return np.flatnonzero(is_marker)


def _next_marker(data: bytes, at: int) -> tuple[int, int]:
    """Position after the marker at ``at``, and its code."""
    begin = at
    while at < len(data) and data[at] == 0xFF:
        at += 1
    if at == len(data):
        raise BadMessageError('data', f'{len(data)} bytes; the JPEG is cut short')
    if at == begin or data[at] == 0x00:
        raise BadMessageError('data', f'a JPEG without a marker at byte {begin}')
    return at + 1, data[at]


def _segment(data: bytes, at: int) -> tuple[bytes, int]:
    """The content of the segment whose length stands at ``at``, and the position after it."""
    if at + 2 > len(data):
        raise BadMessageError('data', f'{len(data)} bytes; the JPEG is cut short')
    (length,) = struct.unpack_from('>H', data, at)
    if length < 2 or at + length > len(data):
        raise BadMessageError('data', f'{len(data)} bytes; the JPEG is cut short in a segment of '
                                      f'{length} at byte {at}')
    return data[at + 2:at + length], at + length


def _frame(marker: int, segment: bytes) -> tuple[int, int, int, int]:
    """(marker, height, width, components) of a frame header."""
    if marker not in (_BASELINE, _EXTENDED, _PROGRESSIVE):
        raise BadMessageError('data', f'a JPEG of coding 0x{marker:02x}; allowed: baseline, '
                                      'extended and progressive with Huffman codes')
    if len(segment) < 6:
        raise BadMessageError('data', 'a JPEG with a frame header of '
                                      f'{len(segment)} bytes; 6 needed')
    bits, height, width, components = struct.unpack_from('>BHHB', segment)
    if bits != 8 or components not in (1, 3, 4):
        raise BadMessageError('data', f'a JPEG of {components} times {bits} bits; allowed: 1, '
                                      '3 or 4 times 8')
    check_image_size(height, width, field='data')
    return marker, height, width, components
