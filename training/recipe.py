# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recipe files as plain data: YAML, an optional base recipe, overrides from the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anymodal_seg_ros.documents import parse_yaml, read_yaml
from anymodal_seg_ros.errors import ConfigError

BASE = 'base'
MAX_DEPTH = 8


def read_recipe(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The recipe with its bases merged in and overrides applied.

    ``base: other.yaml`` (relative to the file) is read first; tables merge key by key, except
    ``options``, ``weights`` and lists, which replace. An override is ``key=value`` or
    ``key.key=value`` with a YAML value; an entry of a list is named by its number, the first by 0.

    Raises:
        ConfigError: a file that cannot be read or is no table, a circle of bases, or an override
            without '=' or through something that is neither table nor list.
    """
    data = _with_base(path, 0)
    for override in overrides:
        _apply(data, override)
    return data


def _with_base(path: Path, depth: int) -> dict[str, Any]:
    data = _read(path)
    base = data.pop(BASE, None)
    if base is None:
        return data
    if not isinstance(base, str):
        raise ConfigError(f'{path}: base must be the name of a recipe, not {base!r}')
    if depth == MAX_DEPTH:
        raise ConfigError(f'{path}: more than {MAX_DEPTH} bases on each other; is it a circle?')
    return _merged(_with_base(path.parent / base, depth + 1), data)


def _read(path: Path) -> dict[str, Any]:
    data = read_yaml(path)
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError.of(f'{path}: the recipe', data, 'a table')
    return data


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        mixes = key not in REPLACED and isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _merged(old or {}, value) if mixes else value
    return merged


REPLACED = ('options', 'weights')
"""Tables whose keys belong together: one method's options mean nothing to another."""


def _apply(data: dict[str, Any], override: str) -> None:
    key, equals, raw = override.partition('=')
    if not equals or not all(key.split('.')):
        raise ConfigError(f'{override!r} is no override; write key=value or section.key=value')
    value = parse_yaml(raw, f'the value of {override!r}')
    *sections, last = key.split('.')
    place: dict[str, Any] | list[Any] = data
    for section in sections:
        place = (place[_number(place, section, override)] if isinstance(place, list) else
                 place.setdefault(section, {}))
        if not isinstance(place, (dict, list)):
            raise ConfigError(f'{override!r}: {section} is no table but {place!r}')
    if isinstance(place, list):
        place[_number(place, last, override)] = value
    else:
        place[last] = value


def _number(entries: Sequence[Any], key: str, override: str) -> int:
    """Where in a list a key is; raises ConfigError for none of its entries."""
    numbers = [str(number) for number in range(len(entries))]
    if key not in numbers:
        raise ConfigError(f'{override!r}: {key} is no entry of a list of {len(entries)}; allowed: '
                          f'{", ".join(numbers) or "none"}')
    return int(key)
