# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""RVL, the lossless code of depth images (Wilson, "Fast Lossless Depth Image Compression", ISS
2017), decoded with as little Python for each pixel as numpy allows. numpy only.

The stream is of 4-bit pieces, eight to a little-endian word, highest first. A number has three
bits in each piece, lowest first; the fourth bit says that more follow. Runs alternate: how many
zeros, how many values, then for each value its difference from the one before, as zigzag.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.modalities.base import Uint8Array

_MORE = 8
# 30 bits: more than any number of pixels, and than any difference.
_LONGEST = 10
_TOO_LONG = 2**30


def decode_rvl(stream: Uint8Array, num_pixels: int) -> npt.NDArray[np.uint16]:
    """The first ``num_pixels`` values, uint16 [num_pixels], of an RVL stream, uint8 [N].

    Raises:
        BadMessageError: the stream ends early, or its runs do not end with the image.
    """
    numbers = _numbers(stream)
    counts, headers = _runs(numbers, num_pixels)
    is_value = np.ones(int(headers[-1]) + 2 + int(counts[-1, 1]), dtype=bool)
    is_value[headers] = False
    is_value[headers + 1] = False
    zigzag = numbers[:is_value.size][is_value]
    if zigzag.max(initial=0) == _TOO_LONG:
        raise BadMessageError('data', f'an RVL stream for {num_pixels} pixels with a number of '
                                      f'more than {_LONGEST} pieces')
    differences = (zigzag >> 1) ^ -(zigzag & 1)
    values = np.cumsum(differences, out=differences).astype(np.uint16)
    is_zero_or_value = np.zeros(counts.shape, dtype=bool)
    is_zero_or_value[:, 1] = True
    image = np.zeros(num_pixels, dtype=np.uint16)
    image[np.repeat(is_zero_or_value.reshape(-1), counts.reshape(-1))] = values
    return image


def _numbers(stream: Uint8Array) -> npt.NDArray[np.int32]:
    """Every complete number of the stream."""
    highest_first = stream[:stream.size // 4 * 4].reshape(-1, 4)[:, ::-1].reshape(-1)
    pieces = np.stack([highest_first >> 4, highest_first & 15], axis=1).reshape(-1)
    ends = np.flatnonzero(pieces < _MORE).astype(np.int32)
    starts = np.empty_like(ends)
    starts[:1] = 0
    starts[1:] = ends[:-1] + 1
    lengths = ends - starts + 1
    numbers: npt.NDArray[np.int32] = (pieces[starts] & 7).astype(np.int32)
    longer = np.flatnonzero(lengths > 1)
    for place in range(1, _LONGEST):
        if not longer.size:
            break
        numbers[longer] |= (pieces[starts[longer] + place] & 7).astype(np.int32) << (3 * place)
        longer = longer[lengths[longer] > place + 1]
    numbers[longer] = _TOO_LONG
    return numbers


def _runs(numbers: npt.NDArray[np.int32], num_pixels: int
          ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.intp]]:
    """Counts [R, 2] of zeros and values of each run, and where its two numbers stand, [R]."""
    # Where a run begins depends on the one before; a list is what Python walks fastest.
    listed = numbers.tolist()
    headers = []
    at, missing = 0, num_pixels
    try:
        while missing > 0:
            headers.append(at)
            num_values = listed[at + 1]
            missing -= listed[at] + num_values
            at += 2 + num_values
    except IndexError:
        missing = -1
    if missing or at > len(listed):
        raise BadMessageError('data', f'an RVL stream of {len(listed)} numbers that does not hold '
                                      f'{num_pixels} pixels')
    first = np.array(headers, dtype=np.intp)
    return np.stack([numbers[first], numbers[first + 1]], axis=1), first
