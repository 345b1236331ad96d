# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""PNG and JPEG: what is decoded, and what is refused before a byte of it is unpacked."""

import struct
import zlib
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.modalities.compressed import SizeMemory
from anymodal_seg_ros.modalities.images import ColorDecoder, decode_color

RNG = np.random.default_rng(3)
RGB = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)
BGR = RGB[..., ::-1]
PNG = cv2.imencode('.png', BGR)[1].tobytes()
JPEG = cv2.imencode('.jpg', BGR)[1].tobytes()
SIGNATURE = b'\x89PNG\r\n\x1a\n'


def compressed(data, kind='png'):
    return SimpleNamespace(format=kind, data=bytes(data))


def chunk(name, content, length=None, checksum=None):
    length = len(content) if length is None else length
    checksum = zlib.crc32(name + content) if checksum is None else checksum
    return struct.pack('>I', length) + name + content + struct.pack('>I', checksum)


def header(width, height, depth=8, color=2):
    return chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, depth, color, 0, 0, 0))


END = chunk(b'IEND', b'')
PIXELS = chunk(b'IDAT', zlib.compress(b''.join(b'\0' + row.tobytes() for row in RGB)))


def png(width=8, height=6, *chunks, depth=8, color=2):
    return SIGNATURE + header(width, height, depth, color) + b''.join(chunks or (PIXELS,)) + END


def segment(marker, content, length=None):
    length = len(content) + 2 if length is None else length
    return b'\xff' + bytes([marker]) + struct.pack('>H', length) + content


def frame(width, height, marker=0xC0, bits=8, components=3):
    return segment(marker, struct.pack('>BHHB', bits, height, width, components)
                   + b'\x01\x11\x00' * components)


SCAN = segment(0xDA, b'\x03\x01\x00\x02\x00\x03\x00\x00\x3f\x00')


def jpeg(*segments):
    return b'\xff\xd8' + b''.join(segments) + b'\xff\xd9'


@pytest.fixture
def decoder_is_never_called(monkeypatch):
    def never(*_):
        raise AssertionError('handed to OpenCV')

    monkeypatch.setattr(cv2, 'imdecode', never)


def test_png_is_exact_in_eight_bits():
    np.testing.assert_array_equal(decode_color(compressed(PNG)), RGB)
    gray = cv2.imencode('.png', RGB[..., 0])[1]
    np.testing.assert_array_equal(decode_color(compressed(gray)),
                                  np.repeat(RGB[..., :1], 3, axis=2))
    np.testing.assert_array_equal(decode_color(compressed(png())), RGB)


def test_png_of_sixteen_bits_is_scaled_like_a_raw_image():
    deep = RNG.integers(0, 65536, (6, 8, 3), dtype=np.uint16)
    data = cv2.imencode('.png', deep[..., ::-1])[1]
    decoded = decode_color(compressed(data, 'bgr16; png compressed'))
    np.testing.assert_array_equal(decoded, np.rint(deep * (255 / 65535)))


def test_what_makes_no_picture_is_left_out():
    """A text of 100 MB in 100 kB, another picture of an animation, and bytes after the end."""
    text = chunk(b'zTXt', b'a\0\0' + zlib.compress(bytes(100_000_000)))
    animated = chunk(b'acTL', struct.pack('>II', 1, 0))
    control = chunk(b'fcTL', struct.pack('>IIIIIHHBB', 0, 16000, 16000, 0, 0, 1, 1, 0, 0))
    data = png(8, 6, text, animated, control, PIXELS) + b'after the end'
    np.testing.assert_array_equal(decode_color(compressed(data)), RGB)


@pytest.mark.parametrize('progressive', [0, 1])
def test_jpeg_keeps_red_first(progressive):
    image = np.zeros((32, 48, 3), np.uint8)
    image[:, :24] = (0, 0, 250)
    image[:, 24:] = (250, 0, 0)
    data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive])[1]
    decoded = decode_color(compressed(data, 'rgb8; jpeg compressed bgr8')).astype(int)
    assert decoded.shape == (32, 48, 3)
    assert np.abs(decoded[:, :20] - (250, 0, 0)).max() < 12
    assert np.abs(decoded[:, 28:] - (0, 0, 250)).max() < 12


@pytest.mark.parametrize('options', [
    [], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 1],
    [cv2.IMWRITE_JPEG_OPTIMIZE, 1], [cv2.IMWRITE_JPEG_QUALITY, 1],
    [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]])
@pytest.mark.parametrize('content', ['black', 'noise'])
@pytest.mark.parametrize('size_hw', [(1, 1), (47, 65), (480, 640)])
def test_jpegs_of_every_making_pass(options, content, size_hw):
    image = (np.zeros((*size_hw, 3), np.uint8) if content == 'black'
             else RNG.integers(0, 256, (*size_hw, 3), dtype=np.uint8))
    for picture in (image, image[..., 0]):
        data = cv2.imencode('.jpg', picture, options)[1]
        assert decode_color(compressed(data)).shape == (*size_hw, 3)
        filled = data.tobytes().replace(b'\xff\xda', b'\xff\xff\xff\xda', 1) + b'\0' * 500
        assert decode_color(compressed(filled)).shape == (*size_hw, 3)
        restarts = data.tobytes().replace(b'\xff\xd0', b'\xff\xff\xd0')
        assert decode_color(compressed(restarts)).shape == (*size_hw, 3)


@pytest.mark.slow
@pytest.mark.parametrize('size_hw', [(1, 1), (33, 65), (1080, 1920)])
@pytest.mark.parametrize('channels', [1, 3, 4])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_black_pngs_pass(size_hw, channels, dtype):
    for level in (1, 9):
        image = np.zeros((*size_hw, channels), dtype)
        data = cv2.imencode('.png', image, [cv2.IMWRITE_PNG_COMPRESSION, level])[1]
        assert not decode_color(compressed(data)).any()


@pytest.mark.parametrize(('data', 'says'), [
    (b'', 'JPEG or PNG is needed'),
    (b'\x00' * 100, 'JPEG or PNG is needed'),
    (SIGNATURE, 'cut short'),
    (PNG[:-30], 'cut short'),
    (PNG[:-1], 'cut short'),
    (SIGNATURE + PIXELS + END, 'without its header'),
    (SIGNATURE + chunk(b'IHDR', b'\0' * 12) + END, 'without its header'),
    (png(8, 6, header(8, 6), PIXELS), 'two headers'),
    (png(30000, 20), 'width 30000'),
    (png(16000, 16000), '16000x16000'),
    (png(0, 20), 'width 0'),
    (png(8, 6, depth=7), 'colour type 2 and 7 bits'),
    (png(8, 6, depth=2), 'colour type 2 and 2 bits'),
    (png(8, 6, color=5), 'colour type 5'),
    (png(8, 6, chunk(b'IDAT', b'abc', length=0xffffffd3)), 'cut short in a chunk of 4294967251'),
    (png(8, 6, chunk(b'tEXt', b'abc', length=0x7fffffff)), 'cut short in a chunk of 2147483647'),
    (png(8, 6, chunk(b'IDAT', b'abc', checksum=1)), 'damaged in the chunk at byte 33'),
    (png(1000, 1000, PIXELS), 'cannot be packed'),
    (png(8, 6, chunk(b'tEXt', b'abc')), 'cannot be packed'),
    (png(8100, 8100, chunk(b'IDAT', bytes(200_000))), 'unpacks to'),
    (b'\xff\xd8\xff', 'cut short'),
    (b'\xff\xd8\xff\xe0\x00\x00' + b'\x00' * 50, 'in a segment of 0'),
    (b'\xff\xd8\xff\xe0\xff\xff' + b'\x00' * 50, 'in a segment of 65535'),
    (JPEG[:-30], 'cut short'),
    (JPEG[:-1], 'cut short'),
    (jpeg(), 'without a frame header'),
    (jpeg(SCAN), 'without a frame header'),
    (jpeg(frame(8, 8)), 'cannot be packed'),
    (jpeg(frame(20000, 100), SCAN), 'width 20000'),
    (jpeg(frame(16000, 16000), SCAN), '16000x16000'),
    (jpeg(frame(8, 0), SCAN), 'height 0'),
    (jpeg(frame(8, 8), frame(8, 8), SCAN), 'two frame headers'),
    (jpeg(frame(8, 8), b'\xff\xd8', SCAN), 'within the JPEG'),
    (jpeg(frame(8, 8), b'junk', SCAN), 'without a marker'),
    (jpeg(frame(8, 8, marker=0xC9), SCAN), 'coding 0xc9'),
    (jpeg(frame(8, 8, marker=0xC3), SCAN), 'coding 0xc3'),
    (jpeg(frame(8, 8, bits=12), SCAN), '12 bits'),
    (jpeg(frame(8, 8, components=2), SCAN), '2 times'),
    (jpeg(segment(0xC0, b'\x08\0\x08'), SCAN), 'frame header of 3 bytes'),
    (jpeg(frame(1000, 1000), SCAN + b'\0' * 3900), 'cannot be packed'),
    (jpeg(frame(1000, 1000, marker=0xC2), SCAN + b'\0' * 1950), 'cannot be packed'),
    (jpeg(frame(8, 8), *[SCAN + b'\0'] * 21), 'more than 20 scans'),
    (jpeg(frame(8100, 8100), SCAN + bytes(300_000)), 'unpacks to'),
], ids=lambda value: value if isinstance(value, str) else '')
@pytest.mark.usefixtures('decoder_is_never_called')
def test_refused_before_decoding(data, says):
    with pytest.raises(BadMessageError, match=r'^data: ') as caught:
        decode_color(compressed(data))
    assert says in str(caught.value)


def test_damage_within_the_pixels_is_opencv_s_to_find():
    with pytest.raises(BadMessageError, match='damaged'):
        decode_color(compressed(png(8, 6, chunk(b'IDAT', b'not deflated'))))


def test_random_bytes_in_a_jpeg_never_escape_as_another_error():
    data = cv2.imencode('.jpg', RNG.integers(0, 256, (40, 40, 3), dtype=np.uint8))[1]
    for seed in range(60):
        rng = np.random.default_rng(seed)
        broken = data.copy()
        broken[rng.integers(2, broken.size - 2, 20)] = rng.integers(0, 256, 20)
        try:
            assert decode_color(compressed(broken, 'jpeg')).ndim == 3
        except BadMessageError as error:
            assert error.field == 'data'


def gray_png(height, width):
    return compressed(cv2.imencode('.png', np.zeros((height, width), np.uint16))[1])


@pytest.mark.parametrize('name', ['rgb', 'depth', 'event'])
def test_a_size_far_from_the_sensor_s_own_is_refused_until_it_insists(name, monkeypatch):
    decoder = MODALITIES[name].decoder_type()
    decoder.decode(gray_png(100, 100))
    decoder.decode(gray_png(200, 200))
    large, other = gray_png(401, 400), gray_png(450, 400)
    unpacked = []
    original = cv2.imdecode
    monkeypatch.setattr(cv2, 'imdecode', lambda *args: unpacked.append(0) or original(*args))
    for message in (large, large, other, large, large):
        with pytest.raises(BadMessageError, match=r'^data: 400x4.*40000 pixels'):
            decoder.decode(message)
    assert not unpacked
    assert decoder.decode(large).shape[:2] == (401, 400)
    assert decoder.decode(large).shape[:2] == (401, 400)


def test_a_good_image_ends_what_damaged_ones_have_claimed():
    decoder = ColorDecoder()
    small, large = gray_png(100, 100), gray_png(500, 500)
    decoder.decode(small)
    for _ in range(3):
        for _ in range(SizeMemory.AGREEING - 1):
            with pytest.raises(BadMessageError, match='500x500'):
                decoder.decode(large)
        decoder.decode(small)


def test_rvl_is_measured_by_the_same_rule():
    decoder = MODALITIES['depth'].decoder_type()

    def rvl(height, width):
        zeros = height * width
        pieces = [zeros >> 3 * place & 7 | 8 for place in range(9)] + [0, 0] + [0] * 5
        words = [int(''.join(f'{piece:x}' for piece in pieces[at:at + 8]), 16) for at in (0, 8)]
        data = struct.pack('<iffIIII', 0, 0.0, 0.0, width, height, *words)
        return compressed(data, '16UC1; compressedDepth rvl')

    assert np.isnan(decoder.decode(rvl(48, 64))).all()
    for _ in range(2):
        with pytest.raises(BadMessageError, match='640x480'):
            decoder.decode(rvl(480, 640))
    assert decoder.decode(rvl(480, 640)).shape == (480, 640)
