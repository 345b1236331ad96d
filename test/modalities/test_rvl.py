# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""RVL against streams written by hand and a decoder that goes piece by piece, as published."""

import numpy as np
import pytest

from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.modalities.rvl import decode_rvl

BY_HAND = {
    # zeros 2, values 3: +5 = 10 = 8|2, 1; +2 = 4; 0; zeros 1, values 1: -6 = 11 = 8|3, 1.
    'runs': ([0, 0, 5, 7, 7, 0, 1], '23A14011 B1000000'),
    # zeros 0, values 1: +65535 = 131070, octal 377776, lowest digit first; zeros 1, values 0.
    'six pieces': ([65535, 0], '01EFFFF3 10000000'),
    # zeros 64 = octal 100, values 1: +1 = 2.
    'a long run': ([0] * 64 + [1], '88112000'),
    'nothing seen': ([0] * 5, '50000000'),
    # zeros 0, values 2: +300 = 600 = octal 1130; -299 = 597 = octal 1125.
    'down again': ([300, 1], '028B91DA 91000000'),
}


def stream_of(words):
    """Bytes of words that are given as one reads them: each is stored lowest byte first."""
    return np.frombuffer(b''.join(bytes.fromhex(word)[::-1] for word in words.split()), np.uint8)


class Pieces:
    """The published algorithm: one number after the other."""

    def __init__(self, stream):
        words = [int.from_bytes(bytes(stream[at:at + 4]), 'little')
                 for at in range(0, len(stream) // 4 * 4, 4)]
        self.left = [word >> shift & 15 for word in words for shift in range(28, -1, -4)][::-1]

    def number(self):
        value = place = 0
        while True:
            if not self.left or place > 9:
                raise EOFError
            piece = self.left.pop()
            value |= (piece & 7) << (3 * place)
            place += 1
            if piece < 8:
                return value


def slowly(stream, num_pixels):
    pieces, image, previous = Pieces(stream), [], 0
    while len(image) < num_pixels:
        zeros = pieces.number()
        values = pieces.number()
        if len(image) + zeros + values > num_pixels:
            raise EOFError
        image += [0] * zeros
        for _ in range(values):
            zigzag = pieces.number()
            previous = (previous + (zigzag >> 1 ^ -(zigzag & 1))) & 0xFFFF
            image.append(previous)
    return image


def encoded(image):
    """Written from the same page, to have long streams."""
    pieces, previous, at = [], 0, 0

    def put(number):
        while number > 7:
            pieces.append(number & 7 | 8)
            number >>= 3
        pieces.append(number)

    while at < len(image):
        begin = at
        while at < len(image) and not image[at]:
            at += 1
        put(at - begin)
        begin = at
        while at < len(image) and image[at]:
            at += 1
        put(at - begin)
        for value in image[begin:at]:
            difference = int(value) - previous
            put(2 * difference if difference >= 0 else -2 * difference - 1)
            previous = int(value)
    pieces += [0] * (-len(pieces) % 8)
    words = [int(''.join(f'{piece:x}' for piece in pieces[at:at + 8]), 16)
             for at in range(0, len(pieces), 8)]
    return np.array(words, '<u4').view(np.uint8)


@pytest.mark.parametrize('name', BY_HAND)
def test_streams_written_by_hand(name):
    image, words = BY_HAND[name]
    decoded = decode_rvl(stream_of(words), len(image))
    assert decoded.dtype == np.uint16
    assert decoded.tolist() == image
    assert slowly(stream_of(words), len(image)) == image


@pytest.mark.parametrize('share_of_zeros', [0.0, 0.02, 0.5, 0.98])
@pytest.mark.parametrize('largest', [3, 4000, 65535])
def test_long_streams(share_of_zeros, largest):
    rng = np.random.default_rng([largest, round(100 * share_of_zeros)])
    image = rng.integers(1, largest + 1, 3000)
    image[rng.random(3000) < share_of_zeros] = 0
    np.testing.assert_array_equal(decode_rvl(encoded(image), 3000), image)


def test_what_follows_the_last_pixel_is_passed_over():
    image, words = BY_HAND['runs']
    assert decode_rvl(stream_of(words + ' FFFFFFFF 12345678'), len(image)).tolist() == image


@pytest.mark.parametrize(('words', 'num_pixels'), [
    ('', 4),
    ('23A14011', 7),
    ('23A14011 B1000000', 6),
    ('23A14011 B1000000', 8),
    ('FFFFFFFF FFFFFFFF', 4),
    ('FFFFFFFF FF000000', 4),
    ('0FFFFFFF FFF70000', 4),
    ('01FFFFFF FFFFF700', 1),
])
def test_streams_that_do_not_hold_the_image(words, num_pixels):
    with pytest.raises(BadMessageError, match=rf'^data: .*{num_pixels} pixels'):
        decode_rvl(stream_of(words), num_pixels)


def test_random_streams_are_read_as_the_slow_decoder_reads_them():
    agreed = refused = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        stream = rng.integers(0, 256, rng.integers(0, 60)).astype(np.uint8)
        stream &= np.uint8(rng.choice([0x11, 0x77, 0x3F, 0xFF]))
        num_pixels = int(rng.integers(1, 30))
        try:
            expected = slowly(stream, num_pixels)
        except EOFError:
            refused += 1
            with pytest.raises(BadMessageError):
                decode_rvl(stream, num_pixels)
        else:
            agreed += 1
            assert decode_rvl(stream, num_pixels).tolist() == expected, seed
    assert min(agreed, refused) > 50
