# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of settings: each raises ConfigError naming the value and what is allowed. Layer: ground.

Numbers that a field's annotation limits are checked by ``ranges``, in the same words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import get_type_hints

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.ranges import OneOf, Range


def text(name: str, value: object) -> None:
    """``value`` is a string."""
    if not isinstance(value, str):
        raise ConfigError.of(name, value, 'text')


def flag(name: str, value: object) -> None:
    """``value`` is true or false."""
    if not isinstance(value, bool):
        raise ConfigError.of(name, value, 'true, false')


def whole(name: str, value: object, low: float, high: float) -> None:
    """``value`` is an integer from ``low`` to ``high``."""
    Range(low, high).check(name, value, whole=True)


def number(name: str, value: object, low: float, high: float) -> None:
    """``value`` is a number from ``low`` to ``high``."""
    if isinstance(value, str) and 'e' in value.lower():
        hint = '(YAML reads 1e-4 as text; write 1.0e-4)'
        raise ConfigError.of(name, value, f'{Range(low, high)} {hint}')
    Range(low, high).check(name, value)


def span(low_name: str, low: float, high_name: str, high: float, allowed: Range) -> None:
    """Both are in ``allowed``, and ``low`` is less than ``high``."""
    allowed.check(low_name, low)
    allowed.check(high_name, high)
    if low >= high:
        raise ConfigError.of(high_name, high, f'more than {low_name}, {low!r}')


def one_of(name: str, value: object, allowed: Iterable[object]) -> None:
    """``value`` is one of ``allowed``."""
    names = tuple(allowed)
    if value not in names:
        shown = ', '.join(str(item) or repr(item) for item in names)
        raise ConfigError.of(name, value, shown or 'none')


def table(name: str, value: object) -> None:
    """``value`` is a mapping."""
    if not isinstance(value, Mapping):
        raise ConfigError.of(name, value, 'a table')


def known(where: str, data: Iterable[str], keys: Iterable[str]) -> None:
    """``data`` has none but these keys."""
    names = tuple(keys)
    for key in data:
        if key not in names:
            raise ConfigError(
                f'{where}: unknown key {key!r}; allowed: {", ".join(names) or "none"}')


def annotated(settings: object) -> None:
    """Each field has a value that the note in its annotation allows, a Range or a OneOf."""
    for name, hint in get_type_hints(type(settings), include_extras=True).items():
        for note in getattr(hint, '__metadata__', ()):
            if isinstance(note, OneOf):
                one_of(name, getattr(settings, name), note.names)
            elif isinstance(note, Range):
                note.check(name, getattr(settings, name), whole=hint.__origin__ is int)
