# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tables that people write and programs exchange: YAML, JSON and CSV, read without trust.

A few hundred bytes of either can stand for millions of values, or for a number that no float
holds. What is read here is as large as it looks, made of plain values, and whatever is wrong with
it is one ``ConfigError``.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import yaml

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.existence import is_file

MAX_YAML_BYTES = 1 << 18
MAX_CSV_BYTES = 256 << 20
MAX_VALUES = 20_000
"""Of a YAML document, with every alias counted as what it stands for."""
MAX_DEPTH = 50
MAX_DIGITS = 18
"""Of a whole number: all of them fit into 64 bits and into a float."""

# What the readers raise by accident for text that nobody thought of.
_FAILURES = (yaml.YAMLError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError,
             RecursionError)
_PREFIX = 'tag:yaml.org,2002:'
_SCALARS = frozenset({'null', 'bool', 'int', 'float', 'str', 'timestamp', 'merge', 'value'})
_COLLECTIONS = frozenset({'seq', 'map'})
_Base: Any = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """Plain values alone: whole numbers are bounded, and a date is the text that it is."""


def _whole_number(loader: Any, node: Any) -> int:  # noqa: ANN401 - PyYAML has no types
    if len(node.value) > MAX_DIGITS + 2:
        raise ValueError(f'a whole number of {len(node.value)} characters')
    number: int = loader.construct_yaml_int(node)
    return number


_Loader.add_constructor(f'{_PREFIX}int', _whole_number)
_Loader.add_constructor(f'{_PREFIX}timestamp', _Base.construct_yaml_str)


def read_yaml(path: str | Path) -> Any:  # noqa: ANN401 - whatever YAML holds
    """The content of a YAML file, unchecked; raises ConfigError where it cannot be read."""
    return parse_yaml(read_text(Path(path), MAX_YAML_BYTES, 'YAML'), str(path))


def parse_yaml(text: str, what: str) -> Any:  # noqa: ANN401
    """The value that a YAML text stands for.

    Raises:
        ConfigError: it is not YAML, has other values than plain ones, or stands for too many.
    """
    try:
        _check_extent(text)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _count_values(node, 0, {})
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except _FAILURES as error:
        raise ConfigError(f'{what} is not YAML: {" ".join(str(error).split())}') from None


def read_json(path: str | Path, max_bytes: int) -> Any:  # noqa: ANN401
    """The content of a JSON file, unchecked; raises ConfigError where it cannot be read."""
    return parse_json(read_text(Path(path), max_bytes, 'valid JSON'), str(path))


def parse_json(text: str | bytes, what: str, *,
               refuse_constants: bool = False) -> Any:  # noqa: ANN401
    """The value of a JSON text in which no key occurs twice; ``refuse_constants`` means NaN and
    infinity, which JSON itself does not know. Raises ConfigError."""
    def constant(name: str) -> float:
        if refuse_constants:
            raise ValueError(f'{name} is not a JSON value')
        return float(name)

    try:
        return json.loads(text, parse_int=_json_whole_number, parse_constant=constant,
                          object_pairs_hook=_unique)
    except _FAILURES as error:
        raise ConfigError(f'{what} is not valid JSON: {" ".join(str(error).split())}') from None


def _json_whole_number(digits: str) -> int:
    if len(digits) > MAX_DIGITS + 1:
        raise ValueError(f'a whole number of {len(digits)} digits')
    return int(digits)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError(f'a key occurs twice among {[key for key, _ in pairs]}')
    return table


def read_csv(path: Path) -> list[list[str]]:
    """The fields of each line of a CSV file; a last one without its end, as a killed process
    leaves it, is dropped. Raises ConfigError where it cannot be read."""
    text = read_text(path, MAX_CSV_BYTES, 'CSV')
    try:
        return list(csv.reader(text[:text.rfind('\n') + 1].splitlines()))
    except csv.Error as error:
        raise ConfigError(f'{path} is not CSV: {error}') from None


def read_text(path: Path, max_bytes: int, form: str) -> str:
    """The text of a file; raises ConfigError, which says that it is not ``form``."""
    if not is_file(path):
        raise ConfigError(f'cannot read {path}: No such file')
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise ConfigError(f'{path} is not {form}: {size} bytes; allowed: at most {max_bytes}')
        return path.read_text(encoding='utf-8')
    except OSError as error:
        raise ConfigError(f'cannot read {path}: {error.strerror}') from None
    except ValueError as error:
        raise ConfigError(f'{path} is not {form}, nor text at all: {error}') from None


def _check_extent(text: str) -> None:
    """Before anything is built: what goes through nested values calls itself for each level."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=_Base)):
        if number > 2 * MAX_VALUES:
            raise ValueError(f'more than {MAX_VALUES} values')
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise ValueError(f'nested more than {MAX_DEPTH} deep')


def _count_values(node: Any, depth: int,  # noqa: ANN401
                  known: dict[int, tuple[int, int] | None]) -> tuple[int, int]:
    """How many values a node stands for, and how deep they are nested; ``known`` has None for
    those that are being counted."""
    kind = str(node.tag).removeprefix(_PREFIX)
    allowed = _SCALARS if isinstance(node, yaml.ScalarNode) else _COLLECTIONS
    if kind not in allowed:
        raise ValueError(f'a value of the type {node.tag}')
    if isinstance(node, yaml.ScalarNode):
        return 1, 0
    counted = known.get(id(node), (0, 0))
    if counted is None:
        raise ValueError('a value that holds itself')
    total, height = counted
    if not total:
        known[id(node)] = None
        total = 1
        parts = ([part for pair in node.value for part in pair]
                 if isinstance(node, yaml.MappingNode) else node.value)
        for part in parts:
            values, levels = _count_values(part, depth + 1, known)
            total, height = total + values, max(height, levels + 1)
            if total > MAX_VALUES:
                raise ValueError(f'it stands for more than {MAX_VALUES} values')
        known[id(node)] = total, height
    if depth + height > MAX_DEPTH:
        raise ValueError(f'nested more than {MAX_DEPTH} deep')
    return total, height
