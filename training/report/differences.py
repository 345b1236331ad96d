# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""In which settings recipes differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

ABSENT = '–'


def recipe_differences(
    recipes: Sequence[Mapping[str, Any]], ignored: Sequence[str] = ()
) -> dict[str, tuple[str, ...]]:
    """Settings that are not alike everywhere: ``section.key`` to one value for each recipe, as
    YAML would read it back, ``ABSENT`` where a recipe does not have it.

    Args:
        recipes: plain data.
        ignored: keys of the top level to leave out.
    """
    flat = [dict(_flat({key: value for key, value in recipe.items() if key not in ignored}))
            for recipe in recipes]
    names = dict.fromkeys(name for settings in flat for name in settings)
    rows = {name: tuple(settings.get(name, ABSENT) for settings in flat) for name in names}
    return {name: values for name, values in rows.items() if len(set(values)) > 1}


def _flat(value: object, name: str = '') -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f'{name}.{key}' if name else str(key))
    else:
        yield name, value if isinstance(value, str) and value else json.dumps(value, default=str)
