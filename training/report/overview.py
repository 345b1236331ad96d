# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How a network survives missing sensors, at a glance: words, figures and colours for a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from anymodal_seg_ros.labels import LabelSpace
from anymodal_seg_ros.pages import Table
from anymodal_seg_ros.pages.colors import color_of, scale_limits, text_on
from anymodal_seg_ros.pages.grid import Subset
from training.report.scores import Scores
from training.report.wording import change, percent

MISSING_P = (0.2, 0.1, 0.05)
MAX_LATTICE_SENSORS = 7


def headline(scores: Scores) -> str:
    """The main figures in sentences."""
    one, alone = scores.with_missing(1), scores.with_missing(len(scores.sensors) - 1)
    said = []
    if scores.full is not None:
        said.append(f'With all {len(scores.sensors)} sensors it reaches '
                    f'{percent(scores.full)} mIoU.')
    if one and len(scores.sensors) > 2:
        worst = min(one, key=one.__getitem__)
        said.append(f'With any one of them missing it keeps {percent(fmean(one.values()))} on '
                    f'average, and {percent(one[worst])} at worst ({_name(worst, scores)}).')
    if alone and len(scores.sensors) > 1:
        worst = min(alone, key=alone.__getitem__)
        said.append(f'With a single sensor left it reaches {percent(fmean(alone.values()))} on '
                    f'average, and {percent(alone[worst])} at worst ({worst[0]}).')
    return ' '.join(said)


def main_figures(scores: Scores) -> list[tuple[str, str, str]]:
    """What it is, the figure, a remark."""
    entries = []
    one, alone = scores.with_missing(1), scores.with_missing(len(scores.sensors) - 1)
    full, average = scores.full, scores.average()
    if full is not None:
        entries.append(('all sensors', percent(full), 'mIoU in percent'))
    if full is not None and one and len(scores.sensors) > 2:
        mean = fmean(one.values())
        entries.append(('one sensor missing', percent(mean), f'{change(mean - full)} on average'))
    if full is not None and alone and len(scores.sensors) > 1:
        mean = fmean(alone.values())
        entries.append(('one sensor left', percent(mean), f'{change(mean - full)} on average'))
    if average is not None:
        entries.append(('EMM average', percent(average),
                        f'mean of all {len(scores.subsets)} combinations'))
        expected = {p: scores.expectation(p) for p in MISSING_P}
        entries.append(('each fails 10% of the time', percent(expected[0.1]),
                        f'20%: {percent(expected[0.2])}, 5%: {percent(expected[0.05])}'))
    return entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A combination of sensors in its colour."""

    name: str
    miou: str
    change: str
    color: str
    text_color: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """Every combination, in a level for each number of missing sensors."""

    levels: Sequence[tuple[str, str, Sequence[Cell]]]
    """What it is, the mean where there are several, the combinations."""
    low: float
    high: float
    stops: Sequence[str]
    """Colours from ``low`` to ``high`` at equal distances."""


def lattice(scores: Scores) -> Lattice | None:
    """None where there are too many combinations to look at."""
    if len(scores.sensors) > MAX_LATTICE_SENSORS:
        return None
    low, high = scale_limits([scored.miou for scored in scores.subsets.values()])

    def cell(subset: Subset, miou: float) -> Cell:
        color = color_of(miou, low, high)
        is_full = subset == scores.sensors
        return Cell(name=_name(subset, scores), miou=percent(miou), color=color,
                    text_color=text_on(color), change='' if is_full or scores.full is None
                    else change(miou - scores.full))

    levels = []
    for num_missing in range(len(scores.sensors)):
        mious = scores.with_missing(num_missing)
        if mious:
            mean = percent(fmean(mious.values())) if len(mious) > 1 else ''
            levels.append((_level(scores, num_missing), mean,
                           [cell(subset, miou) for subset, miou in mious.items()]))
    return Lattice(levels=levels, low=low, high=high,
                   stops=[color_of(i / 8, 0.0, 1.0) for i in range(9)])


def _level(scores: Scores, num_missing: int) -> str:
    words = ('no', 'one', 'two', 'three', 'four', 'five', 'six')
    if num_missing == 0:
        return 'all sensors'
    if num_missing == len(scores.sensors) - 1:
        return 'one sensor left'
    return f'{words[num_missing]} missing'


def _name(subset: Subset, scores: Scores) -> str:
    """As short as it can be said: 'without rgb' rather than three names."""
    missing = [name for name in scores.sensors if name not in subset]
    if len(missing) == 1 and len(subset) > 1:
        return f'without {missing[0]}'
    return ' + '.join(subset)


def sensor_table(scores: Scores) -> Table | None:
    """What each sensor is worth; None unless every combination was measured. The last column
    is the mean over all combinations of the others."""
    if not scores.is_complete() or len(scores.sensors) < 2 or scores.full is None:
        return None
    mious = {subset: scored.miou for subset, scored in scores.subsets.items()}
    rows = []
    for sensor in scores.sensors:
        others = tuple(name for name in scores.sensors if name != sensor)
        gains = [mious[tuple(name for name in scores.sensors if name in (*subset, sensor))] - miou
                 for subset, miou in mious.items() if sensor not in subset]
        rows.append((sensor, percent(mious[(sensor,)]), percent(mious[others]),
                     change(mious[others] - scores.full), change(fmean(gains))))
    return Table(('sensor', 'alone', 'without it', 'change when it fails',
                  'change where it joins'), rows)


def data_set_table(scores: Scores) -> Table | None:
    """What each data set scores by itself; None where there is one."""
    if not scores.sets:
        return None
    return Table(('data set', 'frames', 'sensors', 'all sensors', 'EMM average'), [
        (name, each.data.get('scored_frames', '–'), ' + '.join(each.sensors),
         percent(each.full), percent(each.average())) for name, each in scores.sets.items()])


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScore:
    """A class's IoU in percent, NaN where it was not measured, and its colour."""

    name: str
    rgb: tuple[int, int, int] | None
    full: float
    alone: float
    """Mean of each sensor alone."""


def class_scores(scores: Scores, label_space: LabelSpace | None) -> list[ClassScore]:
    """Best first; the classes are those of the combination with the most sensors."""
    full = next(iter(scores.subsets.values())).classes
    singles = [scored.classes for subset, scored in scores.subsets.items() if len(subset) == 1]
    colors = (dict(zip(label_space.class_names, label_space.colors, strict=True))
              if label_space else {})
    found = []
    for name, value in full.items():
        alone = [table[name] for table in singles if not math.isnan(table.get(name, math.nan))]
        found.append(ClassScore(name=name, rgb=colors.get(name), full=value,
                                alone=fmean(alone) if alone else math.nan))
    return sorted(found, key=lambda entry: -(0.0 if math.isnan(entry.full) else entry.full))
