# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cross-modal correspondences against loops over samples and pairs of modalities."""

import math

import pytest
import torch

from anymodal_seg_ros.errors import ConfigError
from training.losses.cross_modal_kd import cross_modal_kd


def cosine(a, b):
    a, b = a.flatten(), b.flatten()
    return float(a @ b / (a.norm() * b.norm()))


def looped(student, teacher, variant):
    s_row, t_row = student.row_BM(), teacher.row_BM()
    total = 0.0
    for s, t in zip(student.maps, teacher.maps, strict=True):
        for m in range(student.num_modalities):
            for n in range(m + 1, student.num_modalities):
                both = [b for b in range(student.num_samples)
                        if s_row[b, m] >= 0 and s_row[b, n] >= 0]
                ours = [cosine(s[s_row[b, m]], s[s_row[b, n]]) for b in both]
                theirs = [cosine(t[t_row[b, m]], t[t_row[b, n]]) for b in both]
                total += compared(ours, theirs, variant, student.num_samples)
    return total


def compared(ours, theirs, variant, num_samples):
    if not ours:
        return 0.0
    if variant == 'mse':
        return sum((r - q) ** 2 for r, q in zip(ours, theirs, strict=True)) / num_samples
    if variant == 'paper':
        s, t = ((1 + sum(r) / len(r)) / 2 for r in (ours, theirs))
        return s * math.log(s / t)
    values = []
    for r, q in zip(ours, theirs, strict=True):
        s, t = (1 + r) / 2, (1 + q) / 2
        values.append(s * math.log(s / t) - s + t)
    return sum(values) / num_samples


def looped_reference_code(student, teacher):
    """All pairs of the batch; the teacher's rows are those of the student's pairs."""
    rows = teacher.row_BM()[student.sample_P, student.modality_P]
    total = 0.0
    for s, t in zip(student.maps, teacher.maps, strict=True):
        s, t = torch.log_softmax(s, 1), torch.softmax(t[rows], 1)
        num, channels = len(s), s.shape[3]
        squares = []
        for i in range(num):
            for j in range(num):
                r, q = (
                    sum(cosine(x[i, :, :, c], x[j, :, :, c]) for c in range(channels)) / channels
                    for x in (s, t)
                )
                squares.append((r - q) ** 2)
        total += sum(squares) / len(squares)
    return total / student.num_samples


@pytest.mark.parametrize('variant', ['paper', 'divergence', 'mse'])
def test_it_is_the_sum_over_levels_and_pairs(make_features, present_BM, variant):
    student = make_features(present_BM, 1)
    teacher = make_features(torch.ones_like(present_BM), 2)
    got = cross_modal_kd(student, teacher, variant=variant)
    assert got.item() == pytest.approx(looped(student, teacher, variant), rel=1e-4, abs=1e-7)


def test_the_published_code_pairs_everything_with_everything(make_features, present_BM):
    student = make_features(present_BM, 1)
    teacher = make_features(torch.ones_like(present_BM), 2)
    got = cross_modal_kd(student, teacher, variant='reference_code')
    assert got.item() == pytest.approx(looped_reference_code(student, teacher), rel=1e-4)


@pytest.mark.parametrize('variant', ['paper', 'divergence', 'mse'])
def test_one_modality_each_gives_zero(make_features, variant):
    student = make_features([[1, 0, 0], [0, 0, 1]], 1, grad=True)
    teacher = make_features(torch.ones(2, 3), 2)
    loss = cross_modal_kd(student, teacher, variant=variant)
    loss.backward()
    assert loss.item() == 0.0
    assert all((x.grad == 0).all() for x in student.maps)


def test_the_published_code_gives_zero_for_one_sample_with_one_modality(make_features):
    student, teacher = make_features([[0, 1]], 1), make_features([[1, 1]], 2)
    loss = cross_modal_kd(student, teacher, variant='reference_code')
    assert loss.item() == pytest.approx(0.0, abs=1e-10)


def test_the_divergence_is_positive_where_equation_5_is_negative(make_features):
    """Student's modalities less alike than the teacher's: printed, that is a reward."""
    student = make_features([[1, 1]], 1, offset=0.0)
    teacher = make_features([[1, 1]], 2, offset=3.0)
    assert cross_modal_kd(student, teacher, variant='paper').item() < 0
    assert cross_modal_kd(student, teacher, variant='divergence').item() > 0


@pytest.mark.parametrize('variant', ['divergence', 'mse'])
def test_a_step_down_the_gradient_makes_similarities_alike(make_features, variant):
    student = make_features([[1, 1], [1, 1]], 1, grad=True)
    teacher = make_features([[1, 1], [1, 1]], 2, offset=1.0)
    before = cross_modal_kd(student, teacher, variant=variant)
    before.backward()
    with torch.no_grad():
        for x in student.maps:
            x -= 0.1 * x.grad
    assert cross_modal_kd(student, teacher, variant=variant) < before


def test_unknown_variant(make_features):
    with pytest.raises(ConfigError, match="'kl'; allowed: paper, divergence, mse"):
        cross_modal_kd(make_features([[1]]), make_features([[1]]), variant='kl')
