# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""IoU of each class: with all sensors, and on average with a single one."""

from __future__ import annotations

import math
from html import escape
from statistics import fmean

from anymodal_seg_ros.labels import LabelSpace
from training.report.colors import css
from training.report.page import percent
from training.report.scores import Scores


def class_bars(scores: Scores, label_space: LabelSpace | None) -> str:
    """Two bars for each class, best first; empty where no class was scored.

    Args:
        scores: the classes that occur are those of the combination with the most sensors.
        label_space: gives the classes' colours.
    """
    full = next(iter(scores.subsets.values())).classes
    singles = [scored.classes for subset, scored in scores.subsets.items() if len(subset) == 1]
    colors = (dict(zip(label_space.class_names, label_space.colors, strict=True))
              if label_space else {})
    parts = []
    for name in sorted(full, key=lambda name: -_known(full[name])):
        alone = [table[name] for table in singles if not math.isnan(table.get(name, math.nan))]
        mean = fmean(alone) if alone else None
        swatch = (f'<i class="swatch" style="background:{css(colors[name])}"></i>'
                  if name in colors else '')
        parts.append(
            f'<div><span>{swatch}{escape(name)}</span><span class="bars">{_bar("one", full[name])}'
            f'{_bar("two", mean)}</span><span class="n"><b>{percent(full[name])}</b> '
            f'{percent(mean)}</span></div>')
    if not parts:
        return ''
    names = ' + '.join(next(iter(scores.subsets)))
    return (f'<p class="key"><span><i class="one"></i>{escape(names)}</span>'
            '<span><i class="two"></i>mean of each sensor alone</span></p>'
            f'<div class="classes">{"".join(parts)}</div>')


def _bar(kind: str, value: float | None) -> str:
    return f'<i class="{kind}" style="width:{min(max(_known(value), 0.0), 100.0):.1f}%"></i>'


def _known(value: float | None) -> float:
    return 0.0 if value is None or math.isnan(value) else value
