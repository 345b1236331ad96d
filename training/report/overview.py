# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How a network survives missing sensors, at a glance."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from statistics import fmean

from training.report.colors import SCALE, color_of, css, scale_limits, text_on
from training.report.grid import Subset
from training.report.page import change, percent, table, tiles
from training.report.scores import Scores

MISSING_P = (0.2, 0.1, 0.05)
MAX_LATTICE_SENSORS = 7


def headline(scores: Scores) -> str:
    """The main figures in words and as tiles."""
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
    return f'<p class="lead">{escape(" ".join(said))}</p>{_tiles(scores, one, alone)}'


def _tiles(scores: Scores, one: Mapping[Subset, float], alone: Mapping[Subset, float]) -> str:
    entries = []
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
    return tiles(entries) if entries else ''


def lattice(scores: Scores) -> str:
    """Every combination as a coloured cell, in a row for each number of missing sensors."""
    if len(scores.sensors) > MAX_LATTICE_SENSORS:
        return ''
    low, high = scale_limits([scored.miou for scored in scores.subsets.values()])
    levels = []
    for num_missing in range(len(scores.sensors)):
        mious = scores.with_missing(num_missing)
        if mious:
            cells = ''.join(_cell(scores, subset, miou, low, high)
                            for subset, miou in mious.items())
            mean = (f'<small>mean {percent(fmean(mious.values()))}</small>'
                    if len(mious) > 1 else '')
            levels.append(f'<div class="level"><p>{_level(scores, num_missing)}{mean}</p>'
                          f'<div class="cells">{cells}</div></div>')
    stops = ', '.join(css(color) for color in SCALE)
    return (''.join(levels) + f'<p class="scale">{low:g}'
            f'<i style="background:linear-gradient(90deg, {stops})"></i>{high:g} mIoU in percent; '
            'below, the difference to all sensors</p>')


def _level(scores: Scores, num_missing: int) -> str:
    words = ('no', 'one', 'two', 'three', 'four', 'five', 'six')
    if num_missing == 0:
        return 'all sensors'
    if num_missing == len(scores.sensors) - 1:
        return 'one sensor left'
    return f'{words[num_missing]} missing'


def _cell(scores: Scores, subset: Subset, miou: float, low: float, high: float) -> str:
    color = color_of(miou, low, high)
    is_full = subset == scores.sensors
    delta = '' if is_full or scores.full is None else change(miou - scores.full)
    return (f'<div style="background:{css(color)};color:{css(text_on(color))}">'
            f'{escape(_name(subset, scores))}<b>{percent(miou)}</b>{delta}</div>')


def _name(subset: Subset, scores: Scores) -> str:
    """As short as it can be said: 'without rgb' rather than three names."""
    missing = [name for name in scores.sensors if name not in subset]
    if len(missing) == 1 and len(subset) > 1:
        return f'without {missing[0]}'
    return ' + '.join(subset)


def sensor_table(scores: Scores) -> str:
    """What each sensor is worth; empty unless every combination was measured. The last column
    is the mean over all combinations of the others."""
    if not scores.is_complete() or len(scores.sensors) < 2 or scores.full is None:
        return ''
    mious = {subset: scored.miou for subset, scored in scores.subsets.items()}
    rows = []
    for sensor in scores.sensors:
        others = tuple(name for name in scores.sensors if name != sensor)
        gains = [mious[tuple(name for name in scores.sensors if name in (*subset, sensor))] - miou
                 for subset, miou in mious.items() if sensor not in subset]
        rows.append((sensor, percent(mious[(sensor,)]), percent(mious[others]),
                     change(mious[others] - scores.full), change(fmean(gains))))
    return table(('sensor', 'alone', 'without it', 'change when it fails',
                  'change where it joins'), rows)
