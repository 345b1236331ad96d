# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of public data sets, read without trust: sizes before contents, no pickle, no way out of
the data set's folder, and errors that name the file."""

from __future__ import annotations

import io
import logging
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.errors import BadMessageError, ConfigError
from anymodal_seg_ros.existence import is_file
from anymodal_seg_ros.labels import UNLABELLED
from anymodal_seg_ros.modalities.compressed import (
    BYTES_PER_BYTE,
    FREE_BYTES,
    decode_compressed,
)
from anymodal_seg_ros.modalities.png import PNG_MAGIC, png_chunks
from training.datasets.frames import Image, UInt8

IMAGE_SUFFIXES = ('.jpg', '.png')
logger = logging.getLogger(__name__)
_PNG_HEADER_BYTES = 33
_PALETTE_TYPE, _GREY_TYPE = 3, 0
# The header of an array is Python text, which numpy repairs and parses.
_ARRAY_ERRORS = (ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error,
                 SyntaxError, TypeError, tokenize.TokenError)


class UnreadableFrameError(ConfigError):
    """A file of one frame is missing, damaged, or not what the layout says. It is named."""


class LabelTable:
    """What each stored label value stands for; any other value is an error."""

    def __init__(self, ids: Mapping[int, int]) -> None:
        """``ids``: stored value, 0 to 65535, to class id or ``UNLABELLED``."""
        self._ids = np.full(1 << 16, -1, np.int16)
        for stored, class_id in ids.items():
            self._ids[stored] = class_id
        self.allowed = _spans(sorted(ids))

    @classmethod
    def plain(cls, num_classes: int) -> LabelTable:
        """Stored ids are class ids, and 255 is unlabelled."""
        return cls({**{i: i for i in range(num_classes)}, UNLABELLED: UNLABELLED})

    @classmethod
    def from_one(cls, num_classes: int) -> LabelTable:
        """Stored 1 is class 0 and so on; 0 and 255 are unlabelled."""
        return cls({**{i + 1: i for i in range(num_classes)}, 0: UNLABELLED,
                    UNLABELLED: UNLABELLED})

    def decode(self, values: npt.NDArray[Any], what: object) -> UInt8:
        """Class ids [H, W] of stored values; raises UnreadableFrameError for an unknown one, which
        says of ``what``, a file mostly."""
        if values.dtype.kind not in 'iu':
            raise UnreadableFrameError(f'{what} holds {values.dtype} labels; allowed: integers')
        within = (values >= 0) & (values < len(self._ids))
        ids = self._ids[np.where(within, values, 0)]
        known = within & (ids >= 0)
        if not known.all():
            raise UnreadableFrameError(
                f'{what} holds label {int(values[~known].flat[0])} at {int((~known).sum())} '
                f'pixels; allowed: {self.allowed}')
        return ids.astype(np.uint8)


def read_pixels(path: Path) -> npt.NDArray[Any]:
    """uint8 or uint16, [H, W] or [H, W, C] in OpenCV's order, of a PNG or JPEG as it is stored.

    Raises:
        UnreadableFrameError: no such file, too large, cut short, or no PNG or JPEG.
    """
    return _decode(path, _file_bytes(path))


def read_color(path: Path) -> UInt8:
    """uint8 [H, W, 3], red first; grey is repeated and a fourth channel dropped."""
    pixels = read_pixels(path)
    if pixels.dtype != np.uint8:
        raise UnreadableFrameError(f'{path} has {pixels.dtype} values; allowed: uint8')
    return red_first(pixels)


def read_deep_color(path: Path) -> Image:
    """As :func:`read_color`; a 16-bit file gives float32 with 65535 as 255."""
    pixels = red_first(read_pixels(path))
    return pixels if pixels.dtype == np.uint8 else pixels.astype(np.float32) / np.float32(257)


def red_first(pixels: npt.NDArray[Any]) -> Image:
    """[H, W, 3] of pixels in OpenCV's order."""
    if pixels.ndim == 2:
        return np.repeat(pixels[:, :, None], 3, axis=2)
    return np.ascontiguousarray(pixels[:, :, 2::-1])


def read_labels(path: Path, table: LabelTable) -> UInt8:
    """Class ids [H, W] of a label PNG: its only channel, palette indices, or the red channel."""
    data = _file_bytes(path)
    step = 1
    if data[:8].tobytes() == PNG_MAGIC and data.size > _PNG_HEADER_BYTES:
        bits, kind = int(data[24]), int(data[25])
        if kind == _PALETTE_TYPE:
            with _naming(path):
                data = _indices_as_grey(data)
        if kind in (_PALETTE_TYPE, _GREY_TYPE) and bits in (1, 2, 4):
            step = 255 // ((1 << bits) - 1)  # decoding spreads fewer bits over 0..255
    values = _decode(path, data)
    if values.ndim == 3:
        values = values[:, :, min(2, values.shape[2] - 1)]
    return table.decode(values // step, path)


def read_array(path: Path) -> npt.NDArray[Any]:
    """The array of a ``.npy`` file, or the only one of a ``.npz``; never unpickles.

    Raises:
        UnreadableFrameError: no such file, damaged, too large, Python objects, or values that are
            not finite.
    """
    _check_exists(path)
    try:
        array = _read_npy(_unpacked(path) if path.suffix == '.npz' else path.read_bytes())
    except _ARRAY_ERRORS as error:
        raise UnreadableFrameError(f'{path} is not a readable array: {error}') from None
    if array.dtype.kind == 'f' and not np.isfinite(array).all():
        raise UnreadableFrameError(f'{path} holds values that are not finite')
    return array


def read_list(path: Path, name_of: Callable[[str], str] = str) -> tuple[str, ...]:
    """The first word of each line of a split's list; blank lines are passed over, and so are
    repeated entries, with one warning for all.

    Args:
        path: the list.
        name_of: what an entry is called, for lists that name files.

    Raises:
        ConfigError: no such file, or an entry that leads out of the data set.
    """
    if not is_file(path):
        raise ConfigError(f'no list of the split: {path}')
    try:
        # Windows puts a mark at the start.
        lines = path.read_text(encoding='utf-8-sig').splitlines()
    except UnicodeDecodeError as error:
        raise ConfigError(f'{path} is no text: {error}') from None
    entries: dict[str, int] = {}
    repeated: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        entry = line.split()[0] if line.strip() else ''
        if not entry:
            continue
        if not is_inside(entry):
            raise ConfigError(f"{path}, line {number}: {entry!r}; allowed: a path without '..', "
                              'backslash or leading slash')
        name = name_of(entry)
        if name in entries:
            repeated.setdefault(name, number)
        else:
            entries[name] = number
    if repeated:
        first, number = next(iter(repeated.items()))
        logger.warning('%s lists %d frames more than once, which count once; the first is %r in '
                       'lines %d and %d', path, len(repeated), first, entries[first], number)
    return tuple(entries)


def name_of_image(*folders: str) -> Callable[[str], str]:
    """For lists whose entries are names or files, with or without one of ``folders`` before."""

    def name_of(entry: str) -> str:
        path = PurePosixPath(entry)
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            return entry
        inside = path.relative_to(path.parts[0]) if path.parts[0] in folders else path
        return str(inside.with_suffix(''))

    return name_of


def is_inside(entry: str) -> bool:
    """Whether a relative path stays below the folder that it is relative to."""
    path = PurePosixPath(entry)
    return (not path.is_absolute() and '..' not in path.parts and '\\' not in entry
            and ':' not in entry and '\0' not in entry and path.name != '')


def first_file(stem: Path, suffixes: tuple[str, ...]) -> Path:
    """The first of ``<stem><suffix>`` that exists; raises UnreadableFrameError if none does."""
    for suffix in suffixes:
        path = stem.with_name(stem.name + suffix)
        if is_file(path):
            return path
    raise UnreadableFrameError(f'no file {stem}{"|".join(suffixes)}')


def _check_exists(path: Path) -> None:
    if not is_file(path):
        raise UnreadableFrameError(f'no file {path}')


def _file_bytes(path: Path) -> UInt8:
    _check_exists(path)
    try:
        return np.fromfile(path, np.uint8)
    except OSError as error:
        raise UnreadableFrameError(f'{path} cannot be read: {error.strerror}') from None


def _decode(path: Path, data: UInt8) -> npt.NDArray[Any]:
    with _naming(path):
        return decode_compressed(data, cv2.IMREAD_UNCHANGED)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except BadMessageError as error:
        raise UnreadableFrameError(f'{path} is not a readable image: {error}') from None


def _indices_as_grey(data: UInt8) -> UInt8:
    """A palette PNG turned into a grey one, so that decoding gives indices and not colours."""
    raw = data.tobytes()
    parts = [PNG_MAGIC]
    for name, place in png_chunks(raw):
        if name == b'IHDR':
            head = raw[place][4:17] + bytes([_GREY_TYPE]) + raw[place][18:-4]
            parts.append(raw[place][:4] + head + struct.pack('>I', zlib.crc32(head)))
        elif name in (b'IDAT', b'IEND'):
            parts.append(raw[place])
    return np.frombuffer(b''.join(parts), np.uint8)


def _unpacked(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) != 1:
            raise ValueError(f'{len(members)} arrays, not one')
        member = members[0]
        allowed = FREE_BYTES + BYTES_PER_BYTE * member.compress_size
        if member.file_size > allowed:
            raise ValueError(f'{member.compress_size} bytes unpack to {member.file_size}; allowed '
                             f'are {allowed}')
        with archive.open(member) as stream:
            return stream.read(member.file_size)


def _read_npy(data: bytes) -> npt.NDArray[Any]:
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    read_header = (np.lib.format.read_array_header_1_0 if version == (1, 0)
                   else np.lib.format.read_array_header_2_0)
    shape, _, dtype = read_header(stream)
    if dtype.hasobject:
        raise ValueError('it holds Python objects')
    wanted = math.prod(shape) * dtype.itemsize
    if not 0 <= wanted <= len(data):
        raise ValueError(f'its shape is {shape} of {dtype}, but it has {len(data)} bytes')
    stream.seek(0)
    array: npt.NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return array


def _spans(values: list[int]) -> str:
    """'0 to 3, 255' for 0, 1, 2, 3, 255."""
    spans: list[list[int]] = []
    for value in values:
        if spans and value == spans[-1][-1] + 1:
            spans[-1] = [spans[-1][0], value]
        else:
            spans.append([value, value])
    return ', '.join(f'{a}' if a == b else f'{a} to {b}' for a, b in spans)
