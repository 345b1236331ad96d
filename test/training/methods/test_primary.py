# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which modalities are primary: scores by hand, every policy, a steady running mean."""

import math

import pytest
import torch

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models.features import FeatureMaps
from training.methods.primary import PrimarySelection, cosine_scores
from training.methods.primary_options import PrimaryOptions

NAMES = ('rgb', 'depth', 'lidar', 'event')
EVERYTHING = torch.ones(1, 4, dtype=torch.bool)


def features_at(angles, num_samples=1):
    """One-pixel maps of unit vectors at the given angles, level after level alike."""
    vectors = torch.tensor([[math.cos(a), math.sin(a)] for a in angles])
    maps = vectors[:, None, None, :].repeat_interleave(num_samples, 0)
    sample_P = torch.arange(num_samples).repeat(len(angles))
    modality_P = torch.arange(len(angles)).repeat_interleave(num_samples)
    return FeatureMaps(maps=(maps,) * 4, sample_P=sample_P, modality_P=modality_P,
                       num_samples=num_samples, num_modalities=len(NAMES))


def fused(num_samples=1):
    return [torch.tensor([1.0, 0.0]).expand(num_samples, 1, 1, 2)] * 4


def updated(options, angles, times=1):
    selection = PrimarySelection(options, NAMES)
    for _ in range(times):
        score_BM = selection.update(features_at(angles), fused())
    return selection, score_BM


ANGLES = (0.1, 0.4, 1.3, 1.5)


def test_scores_are_the_cosines():
    score_BM = cosine_scores(features_at(ANGLES), fused())
    assert score_BM[0].tolist() == pytest.approx([math.cos(a) for a in ANGLES])


def test_an_absent_modality_has_no_score():
    score_BM = cosine_scores(features_at(ANGLES[:3]), fused())
    assert score_BM.isnan().tolist() == [[False, False, False, True]]


@pytest.mark.parametrize(('settings', 'expected'), [
    ({}, ('rgb', 'depth')),
    ({'count': 1}, ('rgb',)),
    ({'policy': 'threshold'}, ('rgb', 'depth')),
    ({'policy': 'threshold', 'threshold': 0.5}, ('rgb', 'depth')),
    ({'policy': 'threshold', 'threshold': 0.05}, NAMES),
    ({'policy': 'threshold', 'threshold': 0.999}, ()),
    ({'policy': 'fixed', 'names': ('event', 'lidar')}, ('event', 'lidar')),
])
def test_policies(settings, expected):
    selection, _ = updated(PrimaryOptions(**settings), ANGLES)
    assert set(selection.primary()) == set(expected)
    assert set(selection.weak()) == set(NAMES) - set(expected)


def test_half_of_an_odd_number_is_rounded_up():
    assert PrimarySelection(PrimaryOptions(), NAMES[:3]).count == 2


def test_per_sample_takes_each_samples_own():
    options = PrimaryOptions(policy='per_sample', count=1)
    selection = PrimarySelection(options, NAMES)
    nan = float('nan')
    score_BM = torch.tensor([[0.1, 0.9, 0.2, 0.3], [0.5, nan, 0.8, 0.1]])
    present_BM = torch.tensor([[True, True, True, True], [True, False, True, False]])
    assert selection.choose(present_BM, score_BM).tolist() == [
        [False, True, False, False], [False, False, True, False]]


def test_absent_primary_modalities_are_not_chosen():
    selection, score_BM = updated(PrimaryOptions(), ANGLES)
    present_BM = torch.tensor([[False, True, True, False]])
    assert selection.choose(present_BM, score_BM).tolist() == [[False, True, False, False]]


def test_the_running_mean_has_a_closed_form_without_a_start_value():
    selection, _ = updated(PrimaryOptions(), ANGLES)
    assert selection.running_scores().tolist() == pytest.approx([math.cos(a) for a in ANGLES])
    selection.update(features_at((1.5, 1.3, 0.4, 0.1)), fused())
    first, second = math.cos(0.1), math.cos(1.5)
    assert float(selection.running_scores()[0]) == pytest.approx(
        (0.99 * first + second) / 1.99)


def test_samples_of_one_modality_stay_out_of_the_running_mean():
    selection, _ = updated(PrimaryOptions(), ANGLES)
    before = selection.running_scores()
    lone = FeatureMaps(maps=(torch.tensor([[[[1.0, 0.0]]]]),) * 4, sample_P=torch.tensor([0]),
                       modality_P=torch.tensor([3]), num_samples=1, num_modalities=len(NAMES))
    score_BM = selection.update(lone, fused())
    assert score_BM[0, 3] == 1.0 and score_BM.isnan().sum() == 3
    assert torch.equal(selection.running_scores(), before)


def test_one_odd_batch_does_not_turn_the_split_over():
    selection, _ = updated(PrimaryOptions(), ANGLES, times=20)
    selection.update(features_at((1.5, 1.3, 0.4, 0.1)), fused())
    assert set(selection.primary()) == {'rgb', 'depth'}


@pytest.mark.parametrize(('options', 'match'), [
    (PrimaryOptions(policy='fixed'), 'needs primary.names'),
    (PrimaryOptions(policy='fixed', names=('radar',)), "'radar'"),
    (PrimaryOptions(count=5), r'primary\.count is 5; allowed: a whole number, 0 to 4'),
])
def test_what_the_network_lacks_is_refused(options, match):
    with pytest.raises(ConfigError, match=match):
        PrimarySelection(options, NAMES)


def test_an_unknown_policy_is_refused():
    with pytest.raises(ConfigError, match='best'):
        PrimaryOptions(policy='best')


@pytest.mark.parametrize('settings', [
    {'names': ('rgb',)}, {'policy': 'threshold', 'names': ('rgb',)},
    {'policy': 'per_sample', 'names': ('rgb',)}, {'threshold': 0.5},
    {'policy': 'per_sample', 'threshold': 0.2}, {'policy': 'threshold', 'count': 2},
    {'policy': 'fixed', 'names': ('rgb',), 'threshold': 0.5},
    {'policy': 'fixed', 'names': ('rgb',), 'count': 2}])
def test_a_setting_that_does_nothing_is_refused(settings):
    *_, name = settings
    with pytest.raises(ConfigError, match=rf'primary\.{name} .* does nothing with policy'):
        PrimaryOptions(**settings)


def test_everything_present_is_the_base_case():
    selection, score_BM = updated(PrimaryOptions(), ANGLES)
    assert selection.choose(EVERYTHING, score_BM).tolist() == [[True, True, False, False]]
