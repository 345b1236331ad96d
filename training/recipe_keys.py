# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The keys of a recipe as a page: name, default, what is allowed, meaning."""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass
from textwrap import fill
from typing import Any, get_origin

import yaml

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models import MODELS
from anymodal_seg_ros.ranges import Range
from training.datasets import DATASETS
from training.methods import METHODS
from training.settings import OneOf, Setting, settings_of
from training.train_config import TrainConfig

WIDTH = 100
OPEN: Mapping[str, tuple[str, Mapping[str, type]]] = {
    'model_config': ('model', {name: row.config for name, row in MODELS.items()}),
    'data.options': ('data.name', {name: kind.OPTIONS for name, kind in DATASETS.items()}),
    'method.options': ('method.name', {name: row.options for name, row in METHODS.items()}),
    'sets.N.options': ('its name', {name: kind.OPTIONS for name, kind in DATASETS.items()}),
}
"""Tables whose keys depend on another key's value: that key, and the settings by its value."""
ALONE = 'data.sets'
"""A list of which a single table stands as ``data``, beside what is of the run."""
KINDS = {str: 'text', bool: 'true, false', int: 'a whole number', float: 'a number',
         tuple: 'a list', Mapping: 'a table'}


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A table of a recipe."""

    place: str
    """What its keys begin with; empty for the recipe's own."""
    only_where: str
    """The condition under which it is read; empty for always."""
    kind: type

    def settings(self) -> Iterator[tuple[str, Setting]]:
        """The keys that hold a value of their own, in full, and their settings."""
        for item in settings_of(self.kind):
            if item.section is None:
                yield _joined(self.place, item.name), item


def sections(of: type = TrainConfig) -> Iterator[Section]:
    """All tables of a recipe, whose settings class is given, each before those within it."""
    return _below(Section(place='', only_where='', kind=of))


def keys_page(begins_with: str = '', of: type = TrainConfig) -> str:
    """The keys that begin with some text, of a recipe whose settings class is given.

    Raises:
        ConfigError: there is none.
    """
    found = []
    for section in sections(of):
        keys = [_entry(key, item) for key, item in section.settings()
                if key.startswith(begins_with)]
        if keys:
            found.append('\n'.join([_heading(section), *keys]))
    if not found:
        raise ConfigError(f'no key begins with {begins_with!r}; sections are '
                          f'{", ".join(dict.fromkeys(s.place for s in sections(of) if s.place))}')
    return '\n\n'.join(found)


def keys_overview(of: type = TrainConfig) -> str:
    """The recipe's own keys in a line, then a line for each section."""
    items = settings_of(of)
    own = ', '.join(item.name for item in items if item.section is None and item.name not in OPEN)
    lines = [fill(f'the recipe itself: {own}', WIDTH, initial_indent='  ',
                  subsequent_indent='    ')]
    lines += [f'  {item.name:14}{item.meaning}' for item in items
              if item.section is not None or item.name in OPEN]
    return '\n'.join(lines)


class ShowKeys(argparse.Action):
    """Like ``--help``: prints the page of keys, or those that begin so, and ends the command.

    Args:
        of: settings class of the recipe.
    """

    def __init__(self, *args: Any, of: type = TrainConfig, **kwargs: Any  # noqa: ANN401
                 ) -> None:
        super().__init__(*args, **kwargs)
        self._of = of

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace,
                 values: object, option_string: str | None = None) -> None:
        try:
            page = keys_page(str(values), self._of)
        except ConfigError as error:
            parser.error(str(error))
        sys.stdout.write(page + '\n')
        parser.exit()


def _below(section: Section) -> Iterator[Section]:
    yield section
    for item in settings_of(section.kind):
        place = _joined(section.place, item.name)
        if item.section is not None:
            number = '.N' if get_origin(item.kind) is tuple else ''
            yield from _below(Section(
                place=section.place if place == ALONE else place + number,
                only_where=section.only_where, kind=item.section))
        if place in OPEN:
            chooser, kinds = OPEN[place]
            for name, kind in kinds.items():
                yield from _below(Section(place=place, kind=kind,
                                          only_where=f'where {chooser} is {name}'))


def _joined(place: str, name: str) -> str:
    return f'{place}.{name}' if place else name


def _heading(section: Section) -> str:
    title = section.place or 'the recipe itself'
    if section.only_where:
        title = f'{title}, {section.only_where}'
    [summary] = inspect.cleandoc(section.kind.__doc__ or '').split('\n\n')[:1]
    return f'{title}\n{_filled(summary, "  ")}'


def _entry(key: str, item: Setting) -> str:
    default = 'needed' if item.default is MISSING else f'= {_shown(item.default)}'
    return (f'  {key} {default}  ({_allowed(item)})\n'
            f'{_filled(item.meaning, "      ")}')


def _allowed(item: Setting) -> str:
    if isinstance(item.allowed, OneOf):
        return ', '.join(name or "''" for name in item.allowed.names)
    kind = KINDS[get_origin(item.kind) or item.kind]
    if isinstance(item.allowed, Range):
        return f'{kind} from {item.allowed.least:.10g} to {item.allowed.most:.10g}'
    return kind


def _filled(text: str, indent: str) -> str:
    return fill(text.replace('``', "'"), WIDTH, initial_indent=indent, subsequent_indent=indent)


def _shown(value: Any) -> str:  # noqa: ANN401  # a default of any kind
    """As a recipe has it."""
    plain = list(value) if isinstance(value, tuple) else value
    text: str = yaml.safe_dump(plain, default_flow_style=True)
    return text.removesuffix('\n').removesuffix('\n...')
