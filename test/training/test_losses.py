# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Contract of every row of LOSSES, and each loss by hand."""

import math

import pytest
import torch
import torch.nn.functional as F

from anymodal_seg_ros.errors import ConfigError
from training.losses import LOSSES, build_loss
from training.losses.class_weights import class_weights


def make(num=2, seed=0, classes=5, size=8):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(num, classes, size, size, generator=generator, requires_grad=True)
    labels = torch.randint(0, classes, (num, size, size), generator=generator)
    return logits, labels


@pytest.mark.parametrize('name', LOSSES)
@pytest.mark.parametrize('weighted', [False, True])
def test_a_finite_scalar_with_a_gradient_that_leaves_ignored_pixels_alone(name, weighted):
    logits, labels = make()
    labels[0, :4] = 255
    loss = build_loss(name, torch.linspace(0.5, 2, 5) if weighted else None)(logits, labels)
    loss.backward()
    assert loss.shape == () and torch.isfinite(loss) and loss > 0
    assert logits.grad.abs().sum() > 0
    assert (logits.grad[0, :, :4] == 0).all()


@pytest.mark.parametrize('name', LOSSES)
def test_without_labels_it_is_zero(name):
    logits, labels = make()
    loss = build_loss(name)(logits, torch.full_like(labels, 255))
    loss.backward()
    assert loss.item() == 0.0
    assert (logits.grad == 0).all()


@pytest.mark.parametrize('name', LOSSES)
def test_it_falls_with_better_logits(name):
    logits, labels = make()
    better = logits.detach() + 3 * F.one_hot(labels, 5).permute(0, 3, 1, 2)
    loss = build_loss(name)
    assert loss(better, labels) < loss(logits, labels)


def test_cross_entropy_is_the_mean_over_labelled_pixels():
    logits, labels = make()
    labels[1] = 255
    wanted = F.cross_entropy(logits[:1], labels[:1])
    assert build_loss('ce')(logits, labels).item() == pytest.approx(wanted.item(), rel=1e-6)


def test_ohem_takes_hard_pixels_only():
    logits = torch.zeros(1, 2, 4, 8)
    labels = torch.zeros(1, 4, 8, dtype=torch.int64)
    logits[:, 0] = 10.0
    logits[0, 0, 0, :3] = 0.0
    assert build_loss('ohem')(logits, labels).item() == pytest.approx(math.log(2))


def test_ohem_takes_a_sixteenth_when_all_are_easy():
    logits = torch.zeros(1, 2, 4, 8)
    logits[:, 0] = 10.0
    logits[0, 0, 0, :2] = torch.tensor([3.0, 5.0])
    labels = torch.zeros(1, 4, 8, dtype=torch.int64)
    wanted = (math.log1p(math.exp(-3)) + math.log1p(math.exp(-5))) / 2
    assert build_loss('ohem')(logits, labels).item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(('num_labelled', 'num_kept'), [(1, 1), (15, 1), (47, 2), (240, 15)])
def test_how_many_easy_pixels_are_kept(num_labelled, num_kept):
    """A sixteenth of the labelled, rounded down, and one at least; each differs from the next."""
    logits = torch.zeros(1, 2, 16, 16)
    logits[0, 0] = torch.linspace(2.0, 9.0, 256).view(16, 16)
    labels = torch.full((1, 16, 16), 255)
    labels.view(-1)[::256 // num_labelled][:num_labelled] = 0
    easy = logits[0, 0].flatten()[labels.flatten() == 0]
    wanted = F.softplus(-easy[:num_kept]).mean().item()
    assert build_loss('ohem')(logits, labels).item() == pytest.approx(wanted, rel=1e-5)


def test_the_hardest_sixteenth_does_not_go_by_class_weights():
    logits = torch.zeros(1, 2, 4, 8)
    labels = torch.zeros(1, 4, 8, dtype=torch.int64)
    labels[:, 2:] = 1
    logits[:, 0] = 10.0 - 20.0 * labels
    logits[0, 0, 0, :2] = torch.tensor([3.0, 5.0])
    logits[0, 0, 2, :2] = -6.0
    wanted = (math.log1p(math.exp(-3)) + math.log1p(math.exp(-5))) / 2
    loss = build_loss('ohem', torch.tensor([1.0, 100.0]))(logits, labels)
    assert loss.item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize('share', [0.0, 0.3, 0.97, 1.0])
@pytest.mark.parametrize('confidence', [0.1, 20.0])
def test_ohem_is_the_mean_of_the_hard_pixels_or_of_the_hardest_sixteenth(share, confidence):
    logits, labels = make(num=1, size=16)
    logits = confidence * (logits.detach() + 2 * F.one_hot(labels, 5).permute(0, 3, 1, 2))
    labels[torch.rand(labels.shape, generator=torch.Generator().manual_seed(1)) < share] = 255
    pixels = [F.cross_entropy(logits[:, :, y, x], labels[:, y, x]).item()
              for y in range(16) for x in range(16) if labels[0, y, x] != 255]
    hard = [value for value in pixels if value > -math.log(0.7)]
    if len(hard) < max(len(pixels) // 16, 1):
        hard = sorted(pixels)[-max(len(pixels) // 16, 1):]
    wanted = sum(hard) / len(hard) if hard else 0.0
    assert build_loss('ohem')(logits, labels).item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize('name', LOSSES)
def test_logits_whose_channels_lie_together_give_the_same(name):
    logits, labels = make()
    labels[0, :4] = 255
    turned = logits.detach().to(memory_format=torch.channels_last).requires_grad_()
    values = []
    for x in (logits, turned):
        values.append(build_loss(name, torch.linspace(0.5, 2, 5))(x, labels))
        values[-1].backward()
    torch.testing.assert_close(*values)
    torch.testing.assert_close(logits.grad, turned.grad)


def test_where_bits_must_repeat_cross_entropy_is_of_rows(monkeypatch):
    logits, labels = make()
    expected = build_loss('ce')(logits, labels)
    cross_entropy, dims = F.cross_entropy, []
    monkeypatch.setattr(F, 'cross_entropy', lambda x, *args, **options: (
        dims.append(x.ndim), cross_entropy(x, *args, **options))[1])
    torch.use_deterministic_algorithms(True)
    try:
        torch.testing.assert_close(build_loss('ce')(logits, labels), expected)
    finally:
        torch.use_deterministic_algorithms(False)
    assert dims == [2], 'nll_loss2d has no deterministic sum on CUDA'


def test_class_weights():
    weight = class_weights(torch.tensor([900, 100, 0]))
    share = torch.tensor([0.9, 0.1])
    assert weight[2] > weight[1] > weight[0] > 0, 'a class that was not counted may still occur'
    assert (weight[:2] * share).sum().item() == pytest.approx(1.0)
    ratio = math.log(1.92) / math.log(1.12)
    assert (weight[1] / weight[0]).item() == pytest.approx(ratio, rel=1e-5)


def test_without_a_labelled_pixel_there_are_no_class_weights():
    with pytest.raises(ValueError, match='labelled pixel'):
        class_weights(torch.zeros(3, dtype=torch.int64))


def test_unknown_loss():
    with pytest.raises(ConfigError, match='dice'):
        build_loss('dice')
