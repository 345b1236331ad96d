# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings classes: frozen dataclasses that say themselves what their fields may be and mean.

    lr: Annotated[float, Range(1e-9, 1)] = 6e-4
    '''Rate after the warm-up.'''

The annotation is what is checked, and what the help shows; the text below a field is its meaning.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from itertools import pairwise
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from anymodal_seg_ros import limits
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.ranges import OneOf as OneOf
from anymodal_seg_ros.ranges import Range

Section = TypeVar('Section')
Share = Annotated[float, Range(0, 1)]
Weight = Annotated[float, Range(0, 1e6)]
"""Of a loss term."""


@dataclass(frozen=True, kw_only=True)
class NoSettings:
    """None of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A field of a settings class."""

    name: str
    kind: Any
    """Its type, without None and without notes."""
    may_be_none: bool
    allowed: Range | OneOf | None
    default: Any
    """``dataclasses.MISSING`` where it must be given."""
    meaning: str
    """The text below the field; empty where there is none."""

    @property
    def section(self) -> type | None:
        """The settings class whose keys, or a list of whose tables, are its value."""
        kind = get_args(self.kind)[0] if get_origin(self.kind) is tuple else self.kind
        return kind if is_dataclass(kind) and isinstance(kind, type) else None

    def check(self, name: str, value: object) -> None:
        """Raises ConfigError, with ``name`` for the setting, for a value that is not allowed."""
        if self.may_be_none and value is None:
            return
        if isinstance(self.allowed, OneOf):
            limits.one_of(name, value, tuple(self.allowed.names))
        elif isinstance(self.allowed, Range):
            check = limits.whole if self.kind is int else limits.number
            check(name, value, self.allowed.least, self.allowed.most)
        elif self.kind is str:
            limits.text(name, value)
        elif self.kind is bool:
            limits.flag(name, value)
        elif get_origin(self.kind) is Mapping:
            limits.table(name, value)


def settings_of(kind: type) -> tuple[Setting, ...]:
    """The fields of a settings class in their order, with those of the classes it extends."""
    return _settings_of(kind)


@cache
def _settings_of(kind: Any) -> tuple[Setting, ...]:  # noqa: ANN401  # mypy hashes its instances
    hints = get_type_hints(kind, include_extras=True)
    meanings: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if '__dataclass_fields__' in vars(base):
            meanings.update(_meanings(base))
    found = []
    for item in fields(kind):
        hint, *notes = (get_args(hints[item.name])
                        if get_origin(hints[item.name]) is Annotated else (hints[item.name],))
        kinds = get_args(hint) if get_origin(hint) is UnionType else (hint,)
        found.append(Setting(
            name=item.name, kind=next(each for each in kinds if each is not NoneType),
            may_be_none=NoneType in kinds,
            allowed=next((note for note in notes if isinstance(note, (Range, OneOf))), None),
            default=item.default if item.default_factory is MISSING else item.default_factory(),
            meaning=meanings.get(item.name, '')))
    return tuple(found)


def check_settings(section: str, settings: object) -> None:
    """Raises ConfigError for the first field with a value that its annotation does not allow.

    Args:
        section: the recipe's name for the settings, such as 'optim'; empty for the recipe itself.
        settings: one of a settings class.
    """
    for item in settings_of(type(settings)):
        name = f'{section}.{item.name}' if section else item.name
        item.check(name, getattr(settings, item.name))


def read_section(kind: type[Section], section: str, data: object) -> Section:
    """Settings from plain data, tables and lists of tables within it read alike.

    Args:
        kind: a settings class.
        section: the recipe's name for it; empty for the recipe itself.
        data: a table.

    Raises:
        ConfigError: an unknown key, one without a default left out, or a value not allowed.
    """
    where = section or 'the recipe'
    if not isinstance(data, Mapping):
        raise ConfigError.of(where, data, 'a table')
    items = {item.name: item for item in settings_of(kind)}
    limits.known(where, data, tuple(items))
    for key, item in items.items():
        if item.default is MISSING and key not in data:
            raise ConfigError(f'{where}: {key!r} is missing')
    return kind(**{key: _value(items[key], section, value) for key, value in data.items()})


def _value(item: Setting, section: str, data: object) -> object:
    """What the settings class takes; a section in its place is taken as it is."""
    name = f'{section}.{item.name}' if section else item.name
    is_list = get_origin(item.kind) is tuple
    if item.section is None:
        return _names(f'{section or "the recipe"}: {item.name}', data) if is_list else data
    if is_list:
        if not isinstance(data, (list, tuple)):
            raise ConfigError.of(name, data, 'a list')
        return tuple(_section(item.section, f'{name}[{number}]', entry)
                     for number, entry in enumerate(data))
    # An empty table says as little as none.
    return None if item.may_be_none and not data else _section(item.section, name, data)


def _section(kind: type[Section], name: str, data: object) -> Section:
    return data if isinstance(data, kind) else read_section(kind, name, data)


def _names(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise ConfigError.of(name, value, 'a list of names')
    return tuple(value)


def _meanings(kind: type) -> dict[str, str]:
    """Of the fields that the class itself has."""
    [definition] = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for item, below in pairwise(definition.body):
        if (isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
                and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)):
            found[item.target.id] = inspect.cleandoc(str(below.value.value))
    return found
