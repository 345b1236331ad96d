# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters as data: what is declared, which values are allowed, and one error for all else."""

from __future__ import annotations

import difflib
import math
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

from anymodal_seg_ros.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One parameter; its type is the default's."""

    name: str
    default: Any
    text: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    fixed_length: bool = False
    """Whether a list must have as many values as the default."""
    effect: str = ''
    """What setting it at run time does; empty where it is read-only."""

    @property
    def dynamic(self) -> bool:
        """Whether it may be set at run time."""
        return bool(self.effect)

    def descriptor(self) -> ParameterDescriptor:
        descriptor = ParameterDescriptor(
            name=self.name, description=self.text, read_only=not self.dynamic
        )
        if self.choices:
            descriptor.additional_constraints = 'one of ' + ', '.join(self.choices)
        if self.low is None or self.high is None:
            return descriptor
        if isinstance(self.default, int):
            bounds = IntegerRange(from_value=int(self.low), to_value=int(self.high), step=0)
            descriptor.integer_range = [bounds]
        else:
            low, high = float(self.low), float(self.high)
            span = FloatingPointRange(from_value=low, to_value=high, step=0.0)
            descriptor.floating_point_range = [span]
        return descriptor

    def check(self, value: Any) -> None:  # noqa: ANN401 - a parameter is of any type
        """Raises ConfigError naming the value and what is allowed."""
        if self.choices and value not in self.choices:
            raise ConfigError(
                f'{self.name} is {value!r}; allowed are {", ".join(map(repr, self.choices))}'
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f'{self.name} is {value}; a finite number is needed')
        if self.low is not None and self.high is not None and not self.low <= value <= self.high:
            raise ConfigError(f'{self.name} is {value}; {self.low} to {self.high} allowed')
        if self.fixed_length and len(value) != len(self.default):
            raise ConfigError(
                f'{self.name} has {len(value)} values; {len(self.default)} are needed'
            )


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
