# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cross-modal prototype distillation against loops over samples, modalities and classes."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anymodal_seg_ros.models.features import FeatureMaps
from training.losses.pairing import draw_pairing
from training.losses.prototype_kd import prototype_kd
from training.losses.prototypes import class_prototypes

K = 5


def softmax(values):
    top = max(values)
    exps = [math.exp(v - top) for v in values]
    return [e / sum(exps) for e in exps]


def pair_distance(student, teacher, present, mask_absent):
    """Of two [K, C] prototype tables."""
    classes = [c for c in range(K) if present[c]]
    channels = student.shape[1]
    kept = classes if mask_absent else range(K)
    total = 0.0
    for channel in range(channels):
        if kept:
            s = softmax([float(student[c, channel]) for c in kept])
            t = softmax([float(teacher[c, channel]) for c in kept])
            total += sum(q * math.log(q / p) for p, q in zip(s, t, strict=True))
    return total / (K * channels)


def looped(student, teacher, s_protos, t_protos, pairing, mask_absent):
    total = 0.0
    for s, t in zip(s_protos, t_protos, strict=True):
        for p in range(len(student.sample_P)):
            b = int(student.sample_P[p])
            row = teacher.row_BM()[b, pairing[p]]
            total += pair_distance(
                s.mean_PKC[p], t.mean_PKC[row], s.present_BK[b], mask_absent)
    return total / student.num_samples


@pytest.fixture
def setting(make_features, make_labels):
    def make(present_BM, *, student_grad=False, mode='permutation'):
        student = make_features(present_BM, 1, grad=student_grad)
        teacher = make_features(torch.ones_like(present_BM), 2)
        labels = make_labels(len(present_BM))
        return (student, teacher, class_prototypes(student, labels, K),
                class_prototypes(teacher, labels, K),
                draw_pairing(present_BM, mode, torch.Generator().manual_seed(0)))

    return make


@pytest.mark.parametrize('mask_absent', [True, False])
@pytest.mark.parametrize('mode', ['permutation', 'same_rank', 'independent'])
def test_it_is_the_sum_over_levels_and_modalities(setting, present_BM, mask_absent, mode):
    arguments = setting(present_BM, mode=mode)
    got = prototype_kd(*arguments, mask_absent=mask_absent)
    wanted = looped(*arguments, mask_absent)
    assert got.item() == pytest.approx(wanted, rel=1e-4)


def test_the_published_code_divides_by_classes_and_channels(setting, present_BM):
    """KLDivLoss 'mean' on softmaxes over the class axis, zeros of absent classes in them."""
    student, teacher, s_protos, t_protos, pairing = setting(present_BM)
    total = 0.0
    for s, t in zip(s_protos, t_protos, strict=True):
        rows = teacher.row_BM()[student.sample_P, pairing]
        for p, row in enumerate(rows.tolist()):
            total += torch.nn.KLDivLoss(reduction='none')(
                s.mean_PKC[p].log_softmax(0), t.mean_PKC[row].softmax(0)).mean()
    got = prototype_kd(student, teacher, s_protos, t_protos, pairing, mask_absent=False)
    torch.testing.assert_close(got, total / student.num_samples)


def test_it_is_zero_for_a_student_like_the_teacher_with_identity_pairing(
        make_features, make_labels, present_BM):
    student, teacher = make_features(present_BM, 1), make_features(present_BM, 1)
    labels = make_labels(len(present_BM))
    loss = prototype_kd(
        student, teacher, class_prototypes(student, labels, K),
        class_prototypes(teacher, labels, K), draw_pairing(present_BM, 'identity'))
    assert loss.item() == pytest.approx(0.0, abs=1e-6)


def test_the_teachers_modality_is_the_one_of_the_pairing(make_features, make_labels):
    """Equal features in exchanged modalities: zero for the exchange, not for identity."""
    student = make_features([[1, 1]], 1)
    teacher = FeatureMaps(
        tuple(x.flip(0) for x in student.maps), student.sample_P, student.modality_P, 1, 2)
    labels = make_labels(1)
    protos = [class_prototypes(f, labels, K) for f in (student, teacher)]
    exchanged = prototype_kd(student, teacher, *protos, torch.tensor([1, 0]))
    same = prototype_kd(student, teacher, *protos, torch.tensor([0, 1]))
    assert exchanged.item() == pytest.approx(0.0, abs=1e-7)
    assert same.item() > 1e-3


@given(st.permutations(range(9)))
@settings(max_examples=10)
def test_the_order_of_pairs_does_not_matter(order):
    generator = torch.Generator().manual_seed(0)
    sample_P, modality_P = torch.arange(9) % 3, torch.arange(9) // 3
    maps = tuple(torch.randn(9, 2, 3, c, generator=generator) for c in (3, 4))
    teacher = FeatureMaps(
        tuple(torch.randn_like(x) for x in maps), sample_P, modality_P, 3, 3)
    labels = torch.randint(0, K, (3, 4, 6), generator=generator)
    pairing = draw_pairing(torch.ones(3, 3, dtype=torch.bool), generator=generator)
    values = []
    for index in (torch.arange(9), torch.tensor(order)):
        student = FeatureMaps(
            tuple(x[index] for x in maps), sample_P[index], modality_P[index], 3, 3)
        values.append(prototype_kd(
            student, teacher, class_prototypes(student, labels, K),
            class_prototypes(teacher, labels, K), pairing[index]))
    torch.testing.assert_close(values[0], values[1])


def test_absent_classes_move_the_loss_only_when_they_are_kept(setting):
    student, teacher, s_protos, t_protos, pairing = setting(torch.ones(1, 2, dtype=torch.bool))
    absent = ~s_protos[0].present_BK[0]
    assert absent.any()
    for level in t_protos:
        level.mean_PKC[:, ~level.present_BK[0]] += 3.0
    arguments = student, teacher, s_protos, t_protos, pairing
    masked, kept = (prototype_kd(*arguments, mask_absent=m).item() for m in (True, False))
    assert masked == pytest.approx(looped(*arguments, True), rel=1e-4)
    assert kept == pytest.approx(looped(*arguments, False), rel=1e-4)
    assert kept > masked


def test_errors(setting, make_features, make_labels):
    present = torch.ones(1, 2, dtype=torch.bool)
    student, _, s_protos, _, pairing = setting(present)
    other = make_features(present, 2, dims=(3, 4, 5, 8))
    t_protos = class_prototypes(other, make_labels(1), K)
    with pytest.raises(ValueError, match=r'\(5, 6\), teacher prototypes \(5, 8\)'):
        prototype_kd(student, other, s_protos, t_protos, pairing)
