# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Exact scores of small label images worked out by hand."""

import math

import numpy as np
import pytest

from anymodal_seg_ros.metrics import ConfusionMatrix, expected_over_subsets, mean_over_subsets


def matrix_of(pred, truth, num_classes=3):
    matrix = ConfusionMatrix(num_classes)
    matrix.update(np.array(pred, np.uint8), np.array(truth, np.uint8))
    return matrix


def test_iou_by_hand():
    matrix = matrix_of([[0, 0, 1], [1, 1, 0]], [[0, 1, 1], [1, 255, 255]])
    iou = matrix.iou()
    assert iou[:2].tolist() == [1 / 2, 2 / 3]
    assert math.isnan(iou[2])
    assert matrix.miou() == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert matrix.miou('zero') == pytest.approx((1 / 2 + 2 / 3) / 3)
    assert matrix.pixel_accuracy() == 3 / 4


def test_a_class_that_is_only_predicted_counts_as_error_but_not_in_the_mean():
    matrix = matrix_of([0, 2], [0, 0])
    assert matrix.iou()[2] == 0.0
    assert matrix.miou() == 0.5


def test_a_prediction_without_class_is_wrong():
    matrix = matrix_of([0, 255, 7], [0, 0, 1])
    assert matrix.iou()[:2].tolist() == [0.5, 0.0]
    assert matrix.counts[:, 3].tolist() == [1, 1, 0]


def test_nothing_counted_is_not_a_number():
    matrix = matrix_of([0, 1], [255, 255])
    assert math.isnan(matrix.miou()) and math.isnan(matrix.pixel_accuracy())
    assert matrix.miou('zero') == 0.0


def test_merge_equals_one_update():
    rng = np.random.default_rng(0)
    pred, truth = rng.integers(0, 3, (2, 100), np.uint8)
    whole = matrix_of(pred, truth)
    parts = matrix_of(pred[:30], truth[:30])
    parts.merge(matrix_of(pred[30:], truth[30:]))
    assert np.array_equal(parts.counts, whole.counts)
    with pytest.raises(ValueError, match='merged'):
        parts.merge(ConfusionMatrix(4))


def test_counts_beyond_float32_stay_exact():
    matrix = ConfusionMatrix(2)
    matrix._counts[0, 0] = 2**24
    matrix.update(np.zeros(1, np.uint8), np.zeros(1, np.uint8))
    assert matrix.counts[0, 0] == 2**24 + 1


@pytest.mark.parametrize(('pred', 'truth', 'match'), [
    ([0, 1], [0], 'truth is'),
    ([0], [3], 'ids 3 to 3'),
])
def test_bad_images_are_refused(pred, truth, match):
    with pytest.raises(ValueError, match=match):
        matrix_of(pred, truth)


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match='num_classes'):
        ConfusionMatrix(0)
    with pytest.raises(ValueError, match='absent'):
        matrix_of([0], [0]).miou('maybe')


def test_expectation_over_subsets_has_the_published_weights():
    subsets = [s for n in range(16) if (s := tuple(m for i, m in enumerate('rdle') if n >> i & 1))]
    for subset, weight in ((tuple('rdle'), 0.65617), (tuple('rdl'), 0.07291), (('r',), 0.00090)):
        scores = {s: float(s == subset) for s in subsets}
        assert expected_over_subsets(scores, 0.1) == pytest.approx(weight, abs=1e-5)
    assert mean_over_subsets([1.0, 2.0, 6.0]) == 3.0
