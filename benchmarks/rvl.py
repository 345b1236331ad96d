# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What it costs to decode compressedDepth in RVL; exits with 1 below 30 images of 640 x 480 a
second. One thread, whole messages."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
from timing import fastest_ms

from anymodal_seg_ros.modalities.depth import DepthDecoder

HEIGHT, WIDTH = 480, 640
LIMIT_HZ = 30.0


def rvl_stream(image: npt.NDArray[np.uint16]) -> bytes:
    """A stream as the published encoder writes it."""
    pieces: list[int] = []

    def put(number: int) -> None:
        while number > 7:
            pieces.append(number & 7 | 8)
            number >>= 3
        pieces.append(number)

    values = image.reshape(-1).astype(np.int64)
    changes = np.flatnonzero(np.diff(values != 0)) + 1
    runs = np.split(values, changes)
    if values[0]:
        runs.insert(0, values[:0])
    if len(runs) % 2:
        runs.append(values[:0])
    previous = 0
    for zeros, run in zip(runs[::2], runs[1::2], strict=True):
        put(zeros.size)
        put(run.size)
        for value in run.tolist():
            difference = value - previous
            put(2 * difference if difference >= 0 else -2 * difference - 1)
            previous = value
    pieces += [0] * (-len(pieces) % 8)
    nibbles = np.array(pieces, np.uint32).reshape(-1, 8)
    words = (nibbles << np.arange(28, -1, -4, dtype=np.uint32)).sum(axis=1)
    return words.astype('<u4').tobytes()


def scenes(rng: np.random.Generator) -> dict[str, npt.NDArray[np.uint16]]:
    """Depth images in mm, from what a depth camera sees to what costs most."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    room = 800 + 3 * rows + columns / 2 + 300 * np.sin(columns / 40)
    room += rng.normal(0.0, 3.0, room.shape)
    room[rng.random(room.shape) < 0.02] = 0
    room[:60] = room[200:300, 100:250] = 0
    return {'a room with holes': room.astype(np.uint16),
            'every second pixel': ((rows + columns) % 2 * 1000).astype(np.uint16),
            'noise of 16 bits': rng.integers(0, 65536, room.shape).astype(np.uint16),
            'nothing seen': np.zeros(room.shape, np.uint16)}


def decoding(message: Any) -> Callable[[], object]:  # noqa: ANN401 - a message look-alike
    decoder = DepthDecoder()
    return lambda: decoder.decode(message)


def steps() -> dict[str, Callable[[], object]]:
    """The decoding of each scene in each encoding."""
    header = struct.pack('<iffII', 0, 10100.0, -1009.0, WIDTH, HEIGHT)
    streams = {name: header + rvl_stream(image)
               for name, image in scenes(np.random.default_rng(0)).items()}
    return {
        f'{name:<20} {encoding} {len(data):8d} bytes': decoding(
            SimpleNamespace(format=f'{encoding}; compressedDepth rvl', data=data))
        for name, data in streams.items() for encoding in ('16UC1', '32FC1')}


def main() -> int:
    rate_hz = np.inf
    for name, work in steps().items():
        decode_ms = fastest_ms(work)
        rate_hz = min(rate_hz, 1e3 / decode_ms)
        sys.stdout.write(f'{name} {decode_ms:7.2f} ms\n')
    sys.stdout.write(f'at least {rate_hz:.0f} images of {WIDTH} x {HEIGHT} a second\n')
    if rate_hz < LIMIT_HZ:
        sys.stderr.write(f'{LIMIT_HZ:.0f} are needed\n')
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
