# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Logit distillation against a loop over pixels."""

import math

import pytest
import torch

from training.losses.logit_kd import logit_kd

B, K, H, W = 2, 5, 3, 4


def logits(seed):
    return 2 * torch.randn(B, K, H, W, generator=torch.Generator().manual_seed(seed))


def looped(student, teacher, temperature=1.0):
    """Mean over the pixels of sum_k t_k log(t_k / s_k)."""
    values = []
    for b in range(B):
        for y in range(H):
            for x in range(W):
                s = torch.softmax(student[b, :, y, x] / temperature, 0).tolist()
                t = torch.softmax(teacher[b, :, y, x] / temperature, 0).tolist()
                values.append(sum(t[k] * math.log(t[k] / s[k]) for k in range(K)))
    return temperature**2 * sum(values) / len(values)


@pytest.mark.parametrize('temperature', [1.0, 2.5])
def test_weight_50_is_weight_50_over_k_of_the_mean_divergence_of_the_pixels(temperature):
    got = logit_kd(logits(1), logits(2), temperature=temperature)
    wanted = looped(logits(1), logits(2), temperature)
    assert 50 * got.item() == pytest.approx(50 / K * wanted, rel=1e-5)


def test_it_is_the_published_mean_over_everything():
    wanted = torch.nn.KLDivLoss(reduction='none')(
        logits(1).log_softmax(1), logits(2).softmax(1)).mean()
    torch.testing.assert_close(logit_kd(logits(1), logits(2)), wanted)


def test_channels_last_logits_give_the_same():
    student, teacher = (
        logits(seed).to(memory_format=torch.channels_last) for seed in (1, 2))
    torch.testing.assert_close(logit_kd(student, teacher), logit_kd(logits(1), logits(2)))


def test_errors_name_what_is_allowed():
    with pytest.raises(ValueError, match='one shape'):
        logit_kd(logits(1), logits(2)[:, 1:])
