# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What ``compressed_depth_image_transport`` publishes. numpy and OpenCV.

``format`` is "<encoding>; compressedDepth <png or rvl>" (older plugins leave the codec out), and
``data`` a header, then the codec's stream of 16-bit codes; before RVL stand the image's width and
height.
"""

from __future__ import annotations

import math
import struct

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.modalities.base import Float32Array, Uint8Array
from anymodal_seg_ros.modalities.compressed import SizeMemory, check_unpacked, decode_compressed
from anymodal_seg_ros.modalities.pixels import (
    CompressedImageMessage,
    check_image_size,
    message_bytes,
)
from anymodal_seg_ros.modalities.rvl import decode_rvl

Codes = npt.NDArray[np.uint16]
# An enum and two float parameters of the quantisation; then, for RVL alone, columns and rows.
_HEADER = struct.Struct('<iff')
_RVL_SIZE = struct.Struct('<II')
_INVERSE_DEPTH = 0
_RAW_ENCODINGS = ('16UC1', 'mono16', '')


def decode_compressed_depth(msg: CompressedImageMessage,
                            sizes: SizeMemory | None = None) -> Codes | Float32Array:
    """Depth [H, W] as sent: uint16 in the sensor's unit, 0 where there is no return, or float32
    in metres, where anything but a positive number is none.

    A format without ``compressedDepth`` is a plain PNG of 16 bits.

    Raises:
        BadMessageError: the message contradicts itself, or its format is not known.
    """
    buffer = message_bytes(msg.data)
    encoding, separator, codec = msg.format.partition('compressedDepth')
    if not separator:
        return _png_codes(buffer, sizes)
    encoding, codec = encoding.strip('; '), codec.strip()
    if codec not in ('', 'png', 'rvl') or encoding not in (*_RAW_ENCODINGS, '32FC1'):
        raise BadMessageError('format', f'{msg.format!r}; allowed: 16UC1 and 32FC1, each '
                                        'compressedDepth png or compressedDepth rvl')
    if buffer.size <= _HEADER.size:
        raise BadMessageError('data', f'{buffer.size} bytes; compressedDepth has a header of '
                                      f'{_HEADER.size}')
    scheme, quantum_a, quantum_b = _HEADER.unpack_from(buffer.data)
    stream = buffer[_HEADER.size:]
    if encoding in _RAW_ENCODINGS:
        return _codes(stream, codec, sizes)
    if scheme != _INVERSE_DEPTH:
        raise BadMessageError('data', f'compressedDepth scheme {scheme}; allowed: '
                                      f'{_INVERSE_DEPTH}, inverse depth')
    if not (math.isfinite(quantum_a) and math.isfinite(quantum_b)):
        raise BadMessageError('data', f'compressedDepth parameters {quantum_a} and {quantum_b}; '
                                      'finite ones are needed')
    codes = _codes(stream, codec, sizes)
    with np.errstate(divide='ignore', over='ignore'):
        depth_m = np.float32(quantum_a) / (codes.astype(np.float32) - np.float32(quantum_b))
    depth_m[codes == 0] = np.nan
    return depth_m


def _codes(stream: Uint8Array, codec: str, sizes: SizeMemory | None) -> Codes:
    return _rvl_codes(stream, sizes) if codec == 'rvl' else _png_codes(stream, sizes)


def _png_codes(stream: Uint8Array, sizes: SizeMemory | None) -> Codes:
    codes = decode_compressed(stream, cv2.IMREAD_UNCHANGED, sizes)
    if codes.dtype != np.uint16 or codes.ndim != 2:
        raise BadMessageError('data', f'{codes.dtype.name} {list(codes.shape)}; depth needs a PNG '
                                      'of 16 bits and one channel')
    return codes.astype(np.uint16, copy=False)


def _rvl_codes(stream: Uint8Array, sizes: SizeMemory | None) -> Codes:
    if stream.size < _RVL_SIZE.size:
        raise BadMessageError('data', f'{stream.size} bytes after the header; RVL has its width '
                                      f'and height in {_RVL_SIZE.size}')
    width, height = _RVL_SIZE.unpack_from(stream.data)
    check_image_size(height, width, field='data')
    check_unpacked(height, width, 2 * height * width, stream.size)
    if sizes is not None:
        sizes.check(height, width)
    codes = decode_rvl(stream[_RVL_SIZE.size:], height * width).reshape(height, width)
    if sizes is not None:
        sizes.learn(height, width)
    return codes
