# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Logit distillation against a loop over pixels."""

import math

import pytest
import torch

from anymodal_seg_ros.errors import ConfigError
from training.losses.logit_kd import logit_kd

B, K, H, W = 2, 5, 3, 4


def logits(seed, *, grad=False):
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(B, K, H, W, generator=generator)).requires_grad_(grad)


def looped(student, teacher, labels=None, temperature=1.0):
    """Mean over the counted pixels of sum_k t_k log(t_k / s_k)."""
    values = []
    for b in range(B):
        for y in range(H):
            for x in range(W):
                if labels is not None and labels[b, y, x] == 255:
                    continue
                s = torch.softmax(student[b, :, y, x] / temperature, 0).tolist()
                t = torch.softmax(teacher[b, :, y, x] / temperature, 0).tolist()
                values.append(sum(t[k] * math.log(t[k] / s[k]) for k in range(K)))
    return temperature**2 * sum(values) / len(values)


@pytest.mark.parametrize('temperature', [1.0, 2.5])
@pytest.mark.parametrize('masked', [False, True])
def test_it_is_the_mean_divergence_of_the_pixels(temperature, masked):
    labels = torch.randint(0, K, (B, H, W), generator=torch.Generator().manual_seed(3))
    labels[0, :2] = 255
    labels = labels if masked else None
    got = logit_kd(logits(1), logits(2), labels_BHW=labels, reduction='pixels',
                   temperature=temperature)
    wanted = looped(logits(1), logits(2), labels, temperature)
    assert got.item() == pytest.approx(wanted, rel=1e-5)


def test_weight_50_on_elements_is_weight_50_over_k_on_pixels():
    elements = logit_kd(logits(1), logits(2))
    pixels = logit_kd(logits(1), logits(2), reduction='pixels')
    torch.testing.assert_close(50 * elements, 50 / K * pixels)


def test_elements_is_the_published_mean_over_everything():
    wanted = torch.nn.KLDivLoss(reduction='none')(
        logits(1).log_softmax(1), logits(2).softmax(1)).mean()
    torch.testing.assert_close(logit_kd(logits(1), logits(2)), wanted)


def test_unlabelled_pixels_get_no_gradient():
    student = logits(1, grad=True)
    labels = torch.zeros(B, H, W, dtype=torch.int64)
    labels[1, 2] = 255
    logit_kd(student, logits(2), labels_BHW=labels).backward()
    assert (student.grad[1, :, 2] == 0).all()
    assert (student.grad[1, :, :2].abs().sum(0) > 0).all()


def test_channels_last_logits_give_the_same():
    student, teacher = (
        logits(seed).to(memory_format=torch.channels_last) for seed in (1, 2))
    torch.testing.assert_close(logit_kd(student, teacher), logit_kd(logits(1), logits(2)))


def test_errors_name_what_is_allowed():
    with pytest.raises(ConfigError, match="'batchmean'; allowed: elements, pixels"):
        logit_kd(logits(1), logits(2), reduction='batchmean')
    with pytest.raises(ValueError, match='one shape'):
        logit_kd(logits(1), logits(2)[:, 1:])
