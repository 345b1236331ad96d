# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The two terms for samples that are labelled in classes of their own: values and gradients from
the formulas, pixel by pixel."""

import math

import pytest
import torch
import torch.nn.functional as F

from anymodal_seg_ros.labels import LabelSpace
from training.datasets import ClassSets
from training.losses.joint import joint_cross_entropy
from training.own_logits import own_logits

NETWORK = 6


def space(name, count):
    return LabelSpace(name, tuple(f'{name}{i}' for i in range(count)), ((0, 0, 0),) * count)


def sets_of(*ids):
    return ClassSets(name='m', source=space('own', len(ids)), target=space('wide', NETWORK),
                     ids=ids)


COARSE = sets_of((1, 4), (0,))
FINE = sets_of((5,), (3,), (2,))


def logits_of(batch=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(batch, NETWORK, 2, 3, generator=generator)


def terms(logits, labels, sources, class_sets):
    return joint_cross_entropy(logits, torch.as_tensor(labels), torch.tensor(sources), class_sets)


def test_the_probability_of_a_set_is_the_sum_of_its_members():
    logits = logits_of()
    own = own_logits(logits, COARSE)
    p = logits.softmax(1)
    among = torch.stack([p[:, 1] + p[:, 4], p[:, 0]], 1)
    torch.testing.assert_close(own.softmax(1), among / among.sum(1, keepdim=True))
    torch.testing.assert_close(own[:, 0].exp(), logits[:, 1].exp() + logits[:, 4].exp())


def test_single_classes_are_gathered():
    logits = logits_of()
    assert torch.equal(own_logits(logits, FINE), logits[:, [5, 3, 2]])
    assert own_logits(logits, None) is logits


def test_large_logits_stay_finite():
    logits = 1e4 * logits_of()
    assert torch.isfinite(own_logits(logits, COARSE)).all()
    both = terms(logits, torch.zeros(3, 2, 3, dtype=torch.long), [0, 0, 0], [COARSE])
    assert all(torch.isfinite(term) for term in both)


def test_values_of_one_pixel():
    """Six equal logits: of K = 6 classes U has 2, its data set 3."""
    logits = torch.zeros(1, NETWORK, 1, 1)
    unified, own = terms(logits, [[[0]]], [0], [COARSE])
    assert float(unified) == pytest.approx(math.log(6 / 2))
    assert float(own) == pytest.approx(math.log(3 / 2))


def test_each_sample_is_judged_in_its_own_classes():
    logits = logits_of()
    labels = torch.tensor([[[0, 1, 255], [1, 0, 0]], [[2, 255, 1], [0, 0, 2]],
                           [[5, 0, 3], [255, 255, 1]]])
    unified, own = terms(logits, labels, [1, 0, 2], [FINE, COARSE, None])
    tables = (COARSE, FINE, sets_of(*((k,) for k in range(NETWORK))))
    wanted = torch.zeros(2, dtype=torch.float64)
    pixels = 0
    for sample, table in enumerate(tables):
        for y in range(2):
            for x in range(3):
                label = int(labels[sample, y, x])
                if label == 255:
                    continue
                p = logits[sample, :, y, x].double().softmax(0)
                of_label = p[list(table.ids[label])].sum()
                of_all = p[[k for ids in table.ids for k in ids]].sum()
                wanted -= torch.stack([of_label.log(), (of_label / of_all).log()])
                pixels += 1
    assert pixels == 14
    torch.testing.assert_close(torch.stack([unified, own]).double(), wanted / pixels,
                               rtol=1e-5, atol=1e-6)


def test_the_gradient_of_each_term():
    """By hand: a softmax minus the share of each member in the set of the label."""
    logits = logits_of(1).requires_grad_()
    labels = torch.tensor([[[0, 1, 255], [1, 0, 0]]])
    labelled = (labels != 255).double()
    p = logits.detach().double().softmax(1)
    member = torch.zeros(2, NETWORK, dtype=torch.float64)
    for j, ids in enumerate(COARSE.ids):
        member[j, list(ids)] = 1
    of_label = member[labels.where(labels != 255, 0)].movedim(-1, 1)
    in_label = p * of_label / (p * of_label).sum(1, keepdim=True)
    of_all = member.sum(0)[None, :, None, None]
    in_all = p * of_all / (p * of_all).sum(1, keepdim=True)
    for number, softmax in enumerate((p, in_all)):
        [gradient] = torch.autograd.grad(terms(logits, labels, [0], [COARSE])[number], logits)
        wanted = (softmax - in_label) * labelled[:, None] / labelled.sum()
        torch.testing.assert_close(gradient.double(), wanted, rtol=1e-4, atol=1e-6)
    own_only = torch.autograd.grad(terms(logits, labels, [0], [COARSE])[1], logits)[0]
    assert not own_only[:, [2, 3, 5]].any(), 'classes of other data sets are left alone'


def test_with_the_classes_of_the_network_both_are_the_cross_entropy():
    logits, labels = logits_of(), torch.randint(0, NETWORK, (3, 2, 3))
    labels[0, 0, 0] = 255
    wanted = F.cross_entropy(logits, labels, ignore_index=255)
    for term in terms(logits, labels, [0, 0, 0], [None]):
        torch.testing.assert_close(term, wanted)


def test_without_labels_both_are_0_with_gradient_0():
    logits = logits_of().requires_grad_()
    both = terms(logits, torch.full((3, 2, 3), 255), [0, 1, 0], [COARSE, FINE])
    assert [float(term.detach()) for term in both] == [0.0, 0.0]
    sum(both).backward()
    assert not logits.grad.any()
