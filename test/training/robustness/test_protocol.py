# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The published weights and scores, and the settings of a benchmark."""

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.metrics import expected_over_subsets, subset_weight
from anymodal_seg_ros.models import modality_subsets
from training.robustness.protocol import SCORE_COLUMNS, BenchmarkConfig, robustness_score

WEIGHTS = [
    (4, 0.2, (0.41026, 0.10256, 0.02564, 0.00641)),
    (4, 0.1, (0.65617, 0.07291, 0.00810, 0.00090)),
    (4, 0.05, (0.81451, 0.04287, 0.00226, 0.00012)),
    (3, 0.2, (0.51613, 0.12903, 0.03226)),
    (3, 0.1, (0.72973, 0.08108, 0.00901)),
    (3, 0.05, (0.85748, 0.04513, 0.00238)),
    (2, 0.1, (0.81818, 0.09091)),
]


@pytest.mark.parametrize(('total', 'missing_p', 'weights'), WEIGHTS)
def test_weights_are_the_published_ones(total, missing_p, weights):
    for num_missing, weight in enumerate(weights):
        assert subset_weight(total - num_missing, total, missing_p) == pytest.approx(
            weight, abs=5e-6)


def test_chances_before_renormalisation():
    chances = [subset_weight(4 - k, 4, 0.1) * (1 - 0.1 ** 4) for k in range(4)]
    assert chances == pytest.approx([0.6561, 0.0729, 0.0081, 0.0009], abs=1e-12)
    total = sum(comb(4, k) * chance for k, chance in enumerate(chances))
    assert total == pytest.approx(0.9999, abs=1e-12)


@given(st.integers(1, 9), st.floats(0.0, 0.99))
def test_weights_of_any_number_of_sensors_sum_to_one(total, missing_p):
    names = tuple('abcdefghi'[:total])
    ones = dict.fromkeys(modality_subsets(names), 1.0)
    assert expected_over_subsets(ones, missing_p) == pytest.approx(1.0)


@pytest.mark.parametrize('missing_p', [-0.1, 1.0, float('nan')])
def test_impossible_chances_are_refused(missing_p):
    with pytest.raises(ValueError, match='0 to below 1'):
        subset_weight(1, 2, missing_p)


@pytest.mark.parametrize(('columns', 'mean'), [
    ((67.90, 48.22, 65.75, 50.96, 64.64, 34.87, 19.13), 50.21),
    ((67.34, 44.85, 63.52, 49.31, 64.07, 33.12, 18.31), 48.65),
    ((50.26, 35.63, 45.06, 38.61, 47.63, 20.47, 12.62), 35.75),
])
def test_robustness_score_of_published_rows(columns, mean):
    row = dict(zip(SCORE_COLUMNS, columns, strict=True))
    assert robustness_score(row) == pytest.approx(mean, abs=0.005)
    assert robustness_score({**row, 'NM high': 1.0}) == robustness_score(row)
    del row['clean']
    with pytest.raises(KeyError, match='clean'):
        robustness_score(row)


@pytest.mark.parametrize(('settings', 'words'), [
    ({'benchmarks': ('emm', 'fog')}, "benchmark is 'fog'; allowed: emm, rmm, nm, failures"),
    ({'benchmarks': ()}, 'one or more of emm'),
    ({'benchmarks': ('emm', 'emm')}, 'each once'),
    ({'missing_modes': ('mean',)}, "missing mode is 'mean'; allowed: drop, zero"),
    ({'label_size': 'huge'}, "label size is 'huge'; allowed: native, network"),
    ({'severities': (0.5, 2.0)}, 'severity is 2.0; allowed'),
    ({'severities': ()}, 'no severity'),
    ({'seed': -1}, 'seed is -1; allowed'),
    ({'batch_size': 0}, 'batch size is 0; allowed'),
    ({'workers': -2}, 'workers is -2; allowed'),
])
def test_settings_that_are_not_allowed(settings, words):
    with pytest.raises(ConfigError) as caught:
        BenchmarkConfig(**settings)
    assert words in str(caught.value)
