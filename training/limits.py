# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of recipe values: each raises ConfigError naming the value and what is allowed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from anymodal_seg_ros.errors import ConfigError


def text(name: str, value: object) -> None:
    """``value`` is a string."""
    if not isinstance(value, str):
        raise ConfigError(f'{name} must be text, not {value!r}')


def flag(name: str, value: object) -> None:
    """``value`` is true or false."""
    if not isinstance(value, bool):
        raise ConfigError(f'{name} {value!r}; allowed: true, false')


def whole(name: str, value: object, low: float, high: float) -> None:
    """``value`` is an integer from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f'{name} {value!r}; allowed: a whole number from {low} to {high}')


def number(name: str, value: object, low: float, high: float) -> None:
    """``value`` is a finite number from ``low`` to ``high``."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not low <= value <= high:  # type: ignore[arg-type, operator]
        hint = ''
        if isinstance(value, str) and 'e' in value.lower():
            hint = ' (YAML reads 1e-4 as text; write 1.0e-4)'
        raise ConfigError(f'{name} {value!r}; allowed: a number from {low} to {high}{hint}')


def one_of(name: str, value: object, allowed: Sequence[object]) -> None:
    """``value`` is one of ``allowed``."""
    if value not in allowed:
        raise ConfigError(f'{name} {value!r}; allowed: {", ".join(map(str, allowed))}')


def table(name: str, value: object) -> None:
    """``value`` is a mapping."""
    if not isinstance(value, Mapping):
        raise ConfigError(f'{name} must be a table, not {value!r}')


def known(where: str, data: Mapping[str, object], keys: Sequence[str]) -> None:
    """``data`` has none but these keys."""
    for key in data:
        if key not in keys:
            raise ConfigError(f'{where}: unknown key {key!r}; known are '
                              f'{", ".join(keys) or "none"}')
