# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A run folder, read for its report. Only the recipe must be there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from anymodal_seg_ros.documents import MAX_YAML_BYTES, parse_yaml, read_json, read_text
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.existence import exists, is_file
from anymodal_seg_ros.labels import LabelSpace
from training.report.metrics import Column, read_metrics
from training.report.scores import Scores, read_scores

RECIPE, METRICS, REPORT = 'recipe.yaml', 'metrics.csv', 'report.html'
SCORES, ROBUSTNESS = 'scores.json', 'robustness.json'
SAMPLES, BUNDLE = 'samples', 'bundle/bundle.json'
MAX_JSON_BYTES = 256 << 20

_Part = TypeVar('_Part')


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a run folder holds."""

    path: Path
    recipe_text: str
    recipe: Mapping[str, Any]
    metrics: Mapping[str, Column]
    scores: Scores | None
    robustness: Mapping[str, Any]
    label_space: LabelSpace | None
    provenance: Mapping[str, Any]
    """The bundle's; empty before there is one."""
    problems: tuple[str, ...]
    """A line for each file that is there and cannot be used."""

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.resolve().name

    @property
    def method(self) -> str:
        """The training method's name."""
        method = self.recipe.get('method')
        return str(method.get('name', 'supervised') if isinstance(method, dict) else
                   method or 'supervised')


def read_run(path: Path) -> Run:
    """Read a run folder; what is absent is left empty, what is damaged is in ``problems``.

    Raises:
        ConfigError: the folder has no readable recipe, so it is no run.
    """
    text, recipe = _recipe(path)
    problems: list[str] = []

    def part(name: str, read: Callable[[Path], _Part], empty: _Part) -> _Part:
        file = path / name
        if not exists(file):
            return empty
        try:
            return read(file)
        except ConfigError as error:
            problems.append(f'{name}: {error}')
            return empty

    empty: dict[str, Any] = {}
    bundle = part(BUNDLE, _table, empty)
    return Run(
        path=path, recipe_text=text, recipe=recipe, metrics=part(METRICS, read_metrics, {}),
        scores=part(SCORES, lambda file: read_scores(_table(file)), None),
        robustness=part(ROBUSTNESS, _table, empty),
        label_space=part(BUNDLE, lambda file: LabelSpace.from_dict(bundle.get('label_space')),
                         None) if bundle else None,
        provenance=_dict(bundle.get('provenance')), problems=tuple(problems))


def _recipe(path: Path) -> tuple[str, dict[str, Any]]:
    file = path / RECIPE
    if not is_file(file):
        raise ConfigError(f'{path} is no training run: it has no {RECIPE}')
    text = read_text(file, MAX_YAML_BYTES, 'YAML')
    recipe = parse_yaml(text, str(file))
    if not isinstance(recipe, dict):
        raise ConfigError(f'{file} must hold a table, not {type(recipe).__name__}')
    return text, recipe


def _table(file: Path) -> dict[str, Any]:
    data = read_json(file, MAX_JSON_BYTES)
    if not isinstance(data, dict):
        raise ConfigError(f'must hold a table, not {type(data).__name__}')
    return data


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
