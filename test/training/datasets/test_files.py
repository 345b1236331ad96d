# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Untrusted files: palettes, odd bit depths, arrays, lists."""

import struct
import zipfile
import zlib

import cv2
import numpy as np
import pytest

from training.datasets.files import (
    LabelTable,
    UnreadableFrameError,
    is_inside,
    read_array,
    read_color,
    read_deep_color,
    read_labels,
)

EVERY = LabelTable({i: i for i in range(256)})


def chunk(name, body):
    return struct.pack('>I', len(body)) + name + body + struct.pack('>I', zlib.crc32(name + body))


def write_png(path, rows, width, bits, kind, palette=b''):
    """A PNG by hand: cv2 writes no palettes and no fewer than 8 bits."""
    data = b''.join(b'\0' + bytes(row) for row in rows)
    header = struct.pack('>IIBBBBB', width, len(rows), bits, kind, 0, 0, 0)
    chunks = [chunk(b'IHDR', header)]
    if palette:
        chunks += [chunk(b'PLTE', palette), chunk(b'tRNS', b'\0')]
    chunks += [chunk(b'IDAT', zlib.compress(data)), chunk(b'IEND', b'')]
    path.write_bytes(b'\x89PNG\r\n\x1a\n' + b''.join(chunks))
    return path


def test_palette_labels_are_indices_even_where_colours_repeat(tmp_path):
    path = write_png(tmp_path / 'a.png', [[0, 1, 2], [255, 3, 7]], 3, 8, 3, bytes(3 * 256))
    assert read_labels(path, EVERY).tolist() == [[0, 1, 2], [255, 3, 7]]


@pytest.mark.parametrize('kind', [0, 3])
def test_labels_of_four_bits(kind, tmp_path):
    path = write_png(tmp_path / 'a.png', [[0x0F, 0x21]], 4, 4, kind,
                     bytes(3 * 16) if kind == 3 else b'')
    assert read_labels(path, EVERY).tolist() == [[0, 15, 2, 1]]


def test_a_palette_that_is_cut_short_is_named(tmp_path):
    path = write_png(tmp_path / 'a.png', [[0, 1]], 2, 8, 3, bytes(6))
    path.write_bytes(path.read_bytes()[:-14])
    with pytest.raises(UnreadableFrameError, match=r'a\.png is not a readable image.*cut short'):
        read_labels(path, EVERY)


@pytest.mark.parametrize('pixels', [
    np.full((2, 3), 7, np.uint8), np.full((2, 3), 7, np.uint16),
    np.full((2, 3, 3), (1, 2, 7), np.uint8), np.full((2, 3, 4), (1, 2, 7, 0), np.uint8),
])
def test_labels_are_the_only_or_the_red_channel(pixels, tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), pixels)
    assert (read_labels(tmp_path / 'a.png', EVERY) == 7).all()


def test_a_label_table_says_what_it_takes(tmp_path):
    table = LabelTable.from_one(3)
    values = np.array([[0, 1, 3, 255]], np.int64)
    assert table.decode(values, tmp_path).tolist() == [[255, 0, 2, 255]]
    for wrong in (4, -1, 70000):
        values[0, 1] = wrong
        with pytest.raises(UnreadableFrameError, match=f'label {wrong} at 1 .*: 0 to 3, 255'):
            table.decode(values, tmp_path)
    with pytest.raises(UnreadableFrameError, match='float64 labels'):
        table.decode(values.astype(float), tmp_path)


def test_a_huge_image_is_refused_before_it_is_decoded(tmp_path):
    path = write_png(tmp_path / 'bomb.png', [[0]], 1_000_000, 8, 0)
    with pytest.raises(UnreadableFrameError, match=r'bomb\.png.*1000000'):
        read_color(path)


def test_16_bits_are_kept_or_refused(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.full((2, 2, 3), (0, 257, 65535), np.uint16))
    assert read_deep_color(tmp_path / 'a.png')[0, 0].tolist() == [255, 1, 0]
    with pytest.raises(UnreadableFrameError, match='uint16 values; allowed: uint8'):
        read_color(tmp_path / 'a.png')


def test_arrays(tmp_path):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.save(tmp_path / 'a.npy', array)
    np.savez_compressed(tmp_path / 'a.npz', array)
    for suffix in ('.npy', '.npz'):
        assert np.array_equal(read_array(tmp_path / f'a{suffix}'), array)
    np.savez(tmp_path / 'two.npz', array, array)
    with pytest.raises(UnreadableFrameError, match='2 arrays, not one'):
        read_array(tmp_path / 'two.npz')


def test_arrays_are_refused_before_they_fill_the_memory(tmp_path):
    header = np.lib.format.magic(1, 0)
    body = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000), }".ljust(117)
    data = header + struct.pack('<H', 118) + body + b'\n'
    (tmp_path / 'bomb.npy').write_bytes(data)
    with zipfile.ZipFile(tmp_path / 'bomb.npz', 'w') as archive:
        archive.writestr('arr_0.npy', data)
    for name in ('bomb.npy', 'bomb.npz'):
        with pytest.raises(UnreadableFrameError, match=f'{name}.*1000000'):
            read_array(tmp_path / name)


@pytest.mark.parametrize('header', [b'{(', b"{'a': 1, 2: 3}", b'1 +', b'\0'])
def test_arrays_with_a_damaged_header_are_named(header, tmp_path):
    path = tmp_path / 'a.npy'
    path.write_bytes(np.lib.format.magic(1, 0) + struct.pack('<H', len(header)) + header)
    with pytest.raises(UnreadableFrameError, match=r'a\.npy is not a readable array'):
        read_array(path)


@pytest.mark.parametrize(('entry', 'inside'), [
    ('a', True), ('a/b.c/d', True), ('..a/b', True), ('', False), ('.', False), ('/a', False),
    ('a/..', False), ('a/../b', False), ('a\\b', False), ('c:x', False), ('a\0b', False),
])
def test_paths_that_lead_out(entry, inside):
    assert is_inside(entry) is inside
