# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which numbers a setting may be, said once: in the annotation of its field.

    tolerance_s: Annotated[float, Range(0.0, 10.0)] = 0.03

Who offers the setting elsewhere, as a parameter or on a page, asks here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import ClassVar, Protocol, get_type_hints

from anymodal_seg_ros.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers from ``least`` to ``most``, both included."""

    least: float
    most: float
    also: float | None = None
    """One number beside them with a meaning of its own, such as 0 for off."""

    def __str__(self) -> str:
        span = f'{_shown(self.least)} to {_shown(self.most)}'
        return span if self.also is None else f'{_shown(self.also)}, or {span}'

    def check(self, name: str, value: object, *, whole: bool = False) -> None:
        """Raises ConfigError naming the value, unless it is one of these numbers."""
        kinds = (int,) if whole else (int, float)
        if (isinstance(value, kinds) and not isinstance(value, bool)
                and (self.least <= value <= self.most or value == self.also)):
            return
        raise ConfigError.of(name, value, f'a whole number, {self}' if whole else self)


@dataclass(frozen=True, slots=True)
class OneOf:
    """The names that a setting may be; a table stands for those of its rows."""

    names: Collection[str]


def _shown(number: float) -> str:
    """In as few characters as say it exactly."""
    short = f'{number:g}'
    return short if float(short) == number else str(number)


class RangedConfig(Protocol):
    """A dataclass whose numbers are annotated with a ``Range``."""

    ORDER: ClassVar[tuple[tuple[str, str], ...]]
    """Pairs of fields of which the first must not exceed the second; a second one that has the
    value beside its range says nothing."""


@cache
def ranges_of(config_type: type) -> Mapping[str, Range]:
    """The fields that have a range, with it."""
    found = {}
    for name, hint in get_type_hints(config_type, include_extras=True).items():
        for note in getattr(hint, '__metadata__', ()):
            if isinstance(note, Range):
                found[name] = note
    return MappingProxyType(found)


@cache
def _whole_numbers(config_type: type) -> frozenset[str]:
    return frozenset(name for name, kind in get_type_hints(config_type).items() if kind is int)


def check_config(config: RangedConfig) -> None:
    """Raises ConfigError for the first number out of its range, or order that does not hold."""
    kind = type(config)
    whole = _whole_numbers(kind)
    for name, allowed in ranges_of(kind).items():
        allowed.check(name, getattr(config, name), whole=name in whole)
    for low, high in kind.ORDER:
        lower, upper = getattr(config, low), getattr(config, high)
        if lower > upper != ranges_of(kind)[high].also:
            raise ConfigError(f'{low} is {lower!r}; at most {high} ({upper!r}) is allowed')


def range_beside(config: RangedConfig, name: str, free: Collection[str]) -> Range:
    """The range of a field where none but ``free`` ones may change with it.

    What does not change leaves less, so that no end of it is refused for what nobody can set.
    """
    found = ranges_of(type(config))[name]
    below = [getattr(config, low) for low, high in config.ORDER
             if high == name and low not in free]
    above = [getattr(config, high) for low, high in config.ORDER
             if low == name and high not in free
             and getattr(config, high) != ranges_of(type(config))[high].also]
    return replace(found, least=max([found.least, *below]), most=min([found.most, *above]))
