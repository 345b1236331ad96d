# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes ``config/anymodal_seg.yaml`` from the node's own table of parameters."""

import textwrap
from pathlib import Path
from typing import Any

import yaml

from anymodal_seg_ros.ros.declaration import Spec
from anymodal_seg_ros.ros.params import parameter_specs

HEADER = """\
# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Every parameter of segmentation_node with its default. (dynamic) ones may change at run time.
# Written by scripts/write_node_parameters.py.
/**:
  ros__parameters:
"""
WIDTH = 97


def main() -> None:
    tree: dict[str, Any] = {}
    for spec in parameter_specs():
        *areas, leaf = spec.name.split('.')
        branch = tree
        for area in areas:
            branch = branch.setdefault(area, {})
        branch[leaf] = spec
    target = Path(__file__).resolve().parents[1] / 'config' / 'anymodal_seg.yaml'
    target.write_text(HEADER + '\n'.join(lines_of(tree, 2)) + '\n', encoding='utf-8')


def lines_of(tree: dict[str, Any], depth: int) -> list[str]:
    """The lines of one area, those below it included."""
    indent = '  ' * depth
    lines = []
    for name, item in tree.items():
        if isinstance(item, Spec):
            lines += [f'{indent}# {line}'
                      for line in textwrap.wrap(description(item), WIDTH - len(indent))]
            lines.append(f'{indent}{name}: {as_yaml(item.default)}')
        else:
            lines += [f'{indent}{name}:', *lines_of(item, depth + 1)]
    return lines


def description(spec: Spec) -> str:
    """What a parameter means, what is allowed and whether it may change."""
    text = f'{spec.text}.'
    if spec.choices:
        text += f' One of {", ".join(spec.choices)}.'
    elif spec.low is not None:
        text += f' {spec.low:g} to {spec.high:g}.'
    return text + (' (dynamic)' if spec.dynamic else '')


def as_yaml(value: Any) -> str:  # noqa: ANN401 - a parameter is of any type
    """A value on one line."""
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix(
        '\n').removesuffix('\n...')


if __name__ == '__main__':
    main()
