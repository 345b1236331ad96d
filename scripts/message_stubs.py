# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write stubs/*/msg/__init__.pyi: the ROS messages that this project names, as types for mypy.

What ROS generates for Python carries no types; its classes know their fields all the same. A test
compares the stubs with those of the installed classes.

    python scripts/message_stubs.py
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

STUBS = Path(__file__).resolve().parents[1] / 'stubs'
HEAD = ('# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors\n'
        '# SPDX-License-Identifier: Apache-2.0\n'
        '# Written by scripts/message_stubs.py.\n')
USED = (
    'builtin_interfaces/Time', 'diagnostic_msgs/DiagnosticArray',
    'rcl_interfaces/ParameterDescriptor', 'rcl_interfaces/SetParametersResult',
    'rosgraph_msgs/Clock', 'sensor_msgs/CameraInfo', 'sensor_msgs/CompressedImage',
    'sensor_msgs/Image', 'sensor_msgs/PointCloud2', 'std_msgs/Header', 'std_msgs/String',
)
"""And what their fields hold."""
SCALARS = {'boolean': 'bool', 'octet': 'bytes', 'string': 'str', 'wstring': 'str',
           'float': 'float', 'double': 'float'}
SEQUENCE = re.compile(r'sequence<(?P<of>[^,]+?)(, *\d+)?>')
ARRAY = re.compile(r'(?P<of>.+)\[\d+\]')


def message_class(name: str) -> type:
    package, _, message = name.partition('/')
    return getattr(importlib.import_module(f'{package}.msg'), message)


def fields_of(message: type) -> dict[str, str]:
    """Name to the interface's type."""
    return message.get_fields_and_field_types()


def element(interface_type: str) -> str:
    """What a field holds, or each place of one that holds many."""
    match = SEQUENCE.fullmatch(interface_type) or ARRAY.fullmatch(interface_type)
    return match['of'] if match else interface_type


def with_what_they_hold(names: Iterable[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [held for held in map(element, fields_of(message_class(name)).values())
                        if '/' in held]
    return found


def python_type(interface_type: str) -> str:
    def scalar(name: str) -> str:
        if '/' in name:
            return '.msg.'.join(name.split('/'))
        return SCALARS.get(re.sub(r'<\d+>$', '', name), 'int')

    def is_number(name: str) -> bool:
        return '/' not in name and scalar(name) in ('int', 'float')

    if match := SEQUENCE.fullmatch(interface_type):
        kind = 'array.array' if is_number(match['of']) else 'list'
    elif match := ARRAY.fullmatch(interface_type):
        if is_number(match['of']):
            width = {'float': 'float32', 'double': 'float64'}
            return f'numpy.typing.NDArray[numpy.{width.get(match["of"], match["of"])}]'
        kind = 'list'
    else:
        return scalar(interface_type)
    return f'{kind}[{scalar(match["of"])}]'


def constants_of(message: type) -> Iterator[tuple[str, str]]:
    for name, value in vars(message).items():
        if name.isupper() and isinstance(value, (bool, int, float, bytes, str)):
            yield name, type(value).__name__


def stub(message: type) -> str:
    lines = [f'class {message.__name__}:']
    lines += [f'    {name}: ClassVar[{kind}]' for name, kind in constants_of(message)]
    fields = {name: python_type(kind) for name, kind in fields_of(message).items()}
    lines += [f'    {name}: {kind}' for name, kind in fields.items()]
    settings = ''.join(f'        {name}: {kind} = ...,\n' for name, kind in fields.items())
    lines.append(f'    def __init__(\n        self,\n        *,\n{settings}    ) -> None: ...'
                 if fields else '    def __init__(self) -> None: ...')
    return '\n'.join(lines) + '\n'


def stubs() -> dict[str, str]:
    """The text of each stub, by its path in ``stubs``."""
    names = sorted(with_what_they_hold(USED))
    found = {}
    for package in sorted({name.partition('/')[0] for name in names}):
        classes = '\n\n'.join(
            stub(message_class(name)) for name in names if name.startswith(f'{package}/'))
        classes = classes.replace(f'{package}.msg.', '')
        modules = sorted(set(re.findall(r'([a-z_.]+)\.[A-Za-z]', classes)))
        head = ['import array'] if 'array' in modules else []
        head += ['from typing import ClassVar'] if 'ClassVar' in classes else []
        others = [f'import {module}' for module in modules if module != 'array']
        head += ['', *others] if head and others else others
        found[f'{package}/__init__.pyi'] = HEAD
        found[f'{package}/msg/__init__.pyi'] = '\n'.join([HEAD, *head, '', classes])
    return found


if __name__ == '__main__':
    for path, text in stubs().items():
        (STUBS / path).parent.mkdir(parents=True, exist_ok=True)
        (STUBS / path).write_text(text, encoding='utf-8')
