# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How a network survives missing sensors, at a glance."""

from __future__ import annotations

import math
from statistics import fmean

from anymodal_seg_ros.metrics import MISSING_P
from anymodal_seg_ros.pages import Table
from anymodal_seg_ros.pages.grid import Subset
from training.report.scores import Scores
from training.report.wording import change, percent

MAX_SHOWN_SENSORS = 7


def headline(scores: Scores) -> str:
    """The main figures in sentences."""
    if not scores.subsets:
        return (f'With all the sensors that each has it reaches {percent(scores.full)} mIoU on '
                f'the average of {len(scores.sets)} data sets, each in its own classes.')
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
    if not scores.subsets:
        return [(name, percent(each.full), 'mIoU in percent')
                for name, each in scores.sets.items()]
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


def levels(scores: Scores) -> list[tuple[str, list[tuple[str, float]]]]:
    """Name and mIoU of every combination, in a titled level for each number of missing sensors;
    none where there are too many to look at."""
    if len(scores.sensors) > MAX_SHOWN_SENSORS:
        return []
    counts = ('no', 'one', 'two', 'three', 'four', 'five', 'six')
    titles = [f'{counts[i]} missing' for i in range(len(scores.sensors))]
    titles[-1], titles[0] = 'one sensor left', 'all sensors'
    found = [(title, [(_name(subset, scores), miou)
                      for subset, miou in scores.with_missing(num_missing).items()])
             for num_missing, title in enumerate(titles)]
    return [(title, combinations) for title, combinations in found if combinations]


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


def class_scores(scores: Scores) -> list[tuple[str, float, float]]:
    """Each class's IoU with the most sensors and the mean of each sensor alone, NaN where it was
    not measured; best first."""
    singles = [scored.classes for subset, scored in scores.subsets.items() if len(subset) == 1]
    found = []
    for name, iou in next(iter(scores.subsets.values())).classes.items():
        alone = [table[name] for table in singles if not math.isnan(table.get(name, math.nan))]
        found.append((name, iou, fmean(alone) if alone else math.nan))
    return sorted(found, key=lambda entry: math.inf if math.isnan(entry[1]) else -entry[1])
