# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One run's report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from anymodal_seg_ros.pages import Table, render
from anymodal_seg_ros.pages.charts import curve, short
from anymodal_seg_ros.pages.colors import color_of, scale_limits, text_on
from anymodal_seg_ros.pages.heatmap import heatmap_svg
from anymodal_seg_ros.unfinished import write_whole
from training.report.metrics import STEP, Column
from training.report.overview import (
    class_scores,
    data_set_table,
    headline,
    levels,
    main_figures,
    sensor_table,
)
from training.report.pictures import inlined_pictures
from training.report.robustness import robustness_tables
from training.report.run_folder import REPORT, SAMPLES, Run, read_run
from training.report.scores import Scores
from training.report.wording import change, duration, percent

_NOT_LOSSES = (STEP, 'samples', 'elapsed_s', 'lr')


def write_report(run: Path) -> Path:
    """Write ``report.html`` into a run folder, from what is there; returns its path.

    The page needs nothing beside it: no script, no other file, no connection. Files that are
    absent leave their part out; damaged ones are named in it.

    Raises:
        ConfigError: the folder is no run (it has no readable ``recipe.yaml``).
        MissingDependencyError: matplotlib or Jinja2 is not installed.
        WriteError: it cannot be written.
    """
    path = run / REPORT
    write_whole(path, report_html(read_run(run)))
    return path


def report_html(run: Run) -> str:
    """The page's text."""
    pictures, problems = inlined_pictures(run.path / SAMPLES)
    return render(
        'training.report', 'run.html', title=f'{run.name}: {run.method}', run=run,
        subtitle=_subtitle(run), problems=(*run.problems, *problems),
        parts=_parts(run, run.scores) if run.scores else [],
        robustness=robustness_tables(run.robustness), pictures=pictures, curves=_curves(run),
        effort=_effort(run), host=_host(run.provenance), percent=percent, change=change,
        mean=fmean, color_of=color_of, text_on=text_on)


def _parts(run: Run, scores: Scores) -> list[dict[str, object]]:
    """Of all frames; where these have different classes, then of each data set under its name."""
    if scores.subsets:
        return [_scores(run, scores)]
    nothing = dict.fromkeys(('title', 'levels', 'sensors', 'conditions', 'classes'))
    return [{**nothing, 'headline': headline(scores), 'figures': main_figures(scores),
             'sets': data_set_table(scores)},
            *({**_scores(run, each), 'title': name} for name, each in scores.sets.items())]


def _scores(run: Run, scores: Scores) -> dict[str, object]:
    grid, space = scores.grid(), run.label_space
    stops = ', '.join(color_of(i / 8, 0.0, 1.0) for i in range(9))
    return {
        'title': '', 'headline': headline(scores), 'figures': main_figures(scores),
        'how': _scored(scores),
        'full': scores.full, 'levels': levels(scores), 'stops': stops,
        'limits': scale_limits([scored.miou for scored in scores.subsets.values()]),
        'sets': data_set_table(scores), 'sensors': sensor_table(scores),
        'conditions': heatmap_svg(grid) if len(grid.columns) > 1 else '',
        'most': ' + '.join(next(iter(scores.subsets))), 'classes': class_scores(scores),
        'rgb': dict(zip(space.class_names, space.colors, strict=True)) if space else {},
    }


def _subtitle(run: Run) -> str:
    data = run.recipe.get('data')
    data = data if isinstance(data, dict) else {}
    model = run.recipe.get('model_config')
    backbone = model.get('backbone', '') if isinstance(model, dict) else ''
    entries = {
        'method': run.method,
        'model': ' '.join(filter(None, (str(run.recipe.get('model', '')), str(backbone)))),
        'data': _named(data),
        'seed': run.recipe.get('seed', 0),
    }
    return ' · '.join(f'{name} {value}' for name, value in entries.items()
                      if value not in ('', None))


def _named(data: Mapping[str, Any]) -> str:
    """The data sets of a recipe, by folder or name."""
    sets = data.get('sets')
    tables = sets if isinstance(sets, list) else [data]
    return ', '.join(str(each.get('root') or each.get('name') or '') for each in tables
                     if isinstance(each, dict))


def _scored(scores: Scores) -> str:
    data = scores.data
    frames = data.get('scored_frames', data.get('frames'))
    where = f'Scored on {frames} frames of {data.get("split", "the data")}. ' if frames else ''
    how = {'drop': 'left out', 'zero': 'replaced by zeros'}.get(scores.missing_mode)
    missing = f'A missing sensor is {how}. ' if how else ''
    ran = f'Run by {scores.network}.' if scores.network else ''
    return (where + missing + ran).rstrip()


def _curves(run: Run) -> list[tuple[str, str, str]]:
    """Title, a figure and the drawing of each; none where nothing was logged."""
    steps = run.metrics.get(STEP, np.zeros(0))
    if not steps.size:
        return []
    panels = [(name, _recent(values), _drawn(steps, values, name))
              for name, values in run.metrics.items() if name not in _NOT_LOSSES]
    if 'lr' in run.metrics:
        rates = run.metrics['lr'][np.isfinite(run.metrics['lr'])]
        peak = f'up to {short(float(rates.max()))}' if rates.size else ''
        panels.append(('learning rate', peak, _drawn(steps, run.metrics['lr'], 'learning rate')))
    return panels


def _drawn(steps: Column, values: Column, title: str) -> str:
    return curve(steps, values, title) if np.isfinite(values).any() else ''


def _recent(values: Column) -> str:
    known = values[np.isfinite(values)]
    return short(float(known[-max(len(known) // 50, 1):].mean())) if known.size else '–'


def _effort(run: Run) -> str:
    steps, samples = run.metrics.get(STEP), run.metrics.get('samples')
    elapsed_s = run.metrics.get('elapsed_s')
    if steps is None or not steps.size:
        return ''
    said = f'{steps[-1]:,.0f} steps'
    if samples is not None:
        said += f', {samples[-1]:,.0f} samples'
    if elapsed_s is not None:
        said += f', {duration(float(elapsed_s[-1]))}'
    return (f'{said}. Over steps; at the right of each name its mean over the last fiftieth of '
            'the run.')


def _host(provenance: Mapping[str, Any]) -> Table:
    rows = [(name, value) for key in ('host', 'versions') if isinstance(provenance.get(key), dict)
            for name, value in provenance[key].items() if value not in ('', None)]
    rows += [(name, provenance[name]) for name in ('steps', 'samples', 'minutes')
             if name in provenance]
    return Table(('', ''), rows)
