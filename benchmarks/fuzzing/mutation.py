# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Damage: to bytes, to numbers, to nested data, and to the text that holds them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fuzzing.target import MAX_INPUT_BYTES

INTEGERS = (0, 1, -1, 2, 3, 4, 7, 8, 12, 16, 127, 128, 255, 256, 511, 4096, 32767, 32768, 65535,
            65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1, -2**31)
HOSTILE_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**63, 10**400, -10**400, 0.0, -0.0, 1e-300, 5e-324, 1e308,
    float('inf'), float('-inf'), float('nan'), '', 'x', '\0', '..', '/', 'a' * 5000, 'é\u202e', [],
    {}, [[]], {'': {}}, [None], [1, 2, 3], {'id': 0}, [10**400], 'nan', '1e999', '0x10', -1.5)
HOSTILE_TEXTS = (
    '&a [*a]', '&a {<<: *a}', '!!python/object/apply:os.system [x]', '!!bool x', '!!int ""',
    '!!float x', '!!timestamp 2001-99-99', '!!binary "*"', '!!set {a, b}', '!!omap [a: 1]',
    '!!pairs [a: 1]', '!!null x', '1' * 401, '1' * 5000, '9:' * 200 + '9', '0b' + '1' * 300,
    '2001-01-01', '2001-01-01T00:00:00+99:99', '1e999', '.inf', '-.inf', '.nan', '~', '[',
    '{', ']', '"', "'", '|', '>', '%YAML 9.9', '---\n---', '\t', '\ufeff', '? [a]\n: b',
    '[' * 3000, '{a: ' * 2000, '- ' * 3000, '? ' * 2000, '&a ' * 50, '*b', '<<: 1', '<<: [1]',
    '{"a": 1, "a": 2}', 'NaN', 'Infinity', '-Infinity', '\\u0000', '"\\ud800"', '1' * 4400)


def pick(rng: np.random.Generator, choices: Sequence[Any]) -> Any:  # noqa: ANN401
    """One of the choices, as it is."""
    return choices[int(rng.integers(len(choices)))]


def integer(rng: np.random.Generator, about: int) -> int:
    """A number near ``about``, near a power of two, or any."""
    kind = int(rng.integers(5))
    if kind == 0:
        return about + int(rng.integers(-3, 4))
    if kind == 1:
        return int(about * 2.0 ** rng.integers(-3, 6))
    if kind == 2:
        return int(rng.integers(0, 2**32))
    return int(pick(rng, INTEGERS)) + int(rng.integers(-1, 2))


def damaged(rng: np.random.Generator, data: bytes, other: bytes = b'') -> bytes:
    """``data`` after one to eight accidents, or nothing of it; ``other`` may get mixed in."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 9))):
        pick(rng, _ACCIDENTS)(rng, changed, other)
    return bytes(changed[:MAX_INPUT_BYTES - 1])


def _position(rng: np.random.Generator, data: bytearray) -> int:
    """Anywhere, but every second time near the beginning, where headers are."""
    size = len(data) + 1
    return int(rng.integers(size if rng.random() < 0.5 else min(size, 64)))


def _flip(rng: np.random.Generator, data: bytearray, other: bytes) -> None:
    if data:
        data[_position(rng, data) % len(data)] ^= 1 << int(rng.integers(8))


def _set_byte(rng: np.random.Generator, data: bytearray, other: bytes) -> None:
    if data:
        data[_position(rng, data) % len(data)] = int(pick(rng, INTEGERS)) & 0xFF


def _set_word(rng: np.random.Generator, data: bytearray, other: bytes) -> None:
    form = pick(rng, ('<H', '>H', '<I', '>I', '<Q', '>Q'))
    size = struct.calcsize(form)
    value = integer(rng, len(data)) & ((1 << 8 * size) - 1)
    at = _position(rng, data)
    data[at:at + size] = struct.pack(form, value)


def _set_float(rng: np.random.Generator, data: bytearray, other: bytes) -> None:
    form = pick(rng, ('<f', '<d'))
    value = pick(rng, (float('nan'), float('inf'), -1.0, 0.0, 1e-38, 3e38, 0.5, 1e10))
    at = _position(rng, data)
    data[at:at + struct.calcsize(form)] = struct.pack(form, value)


def _cut(rng: np.random.Generator, data: bytearray, other: bytes) -> None:
    del data[_position(rng, data):]


def _remove(rng: np.random.Generator, data: bytearray, other: bytes) -> None:
    at = _position(rng, data)
    del data[at:at + int(rng.integers(1, 40))]


def _insert(rng: np.random.Generator, data: bytearray, other: bytes) -> None:
    at = _position(rng, data)
    data[at:at] = rng.bytes(int(rng.integers(1, 40)))


def _repeat(rng: np.random.Generator, data: bytearray, other: bytes) -> None:
    at = _position(rng, data)
    data[at:at] = data[at:at + int(rng.integers(1, 200))] * int(rng.integers(1, 5))


def _overwrite(rng: np.random.Generator, data: bytearray, other: bytes) -> None:
    at, size = _position(rng, data), int(rng.integers(1, 200))
    data[at:at + size] = rng.bytes(size)


def _splice(rng: np.random.Generator, data: bytearray, other: bytes) -> None:
    at, begin = _position(rng, data), int(rng.integers(len(other) + 1))
    part = other[begin:begin + int(rng.integers(1, 400))]
    data[at:at + len(part)] = part


_Accident = Callable[[np.random.Generator, bytearray, bytes], None]
_ACCIDENTS: tuple[_Accident, ...] = (
    _flip, _flip, _flip, _set_byte, _set_word, _set_word, _set_float, _cut, _remove, _insert,
    _repeat, _overwrite, _splice)


def with_checksums(png: bytes) -> bytes:
    """A PNG whose chunks have the checksums of what is in them, as far as it can be walked."""
    fixed, at = bytearray(png), 8
    while at + 12 <= len(fixed):
        (length,) = struct.unpack_from('>I', fixed, at)
        end = at + 12 + length
        if end > len(fixed):
            break
        struct.pack_into('>I', fixed, end - 4, zlib.crc32(fixed[at + 4:end - 4]))
        at = end
    return bytes(fixed)


def altered(rng: np.random.Generator, data: Any) -> Any:  # noqa: ANN401 - any nested data
    """A copy of nested lists and tables with one to four places that hold something else."""
    changed = _copy(data)
    for _ in range(int(rng.integers(1, 5))):
        changed = _alter_one(rng, changed)
    return changed


def _copy(data: Any) -> Any:  # noqa: ANN401
    if isinstance(data, dict):
        return {key: _copy(value) for key, value in data.items()}
    return [_copy(value) for value in data] if isinstance(data, list) else data


def _alter_one(rng: np.random.Generator, data: Any) -> Any:  # noqa: ANN401
    """Goes down some way and puts something else there."""
    here = data
    while True:
        if not here or not isinstance(here, (dict, list)):
            return pick(rng, HOSTILE_VALUES)
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        key = pick(rng, keys)
        if isinstance(here[key], (dict, list)) and here[key] and rng.random() < 0.8:
            here = here[key]
            continue
        _alter_entry(rng, here, key)
        return data


def _alter_entry(rng: np.random.Generator, table: Any, key: Any) -> None:  # noqa: ANN401
    kind = int(rng.integers(8))
    if kind == 0:
        del table[key]
    elif kind == 1 and isinstance(table, dict):
        table[str(pick(rng, ('x', '', 'id', 'name', 'base', '<<')))] = table.pop(key)
    elif kind == 2 and isinstance(table, list):
        table.insert(key, table[key])
    elif kind == 3 and isinstance(table[key], (int, float)):
        table[key] = integer(rng, 10) * (1.0 if rng.random() < 0.5 else 1)
    else:
        table[key] = pick(rng, HOSTILE_VALUES)


def altered_text(rng: np.random.Generator, text: str) -> str:
    """Text of YAML or JSON after one to four accidents to its words and lines."""
    for _ in range(int(rng.integers(1, 5))):
        lines = text.split('\n')
        line = int(rng.integers(len(lines)))
        kind = int(rng.integers(6))
        hostile = str(pick(rng, HOSTILE_TEXTS))
        if kind == 0:
            at = int(rng.integers(len(text) + 1))
            text = text[:at] + hostile + text[at:]
            continue
        if kind == 1:
            lines[line] = lines[line].partition(':')[0] + ': ' + hostile
        elif kind == 2:
            del lines[line]
        elif kind == 3:
            lines.insert(line, lines[int(rng.integers(len(lines)))])
        elif kind == 4:
            lines[line] = ' ' * int(rng.integers(9)) + lines[line]
        else:
            lines.append(alias_bomb(rng))
        text = '\n'.join(lines)
    return text[:MAX_INPUT_BYTES // 4]


def alias_bomb(rng: np.random.Generator) -> str:
    """A few lines that stand for very many values, as lists, tables or merged tables."""
    width, depth = int(rng.integers(2, 12)), int(rng.integers(2, 30))
    form = pick(rng, ('a{0}: &a{0} [{1}]', 'a{0}: &a{0} {{<<: [{1}]}}', '- &a{0} [{1}]'))
    lines = [form.format(0, 'x' if '<<' not in form else '{x: 1}')]
    lines += [form.format(i, ', '.join([f'*a{i - 1}'] * width)) for i in range(1, depth)]
    return '\n'.join(lines)
