# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Launch arguments as data: what they say, which values are allowed, one error for all else.

A launch file gets text. Everything that text can be wrong in is found before a process starts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rclpy.exceptions import NameValidationException
from rclpy.validate_namespace import validate_namespace
from rclpy.validate_topic_name import validate_topic_name

from anymodal_seg_ros.corruption import FaultSchedule
from anymodal_seg_ros.documents import read_yaml
from anymodal_seg_ros.errors import AnymodalError, ConfigError
from anymodal_seg_ros.existence import exists, is_file
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.ros.bag_player_node import PARAMETERS as PLAYER_PARAMETERS

Parse = Callable[[str], Any]
TRUTHS = {'true': True, '1': True, 'yes': True, 'on': True,
          'false': False, '0': False, 'no': False, 'off': False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One argument of a launch file."""

    name: str
    default: str | None
    """None: it must be given."""
    text: str
    parse: Parse = str


def parsed(arguments: Iterable[Argument], texts: Mapping[str, str]) -> dict[str, Any]:
    """The values of all arguments.

    Raises:
        ConfigError: a value that is not allowed; it is named with its argument.
    """
    values = {}
    for argument in arguments:
        text = texts[argument.name]
        try:
            values[argument.name] = argument.parse(text)
        except (AnymodalError, NameValidationException) as error:
            words = ' '.join(str(error).split())
            raise ConfigError(f'{argument.name}:={text}: {words}') from None
    return values


def truth(text: str) -> bool:
    """True or False."""
    try:
        return TRUTHS[text.strip().lower()]
    except KeyError:
        raise ConfigError('allowed: true, false') from None


def number(low: float, high: float = math.inf) -> Parse:
    """A float from ``low`` to ``high``."""
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high or math.isinf(value):
            limit = '' if math.isinf(high) else f' to {high:g}'
            raise ConfigError(f'allowed: a number from {low:g}{limit}')
        return value

    return parse


def bag_rate(text: str) -> float:
    """A speed at which the player plays."""
    rate = next(spec for spec in PLAYER_PARAMETERS if spec.name == 'rate')
    assert rate.range is not None
    value: float = number(rate.range.least, rate.range.most)(text)
    return value


def whole_number(text: str) -> int:
    """An integer from 0."""
    if not re.fullmatch(r'\d+', text.strip()):
        raise ConfigError('allowed: a whole number from 0')
    return int(text)


def choice(*allowed: str) -> Parse:
    """One of some words."""
    def parse(text: str) -> str:
        if text not in allowed:
            raise ConfigError(f'allowed: {", ".join(allowed)}')
        return text

    return parse


def device(text: str) -> str:
    """As the node takes it; whether there is such a device, the node finds."""
    if not re.fullmatch(r'auto|cpu|cuda(:\d+)?', text):
        raise ConfigError('allowed: auto, cpu, cuda, cuda:<index>')
    return text


def topic(text: str) -> str:
    """A topic name, relative or absolute."""
    validate_topic_name(text)
    return text


def namespace(text: str) -> str:
    """A namespace or nothing."""
    if text.strip('/'):
        validate_namespace('/' + text.strip('/'))
    return text


def recording(text: str) -> str:
    """A path that exists, or nothing."""
    if text and not exists(Path(text)):
        raise ConfigError('no such recording')
    return text


def bundle(text: str) -> str:
    """A folder that can be one, or nothing."""
    if text and not is_file(Path(text) / 'bundle.json'):
        raise ConfigError('no bundle there; allowed: a folder with bundle.json, or nothing for '
                          'the one that is installed')
    return text


def parameters(text: str) -> list[dict[str, Any]]:
    """The parameters of each node of a file by their full names, such as ``inputs.depth.unit_m``,
    of nodes in any namespace; nothing gives none."""
    if not text:
        return []
    found = [dict(_full_names(table)) for table in _tables_of_parameters(read_yaml(text))]
    if not found:
        raise ConfigError('not a file of parameters; allowed: a table ros__parameters under the '
                          'name of a node, such as anymodal_seg or /**')
    return found


def _tables_of_parameters(table: object) -> Iterator[dict[str, Any]]:
    for key, value in table.items() if isinstance(table, dict) else ():
        if key == 'ros__parameters' and isinstance(value, dict):
            yield value
        else:
            yield from _tables_of_parameters(value)


def _full_names(table: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from ((f'{key}.{rest}', inner) for rest, inner in _full_names(value))
        else:
            yield str(key), value


def schedule(text: str) -> FaultSchedule:
    """The faults of a file; nothing gives none."""
    return FaultSchedule.from_yaml(text) if text else FaultSchedule()


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicArgument:
    """The topic of a sensor, or of its CameraInfo."""

    argument: Argument
    """Its default is the name by which the nodes know the topic."""
    injector_key: str
    """Of ``inputs.`` and ``outputs.`` of the fault injector."""


def _topic_arguments() -> Iterator[TopicArgument]:
    for name, row in MODALITIES.items():
        yield TopicArgument(injector_key=name, argument=Argument(
            name=f'{row.argument}_topic', default=row.topic, text=row.messages, parse=topic))
        if row.camera_info_topic:
            yield TopicArgument(injector_key=f'{name}_info', argument=Argument(
                name=f'{row.argument}_info_topic', default=row.camera_info_topic,
                text=f'CameraInfo of the {row.title}', parse=topic))


TOPICS = tuple(_topic_arguments())
BUNDLE = Argument(name='bundle', default='', parse=bundle,
                  text='Folder of the network to run; empty: the one that is installed')
BAG_RATE = Argument(name='bag_rate', default='1.0', parse=bag_rate,
                    text='Speed of the recording, 1.0 is real time')
LOOP = Argument(name='loop', default='false', parse=truth,
                text='Play the recording again and again')
FAULTS_FILE = Argument(
    name='faults_file', default='', parse=schedule,
    text='YAML schedule of sensor faults to inject; empty, or without faults: none')
RVIZ = Argument(name='rviz', default='false', parse=truth,
                text='Open RViz with the layout of this package')


def replay_arguments(faults_file: Path) -> tuple[Argument, ...]:
    """How a recording is replayed, with faults unless it is told otherwise."""
    return (replace(FAULTS_FILE, default=str(faults_file)), BAG_RATE, LOOP, BUNDLE, RVIZ)
