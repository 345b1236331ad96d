# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parameter file and the page of parameters, from the node's own table."""

import textwrap
from collections.abc import Iterable
from typing import Any

import yaml

from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.ros.declaration import Spec
from anymodal_seg_ros.ros.params import parameter_specs

HEADER = """\
# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Every parameter of segmentation_node with its default. (dynamic) ones may change at run time.
# Written by scripts/write_docs.py.
/**:
  ros__parameters:
"""
WIDTH = 97
PAGE = """\
# Parameters

Every parameter of `segmentation_node`. `config/anymodal_seg.yaml` holds them all with their
defaults. A file of your own names only what differs:

```yaml
/**:
  ros__parameters:
    health:
      depth: {{stale_s: 0.5}}
    sync: {{max_wait_s: 0.05}}
```

Give it to a launch file with `params_file:=mine.yaml`, or to the node alone with
`--ros-args --params-file mine.yaml`, single values with `--ros-args -p health.depth.stale_s:=0.5`.
`<sensor>` is one of {sensors}. Written by `python scripts/write_docs.py`.

## At run time

`ros2 param set /anymodal_seg NAME VALUE` takes over what was set and nothing else. Whatever that
is, these stay: the state of every sensor and the reason for it, all counters, the samples that
wait for their set, the rates, latencies and image sizes that were learnt, what is usual in each
sensor's data, and the rig. Stamps of label images go on increasing. Only `enabled` makes a
sensor, and that one alone, start anew. A value out of its range, or one that contradicts
another, is refused with the reason, and nothing has changed.

| Parameter | Default | Allowed | Meaning | Set at run time |
|---|---|---|---|---|
{dynamic}

## At the start only

| Parameter | Default | Allowed | Meaning |
|---|---|---|---|
{fixed}
"""


def parameter_file() -> str:
    """The parameter file with every default."""
    tree: dict[str, Any] = {}
    for spec in parameter_specs():
        *areas, leaf = spec.name.split('.')
        branch = tree
        for area in areas:
            branch = branch.setdefault(area, {})
        branch[leaf] = spec
    return HEADER + '\n'.join(lines_of(tree, 2)) + '\n'


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
        text += f' {"Any" if spec.is_list else "One"} of {", ".join(spec.choices)}.'
    elif spec.range is not None:
        text += f' {spec.range}.'
    return text + (' (dynamic)' if spec.dynamic else '')


def as_yaml(value: Any) -> str:  # noqa: ANN401 - a parameter is of any type
    """A value on one line."""
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix(
        '\n').removesuffix('\n...')


def parameter_page() -> str:
    """The page with one row for each parameter; sensors that agree share one."""
    dynamic, fixed = [], []
    for name, specs in shared_rows(parameter_specs()):
        text = specs[0].text.replace('<', '&lt;')
        row = [f'`{name}`', defaults(specs), allowed(specs[0]), text, specs[0].effect]
        (dynamic if specs[0].dynamic else fixed).append(row)
    return PAGE.format(
        sensors=', '.join(f'`{sensor}`' for sensor in MODALITIES),
        dynamic='\n'.join(f'| {" | ".join(row)} |' for row in dynamic),
        fixed='\n'.join(f'| {" | ".join(row[:-1])} |' for row in fixed))


def shared_rows(specs: Iterable[Spec]) -> list[tuple[str, list[Spec]]]:
    """Parameters by their name, with ``<sensor>`` where all sensors have it with one meaning."""
    groups: dict[tuple[object, ...], list[Spec]] = {}
    for spec in specs:
        parts = ['<sensor>' if part in MODALITIES else part for part in spec.name.split('.')]
        key = ('.'.join(parts), spec.text, spec.range, spec.choices)
        groups.setdefault(key, []).append(spec)
    rows = []
    for (name, *_), members in groups.items():
        if len(members) == len(MODALITIES):
            rows.append((str(name), members))
        else:
            rows += [(spec.name, [spec]) for spec in members]
    return rows


def defaults(specs: list[Spec]) -> str:
    """The default, or the commonest one and the sensors that have another."""
    values = [as_yaml(spec.default) for spec in specs]
    common = max(values, key=values.count)
    others = [f'{spec.name.split(".")[1]}: `{value}`'
              for spec, value in zip(specs, values, strict=True) if value != common]
    return '; '.join([f'`{common}`', *others])


def allowed(spec: Spec) -> str:
    """The values that are taken."""
    if spec.choices:
        any_of = 'any of ' if spec.is_list else ''
        return any_of + ', '.join(f'`{choice}`' for choice in spec.choices)
    if spec.range is not None:
        return f'{len(spec.default)} of {spec.range}' if spec.is_list else str(spec.range)
    return {bool: '`true`, `false`', str: 'text', list: 'a list'}[type(spec.default)]
