# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pull of each loss term: closed forms, and that measuring it changes nothing."""

import math

import pytest
import torch
from torch import nn

from training.term_gradients import gradient_names, term_gradients


def parameters():
    return [nn.Parameter(torch.tensor([1.0, 2.0])), nn.Parameter(torch.tensor([[3.0]]))]


def test_linear_terms_have_the_gradients_that_are_written_in_them():
    a, b = parameters()
    terms = {'ce': 3 * a[0] + 4 * b[0, 0], 'kl': 2 * a[0], 'cp': -5 * b[0, 0], 'ifv': a[1] * a[1]}
    found = term_gradients(terms, {'ce': 1.0, 'kl': 10.0, 'cp': 0.5, 'ifv': 1.0}, [a, b])
    assert found == pytest.approx({
        'gradient/ce': 5.0, 'gradient/kl': 20.0, 'gradient/cp': 2.5, 'gradient/ifv': 4.0,
        'cosine/kl': 0.6, 'cosine/cp': -0.8, 'cosine/ifv': 0.0})
    assert a.grad is None and b.grad is None
    terms['ce'].backward()
    assert a.grad.tolist() == [3.0, 0.0]


def test_a_term_that_moves_nothing_has_no_direction():
    a, b = parameters()
    terms = {'ce': a.sum(), 'kl': torch.tensor(0.7), 'cp': 0 * b.sum()}
    found = term_gradients(terms, {'ce': 1.0, 'kl': 1.0, 'cp': 1.0}, [a, b])
    assert found == pytest.approx(
        {'gradient/ce': math.sqrt(2), 'gradient/kl': 0.0, 'gradient/cp': 0.0})


def test_gradients_of_half_precision_weights_are_added_up_in_float32():
    a = nn.Parameter(torch.full((100_000,), 1.0, dtype=torch.bfloat16))
    found = term_gradients({'ce': a.sum()}, {'ce': 1.0}, [a])
    assert found['gradient/ce'] == pytest.approx(math.sqrt(100_000), rel=1e-6)


def test_the_supervised_term_has_no_cosine_to_itself():
    assert gradient_names(['ce', 'kl']) == ('gradient/ce', 'gradient/kl', 'cosine/kl')
