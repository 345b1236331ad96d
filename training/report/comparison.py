# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Several runs side by side; runs that differ in nothing but their seed are averaged."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, groupby
from pathlib import Path
from statistics import fmean, stdev
from urllib.parse import quote

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.pages import Table, render
from anymodal_seg_ros.pages.grid import Grid, Subset, subset_grid
from anymodal_seg_ros.pages.heatmap import heatmap_svg
from anymodal_seg_ros.unfinished import write_whole
from training.report.differences import recipe_differences
from training.report.run_folder import REPORT, Run, read_run
from training.report.scores import Scores
from training.report.wording import change, percent

_NOT_COMPARED = ('seed', 'output')


@dataclass(frozen=True, kw_only=True)
class Group:
    """Scored runs of one recipe."""

    name: str
    runs: tuple[Run, ...]
    scores: tuple[Scores, ...]

    def miou(self, subset: Subset) -> float:
        """Mean over the runs; NaN where one did not score the combination."""
        return fmean(scores.subsets[subset].miou if subset in scores.subsets else float('nan')
                     for scores in self.scores)


def write_comparison(paths: Sequence[Path], output: Path) -> Path:
    """Write a page that compares run folders; returns its path.

    Raises:
        ConfigError: a folder is no run, or none was scored.
        MissingDependencyError: matplotlib or Jinja2 is not installed.
        WriteError: the page cannot be written.
    """
    groups = group_runs([read_run(path) for path in paths])
    if not groups:
        raise ConfigError('none of the runs was scored; there is nothing to compare')
    grid = comparison_grid(groups)
    write_whole(output, render(
        'training.report', 'comparison.html', title='Comparison of runs',
        scores=Table(('run', 'method', 'seeds', 'all sensors', 'one missing', 'one left',
                      'EMM average', 'change in EMM'), _rows(groups)),
        data_sets=_data_sets(groups), combinations=heatmap_svg(grid) if grid.rows else '',
        differences=_differences(groups),
        reports=[(run.name, _address(run, output)) for group in groups for run in group.runs]))
    return output


def group_runs(runs: Sequence[Run]) -> list[Group]:
    """Scored runs by recipe, in the order in which the recipes come first."""
    keys = [_key(run) for run in runs]
    first = {key: keys.index(key) for key in keys}
    scored = sorted((run for run in runs if run.scores), key=lambda run: first[_key(run)])
    groups: list[Group] = []
    for _, members in groupby(scored, _key):
        alike = tuple(members)
        groups.append(Group(name=_common_name(alike, [g.name for g in groups]), runs=alike,
                            scores=tuple(run.scores for run in alike if run.scores)))
    return groups


def comparison_grid(groups: Sequence[Group]) -> Grid:
    """Combinations by groups, and the average over the combinations below where each group has
    all of them."""
    sensors = tuple(dict.fromkeys(
        name for group in groups for scores in group.scores for name in scores.sensors))
    subsets = dict.fromkeys(
        subset for group in groups for scores in group.scores for subset in scores.subsets)
    return subset_grid({subset: {group.name: group.miou(subset) for group in groups}
                        for subset in subsets}, [group.name for group in groups], sensors)


def _rows(groups: Sequence[Group]) -> list[tuple[object, ...]]:
    baseline = _mean([scores.average() for scores in groups[0].scores])
    rows: list[tuple[object, ...]] = []
    for group in groups:
        average = [scores.average() for scores in group.scores]
        mean = _mean(average)
        delta = change(mean - baseline) if mean is not None and baseline is not None else '–'
        rows.append((group.name, group.runs[0].method, len(group.runs),
                     _spread([scores.full for scores in group.scores]),
                     _spread([_level(scores, 1) for scores in group.scores]),
                     _spread([_level(scores, len(scores.sensors) - 1) for scores in group.scores]),
                     _spread(average), '' if group is groups[0] else delta))
    return rows


def _data_sets(groups: Sequence[Group]) -> Table:
    """mIoU of each data set by itself with all its sensors, where several were scored."""
    titles = dict.fromkeys(
        title for group in groups for scores in group.scores for title in scores.sets)
    return Table(('data set', *(group.name for group in groups)),
                 [(title, *(_spread([scores.sets[title].full if title in scores.sets else None
                                     for scores in group.scores]) for group in groups))
                  for title in titles])


def _differences(groups: Sequence[Group]) -> Table:
    rows = recipe_differences([group.runs[0].recipe for group in groups], _NOT_COMPARED)
    return Table(('setting', *(group.name for group in groups)),
                 [(name, *values) for name, values in rows.items()])


def _level(scores: Scores, num_missing: int) -> float | None:
    return _mean(list(scores.with_missing(num_missing).values()))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


def _spread(values: Sequence[float | None]) -> str:
    mean = _mean(values)
    known = [value for value in values if value is not None]
    is_spread = mean is not None and len(known) > 1
    return percent(mean) + (f' ± {stdev(known):.1f}' if is_spread else '')


def _key(run: Run) -> str:
    recipe = {name: value for name, value in run.recipe.items() if name not in _NOT_COMPARED}
    return json.dumps(recipe, sort_keys=True, default=str)


def _common_name(runs: Sequence[Run], taken: Sequence[str]) -> str:
    """The folder's name, without the number that tells the seeds apart."""
    name = runs[0].name
    if len(runs) > 1:
        name = re.sub(r'[-_.]*(seed|s)?[-_.]*\d+$', '', name) or name
    if name not in taken:
        return name
    return next(f'{name} ({i})' for i in count(2) if f'{name} ({i})' not in taken)


def _address(run: Run, output: Path) -> str:
    return quote(Path(os.path.relpath(run.path / REPORT, output.parent)).as_posix())
