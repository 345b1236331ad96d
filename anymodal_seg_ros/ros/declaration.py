# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters as data: what is declared, which values are allowed, and one error for all else."""

from __future__ import annotations

import difflib
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import (
    InvalidParameterException,
    InvalidParameterTypeException,
    InvalidParameterValueException,
)
from rclpy.node import Node

from anymodal_seg_ros import limits
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.ranges import Range

_KINDS = {bool: 'true or false', int: 'a whole number', float: 'a number with a point',
          str: 'a text'}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One parameter; its type is the default's."""

    name: str
    default: Any
    text: str
    range: Range | None = None
    """Of a number, or of each number of a list."""
    choices: tuple[str, ...] = ()
    """Of a text, or of each text of a list, where an empty one stands for none."""
    fixed_length: bool = False
    """Whether a list must have as many values as the default."""
    effect: str = ''
    """What setting it at run time does; empty where it is read-only."""

    @property
    def dynamic(self) -> bool:
        """Whether it may be set at run time."""
        return bool(self.effect)

    @property
    def is_list(self) -> bool:
        return isinstance(self.default, list)

    @property
    def is_whole(self) -> bool:
        """Whether it is a whole number."""
        return isinstance(self.default, int) and not isinstance(self.default, bool)

    def descriptor(self) -> ParameterDescriptor:
        """For ROS, which knows no range with a value beside it and none for lists."""
        descriptor = ParameterDescriptor(
            name=self.name, description=self.text, read_only=not self.dynamic)
        if self.choices:
            which = 'any of ' if self.is_list else 'one of '
            descriptor.additional_constraints = which + ', '.join(map(repr, self.choices))
        if self.range is None:
            return descriptor
        if self.is_list or self.range.also is not None:
            descriptor.additional_constraints = str(self.range)
        if self.is_list:
            return descriptor
        ends = [self.range.least, self.range.most, self.range.also]
        low, high = min(e for e in ends if e is not None), self.range.most
        if self.is_whole:
            descriptor.integer_range = [
                IntegerRange(from_value=int(low), to_value=int(high), step=0)]
        else:
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=float(low), to_value=float(high), step=0.0)]
        return descriptor

    def check(self, value: Any) -> None:  # noqa: ANN401 - a parameter is of any type
        """Raises ConfigError naming the value and what is allowed."""
        if not self.is_list:
            self._check_one(self.name, value, self.default)
            return
        if not isinstance(value, (list, tuple, array)):
            raise ConfigError(f'{self.name} is {value!r}; a list is needed')
        if self.fixed_length and len(value) != len(self.default):
            raise ConfigError(
                f'{self.name} has {len(value)} values; {len(self.default)} are needed')
        for index, item in enumerate(value):
            if not (self.choices and item == ''):
                self._check_one(f'{self.name}[{index}]', item, self.default[0])

    def _check_one(self, name: str, value: object, like: object) -> None:
        if type(value) is not type(like):
            raise ConfigError(f'{name} is {value!r}; {_KINDS[type(like)]} is needed')
        if self.choices:
            limits.one_of(name, value, self.choices)
        if self.range is not None:
            self.range.check(name, value, whole=self.is_whole)


ROS_PARAMETERS = ('use_sim_time', 'start_type_description_service')
"""What ROS itself takes from a node's parameters; not every release declares all of it."""
ROS_AREA = 'qos_overrides.'


def declare(node: Node, specs: Iterable[Spec], prefixes: Iterable[str]) -> dict[str, Any]:
    """Declare every parameter of a node and return the values by name.

    A value that was given for a name that nobody knows is warned about, with the nearest known
    name: one file may serve several nodes, so that it need not be a mistake.

    Args:
        prefixes: areas that belong to this node alone: there it is an error.

    Raises:
        ConfigError: a value has the wrong type or is not allowed, or a name is misspelt.
    """
    values: dict[str, Any] = {}
    for spec in specs:
        try:
            parameter = node.declare_parameter(spec.name, spec.default, spec.descriptor())
        except InvalidParameterTypeException as error:
            raise ConfigError(f'{spec.name}: {error}') from None
        except (InvalidParameterValueException, InvalidParameterException) as error:
            value = overrides(node)[spec.name].value
            spec.check(value)
            raise ConfigError(f'{spec.name} is {value!r}: {error}') from None
        spec.check(parameter.value)
        values[spec.name] = parameter.value
    areas = tuple(f'{prefix}.' for prefix in prefixes)
    for name in overrides(node):
        if name in values or name in ROS_PARAMETERS or name.startswith(ROS_AREA):
            continue
        nearest = difflib.get_close_matches(name, values, n=1)
        text = (f'{name} is not a parameter of {node.get_name()}'
                + ''.join(f'; did you mean {known}?' for known in nearest))
        if name.startswith(areas):
            raise ConfigError(text)
        node.get_logger().warning(f'ignored: {text}')
    return values


def overrides(node: Node) -> Mapping[str, Any]:
    """Values given on the command line or in a parameter file, by name.

    rclpy offers no public way to see those that were not declared.
    """
    found: Mapping[str, Any] = node._parameter_overrides
    return found
