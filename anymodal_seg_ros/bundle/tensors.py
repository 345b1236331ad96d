# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""safetensors files, whose headers are checked before a tensor is made of them."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from anymodal_seg_ros.bundle.artefacts import MAX_ARTEFACT_BYTES, Artefact
from anymodal_seg_ros.bundle.folder import read_artefact
from anymodal_seg_ros.documents import parse_json
from anymodal_seg_ros.errors import BundleError, ConfigError

MAX_HEADER_BYTES = 16 << 20
MAX_DIMENSIONS = 8
ITEM_BYTES = {'F16': 2, 'BF16': 2, 'F32': 4}


@dataclass(frozen=True)
class Header:
    """What a safetensors file says of its tensors."""

    length: int
    """In bytes."""
    entries: Mapping[str, Any]
    """Name to dtype, shape and data_offsets, if it is right."""


def load_tensors(path: str | Path, artefact: Artefact) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` artefact of the bundle at ``path``, finite floats of 16
    or 32 bit; raises BundleError, as ``read_artefact`` does, and for anything else in it."""
    file = Path(path) / artefact.file
    data = read_artefact(path, artefact)
    header = read_header(file, io.BytesIO(data), len(data))
    check_header(file, header, len(data), _told_shapes(file, header))
    return decoded(file, data)


def read_header(file: Path, stream: BinaryIO, size: int) -> Header:
    """The header of a file of ``size`` bytes, at the begin of ``stream``; nothing in it is
    checked yet. ``file`` is for messages."""
    length = int.from_bytes(stream.read(8), 'little')
    if size < 8 or not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
        raise BundleError(
            f'{file} with {size} bytes claims a header of {length}; it is truncated or no '
            f'safetensors file (header at most {MAX_HEADER_BYTES})'
        )
    try:
        header = parse_json(stream.read(length), str(file), refuse_constants=True)
    except ConfigError as error:
        raise BundleError(str(error)) from None
    if not isinstance(header, dict):
        raise BundleError(f'{file}: the header is not a table')
    header.pop('__metadata__', None)
    return Header(length=length, entries=header)


def check_names(
    where: object, expected: Mapping[str, object], found: Mapping[str, object]
) -> None:
    """Raises BundleError unless both have the same names."""
    missing, unknown = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    if missing or unknown:
        raise BundleError(
            f'{where} does not fit the network: {len(missing)} missing {missing[:3]}, '
            f'{len(unknown)} unknown {unknown[:3]}'
        )


def check_header(
    file: Path, header: Header, size: int, expected: Mapping[str, tuple[int, ...]]
) -> None:
    """Check names, types, shapes and extents; raises BundleError."""
    entries = header.entries
    check_names(file, expected, entries)
    spans = [_checked_span(file, name, entries[name], expected[name]) for name in expected]
    end = 0
    for start, stop in sorted(spans):
        if start != end:
            raise BundleError(f'{file}: tensors overlap or leave gaps at byte {start}')
        end = stop
    described = 8 + header.length + end
    if described != size:
        raise BundleError(f'{file} has {size} bytes but its header describes {described}')


def decoded(file: Path, data: bytes) -> dict[str, Tensor]:
    """The tensors of a file whose header was found right; raises BundleError for a number that is
    not finite."""
    try:
        tensors = load(data)
    except SafetensorError as error:
        raise BundleError(f'{file}: {error}') from None
    for name, value in tensors.items():
        if not torch.isfinite(value).all():
            raise BundleError(f'{file}: {name} has values that are not finite')
    return tensors


def _told_shapes(file: Path, header: Header) -> dict[str, tuple[int, ...]]:
    """Of a file that no network says the shapes of."""
    shapes = {}
    for name, entry in header.entries.items():
        shape = entry.get('shape') if isinstance(entry, dict) else None
        if not isinstance(shape, list) or len(shape) > MAX_DIMENSIONS or not all(
                type(length) is int and 0 < length <= MAX_ARTEFACT_BYTES for length in shape):
            raise BundleError(f'{file}: {name} is described by {entry!r}')
        shapes[name] = tuple(shape)
    return shapes


def _checked_span(
    file: Path, name: str, entry: object, shape: tuple[int, ...]
) -> tuple[int, int]:
    if not isinstance(entry, dict) or set(entry) != {'dtype', 'shape', 'data_offsets'}:
        raise BundleError(f'{file}: {name} is described by {entry!r}')
    dtype, offsets = entry['dtype'], entry['data_offsets']
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        raise BundleError(f'{file}: {name} is {dtype!r}; allowed: {", ".join(ITEM_BYTES)}')
    if entry['shape'] != list(shape):
        raise BundleError(f'{file}: {name} is {entry["shape"]}; the network has {list(shape)}')
    valid = isinstance(offsets, list) and [type(v) for v in offsets] == [int, int]
    num_bytes = ITEM_BYTES[dtype] * math.prod(shape)
    if not valid or offsets[0] < 0 or offsets[1] - offsets[0] != num_bytes:
        raise BundleError(f'{file}: {name} lies at {offsets!r}; it has {num_bytes} bytes')
    return offsets[0], offsets[1]
