# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One run's report."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from anymodal_seg_ros.unfinished import write_whole
from training.report.classes import class_bars
from training.report.curves import curve_svg, short
from training.report.heatmap import heatmap_svg
from training.report.metrics import STEP, Column
from training.report.overview import headline, lattice, sensor_table
from training.report.page import page, section, table
from training.report.pictures import inlined_pictures
from training.report.robustness import robustness_tables
from training.report.run import REPORT, SAMPLES, Run, read_run

_NOT_LOSSES = (STEP, 'samples', 'elapsed_s', 'lr')


def write_report(run: Path) -> Path:
    """Write ``report.html`` into a run folder, from what is there; returns its path.

    The page needs nothing beside it: no script, no other file, no connection. Files that are
    absent leave their part out; damaged ones are named in it.

    Raises:
        ConfigError: the folder is no run (it has no readable ``recipe.yaml``).
        WriteError: it cannot be written.
    """
    path = run / REPORT
    write_whole(path, report_html(read_run(run)))
    return path


def report_html(run: Run) -> str:
    """The page's text."""
    pictures, problems = inlined_pictures(run.path / SAMPLES)
    scores = run.scores
    parts = [f'<h1>{escape(run.name)}</h1><p class="mute">{escape(_subtitle(run))}</p>']
    parts += [f'<p class="warn">{escape(problem)}</p>' for problem in (*run.problems, *problems)]
    if scores is None:
        parts.append('<p>Not scored: the figures for missing sensors come with the end of the '
                     'run, where the split to score on has labels.</p>')
    else:
        grid = scores.grid()
        parts += [
            headline(scores),
            section('mIoU with sensors missing', lattice(scores),
                    f'Each cell is a combination of the sensors that still work. {_scored(run)}'),
            section('What each sensor is worth', sensor_table(scores),
                    'mIoU in percent; the last column is the mean over every combination of the '
                    'others.'),
            section('Conditions', f'<div class="wide">{heatmap_svg(grid)}</div>',
                    'Combinations of sensors by condition; a filled dot is a sensor that works.')
            if len(grid.columns) > 1 else '',
            section('Classes', class_bars(scores, run.label_space), 'IoU in percent.'),
        ]
    parts += [
        section('Robustness', robustness_tables(run.robustness), 'mIoU in percent.'),
        section('Samples', ''.join(
            f'<figure class="sheet"><img alt="{escape(name)}" src="{uri}">'
            f'<figcaption>{escape(name)}</figcaption></figure>' for name, uri in pictures),
            'Above what each sensor saw; below what the network made of it: with all sensors, '
            'without that sensor, and with that sensor alone.'),
        section('Training', _curves(run), _effort(run)),
        section('Recipe', f'<pre>{escape(run.recipe_text)}</pre>'),
        section('Host and versions', _host(run.provenance)),
    ]
    return page(f'{run.name}: {run.method}', parts)


def _subtitle(run: Run) -> str:
    data = run.recipe.get('data')
    data = data if isinstance(data, dict) else {}
    model = run.recipe.get('model_config')
    backbone = model.get('backbone', '') if isinstance(model, dict) else ''
    entries = {
        'method': run.method,
        'model': ' '.join(filter(None, (str(run.recipe.get('model', '')), str(backbone)))),
        'data': data.get('root') or data.get('name'),
        'seed': run.recipe.get('seed', 0),
    }
    return ' · '.join(f'{name} {value}' for name, value in entries.items()
                      if value not in ('', None))


def _scored(run: Run) -> str:
    if run.scores is None:
        return ''
    data = run.scores.data
    frames = data.get('scored_frames', data.get('frames'))
    where = f'Scored on {frames} frames of {data.get("split", "the data")}. ' if frames else ''
    how = {'drop': 'left out', 'zero': 'replaced by zeros'}.get(run.scores.missing_mode)
    missing = f'A missing sensor is {how}. ' if how else ''
    ran = f'Run by {run.scores.network}.' if run.scores.network else ''
    return (where + missing + ran).rstrip()


def _curves(run: Run) -> str:
    steps = run.metrics.get(STEP, np.zeros(0))
    if not steps.size:
        return ''
    panels = [_panel(steps, values, name, _recent(values))
              for name, values in run.metrics.items() if name not in _NOT_LOSSES]
    if 'lr' in run.metrics:
        rates = run.metrics['lr'][np.isfinite(run.metrics['lr'])]
        peak = f'up to {short(float(rates.max()))}' if rates.size else ''
        panels.append(_panel(steps, run.metrics['lr'], 'learning rate', peak))
    return f'<div class="panels">{"".join(panels)}</div>'


def _panel(steps: Column, values: Column, title: str, figure: str) -> str:
    return (f'<figure><figcaption>{escape(title)}<b>{figure}</b></figcaption>'
            f'{curve_svg(steps, values, title)}</figure>')


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


def duration(seconds: float) -> str:
    """'2 h 05 min', '12 min' or '40 s'."""
    if seconds < 120:
        return f'{seconds:.0f} s'
    minutes = round(seconds / 60)
    return f'{minutes // 60} h {minutes % 60:02d} min' if minutes >= 60 else f'{minutes} min'


def _host(provenance: Mapping[str, Any]) -> str:
    rows = [(name, value) for key in ('host', 'versions') if isinstance(provenance.get(key), dict)
            for name, value in provenance[key].items() if value not in ('', None)]
    rows += [(name, provenance[name]) for name in ('steps', 'samples', 'minutes')
             if name in provenance]
    return table(('', ''), rows) if rows else ''
