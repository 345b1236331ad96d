# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Contract of every loss of a student against a teacher."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anymodal_seg_ros.models.features import FeatureMaps
from training.losses.cross_modal_kd import cross_modal_kd
from training.losses.ifv import ifv_kd
from training.losses.logit_kd import logit_kd
from training.losses.pairing import draw_pairing
from training.losses.prototype_kd import prototype_kd
from training.losses.prototypes import class_prototypes
from training.losses.unimodal_kd import unimodal_kd

LOSSES = {'kd': logit_kd, 'umd': unimodal_kd, 'cmd': cross_modal_kd, 'cp': prototype_kd,
          'ifv': ifv_kd}

K = 5
DIMS = (3, 4)
SIZES = ((4, 6), (2, 3))


def features_of(present_BM, fill):
    modality_P, sample_P = present_BM.T.nonzero(as_tuple=True)
    maps = tuple(
        fill(len(sample_P), *size, dim).requires_grad_() for size, dim in zip(
            SIZES, DIMS, strict=True))
    return FeatureMaps(maps, sample_P, modality_P, *present_BM.shape)


def labels_for(present_BM, unlabelled=False):
    shape = (len(present_BM), 16, 24)
    if unlabelled:
        return torch.full(shape, 255)
    labels = torch.randint(0, K, shape, generator=torch.Generator().manual_seed(0))
    labels[:, :4] = 255
    return labels


def arguments_of(name, student, teacher, labels, mode='identity'):
    """(arguments, student leaves, teacher leaves) of a loss."""
    if name == 'kd':
        logits = []
        for features in (student, teacher):
            x = features.maps[0]
            dense = torch.zeros(features.num_samples, K, *x.shape[1:3])
            dense[:, : x.shape[3]] = x.detach()[: features.num_samples].permute(0, 3, 1, 2)
            logits.append(dense.requires_grad_())
        return tuple(logits), [logits[0]], [logits[1]]
    arguments = (student, teacher)
    present_BM = student.row_BM() >= 0
    protos = [class_prototypes(f, labels, K) for f in (student, teacher)]
    if name == 'cp':
        pairing = draw_pairing(present_BM, mode, torch.Generator().manual_seed(0))
        arguments = (*arguments, *protos, pairing)
    elif name == 'ifv':
        arguments = (*arguments, labels, *protos)
    return arguments, student.maps, teacher.maps


@st.composite
def presences(draw):
    num_modalities = draw(st.integers(1, 4))
    row = st.lists(st.booleans(), min_size=num_modalities, max_size=num_modalities).filter(any)
    return torch.tensor(draw(st.lists(row, min_size=1, max_size=4)), dtype=torch.bool)


@pytest.mark.parametrize('name', LOSSES)
@given(present_BM=presences(), seed=st.integers(0, 99))
@settings(max_examples=15)
def test_a_finite_float32_scalar_whose_gradient_spares_the_teacher(name, present_BM, seed):
    generator = torch.Generator().manual_seed(seed)

    def random(*shape):
        return torch.randn(*shape, generator=generator)

    student = features_of(present_BM, random)
    teacher = features_of(torch.ones_like(present_BM), random)
    arguments, ours, theirs = arguments_of(
        name, student, teacher, labels_for(present_BM), 'permutation')
    loss = LOSSES[name](*arguments)
    assert loss.shape == () and loss.dtype == torch.float32 and torch.isfinite(loss)
    loss.backward()
    assert all(x.grad is not None and torch.isfinite(x.grad).all() for x in ours)
    assert all(x.grad is None for x in theirs)


@pytest.mark.parametrize('name', LOSSES)
def test_autocast_changes_nothing(name):
    present_BM = torch.tensor([[1, 1], [0, 1]], dtype=torch.bool)
    student = features_of(present_BM, torch.rand)
    teacher = features_of(torch.ones_like(present_BM), torch.rand)
    labels = labels_for(present_BM)
    values = []
    for enabled in (False, True):
        with torch.autocast('cpu', torch.bfloat16, enabled=enabled):
            values.append(LOSSES[name](*arguments_of(name, student, teacher, labels)[0]))
    assert values[1].dtype == torch.float32
    torch.testing.assert_close(*values)


@pytest.mark.parametrize('name', LOSSES)
def test_half_precision_features_are_taken(name):
    present_BM = torch.ones(2, 2, dtype=torch.bool)
    student, teacher = (
        features_of(present_BM, lambda *shape: torch.rand(*shape).bfloat16()) for _ in range(2))
    arguments, ours, _ = arguments_of(name, student, teacher, labels_for(present_BM))
    loss = LOSSES[name](*arguments)
    loss.backward()
    assert loss.dtype == torch.float32
    assert all(torch.isfinite(x.grad).all() for x in ours)


@pytest.mark.parametrize('name', LOSSES)
@pytest.mark.parametrize('zero', ['student', 'teacher', 'both'])
def test_features_of_zero_have_finite_gradients(name, zero):
    present_BM = torch.ones(2, 3, dtype=torch.bool)
    student = features_of(present_BM, torch.rand if zero == 'teacher' else torch.zeros)
    teacher = features_of(present_BM, torch.rand if zero == 'student' else torch.zeros)
    arguments, ours, _ = arguments_of(name, student, teacher, labels_for(present_BM))
    loss = LOSSES[name](*arguments)
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(x.grad).all() and x.grad.abs().max() < 10 for x in ours)


@pytest.mark.parametrize('name', ['cp', 'ifv'])
def test_without_labels_it_is_zero_and_its_gradient_too(name):
    present_BM = torch.tensor([[1, 1], [0, 1]], dtype=torch.bool)
    student = features_of(present_BM, torch.rand)
    teacher = features_of(torch.ones_like(present_BM), torch.rand)
    arguments, ours, _ = arguments_of(
        name, student, teacher, labels_for(present_BM, unlabelled=True), 'permutation')
    loss = LOSSES[name](*arguments)
    loss.backward()
    assert loss.item() == 0.0
    assert all((x.grad == 0).all() for x in ours)


@pytest.mark.parametrize('name', LOSSES)
def test_a_student_like_the_teacher_has_nothing_to_learn(name):
    present_BM = torch.ones(2, 3, dtype=torch.bool)
    student = features_of(present_BM, torch.rand)
    arguments, _, _ = arguments_of(name, student, student, labels_for(present_BM))
    assert LOSSES[name](*arguments).item() == pytest.approx(0.0, abs=1e-6)
