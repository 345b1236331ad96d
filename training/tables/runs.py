# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The runs of a table: every row that is wanted or needed, with every seed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anymodal_seg_ros.bundle import read_description
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.existence import is_dir, is_file
from anymodal_seg_ros.resources import resource_path
from training.output_folder import BUNDLE_FOLDER, CHECKPOINT_FILE, SCORES_FILE
from training.tables.table import RowConfig, TableConfig
from training.train_config import SCRATCH, TEACHER, TrainConfig

ROBUSTNESS_FILE = 'robustness.json'


@dataclass(frozen=True, kw_only=True)
class TableRun:
    """One training."""

    row: RowConfig
    folder: Path
    needs: tuple[str, ...]
    """Names of the folders of other runs."""
    recipe: Path
    overrides: tuple[str, ...]
    config: TrainConfig

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.folder.name

    def is_trained(self) -> bool:
        """Whether it has its bundle and scores; raises ConfigError where they are of another
        recipe than the table's today."""
        if not is_dir(self.folder / BUNDLE_FOLDER) or not is_file(self.folder / SCORES_FILE):
            return False
        trained = read_description(self.folder / BUNDLE_FOLDER).provenance.get('recipe')
        try:
            before = TrainConfig.from_dict(trained)
        except ConfigError as error:
            raise ConfigError(f'{self.folder}: its recipe: {error}') from None
        if recipe_sha256(before) != recipe_sha256(self.config):
            raise ConfigError(f'{self.folder} was trained by another recipe than {self.recipe} '
                              'with the overrides of the table; name another --output, or '
                              'remove it')
        return True

    def is_begun(self) -> bool:
        """Whether there is a checkpoint to go on from."""
        return is_file(self.folder / CHECKPOINT_FILE)


def table_runs(
    table: TableConfig, names: Sequence[str], seeds: Sequence[int], data: Path, output: Path
) -> list[TableRun]:
    """The runs of the named rows and of those that they need, each after what it needs: all rows
    with the first seed, then with the next.

    Raises:
        ConfigError: a row that does not exist, or a recipe that is wrong.
    """
    wanted: set[str] = set()
    for name in names:
        _add(table, table.row(name), wanted)
    runs: dict[str, TableRun] = {}
    for seed in seeds:
        for row in table.rows:
            if row.name in wanted:
                run = _run(table, row, seed, data, output)
                runs.setdefault(run.name, run)
    return list(runs.values())


def recipe_sha256(config: TrainConfig) -> str:
    """Of all that a recipe says but for the seed and the names of files, which say only whether
    there is one."""
    recipe = config.to_dict()
    for name in ('output', 'seed'):
        del recipe[name]
    method = recipe['method']
    method['teacher'] = bool(method['teacher'])
    method['init'] = method['init'] if method['init'] in (SCRATCH, TEACHER) else 'bundle'
    recipe['pretrained'] = bool(recipe['pretrained'])
    recipe['guide'] = recipe['guide'] and 'folder'
    return hashlib.sha256(json.dumps(_without_roots(recipe), sort_keys=True).encode()).hexdigest()


def _without_roots(recipe: Mapping[str, Any]) -> dict[str, Any]:
    sets = [dict(each) for each in recipe['data'].get('sets', ())]
    data = {**recipe['data'], **({'sets': sets} if sets else {})}
    for each in (data, *sets):
        each.pop('root', None)
    return {**recipe, 'data': data}


def _add(table: TableConfig, row: RowConfig, wanted: set[str]) -> None:
    wanted.add(row.name)
    for need in row.needs:
        _add(table, table.row(need), wanted)


def _run(
    table: TableConfig, row: RowConfig, seed: int, data: Path, output: Path
) -> TableRun:
    def folder_of(name: str) -> Path:
        return output / (name if table.row(name).once else f'{name}-{seed}')

    changes: dict[str, object] = {} if row.once else {'seed': seed}
    for key, need in (('method.init', row.init), ('pretrained', row.encoder),
                      ('method.teacher', row.teacher)):
        if need:
            changes[key] = folder_of(need) / BUNDLE_FOLDER
    changes.update({'data.root': data, 'output': folder_of(row.name)})
    overrides = (*table.overrides, *row.overrides, *(f'{k}={v}' for k, v in changes.items()))
    recipe = resource_path('config') / 'training' / row.recipe
    return TableRun(
        row=row, folder=folder_of(row.name), recipe=recipe, overrides=overrides,
        needs=tuple(folder_of(need).name for need in row.needs),
        config=TrainConfig.from_yaml(recipe, overrides))
