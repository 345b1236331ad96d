# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets in classes of their own have a mean of what each has with all its sensors, or none."""

import numpy as np
import pytest

from anymodal_seg_ros.labels import LabelSpace
from training.final_scores import _of_all as of_all
from training.scoring import SubsetScores

SENSORS = ('rgb', 'depth', 'lidar')


def scores_of(name, *subsets):
    space = LabelSpace(name, (f'{name}0', f'{name}1'), ((0, 0, 0), (1, 1, 1)))
    scores, truth = SubsetScores(label_space=space), np.array([[0, 1]], np.uint8)
    for subset in subsets:
        scores.update(subset, 'any', truth, truth)
    return scores


def test_a_data_set_that_has_no_score_with_all_its_sensors_gives_no_mean():
    whole = (SENSORS, scores_of('a', ('rgb',), SENSORS))
    lines = []
    report = of_all([whole, (('rgb',), scores_of('b', ('rgb',)))], lines.append)
    assert report['mean_miou'] == pytest.approx(100.0) and report['subsets'] == {}
    # A recording of which no frame has all three.
    parts = (SENSORS, scores_of('b', ('rgb',), ('rgb', 'depth'), ('rgb', 'lidar')))
    report = of_all([whole, parts], lines.append)
    assert 'mean_miou' not in report and report['subsets'] == {}
    assert 'no labelled frame with all its sensors' in lines[-1]
