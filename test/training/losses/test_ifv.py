# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""IFV maps and their distillation against loops over pixels."""

import math

import pytest
import torch
import torch.nn.functional as F

from anymodal_seg_ros.errors import ConfigError
from training.losses.ifv import ifv_kd, ifv_maps
from training.losses.pairing import draw_pairing
from training.losses.prototypes import class_prototypes

K = 5


def looped_maps(features, prototypes, labels):
    """The centre feature map pixel by pixel, the feature itself where there is no label."""
    maps = []
    for x, level in zip(features.maps, prototypes, strict=True):
        small = F.interpolate(labels[:, None].double(), x.shape[1:3], mode='nearest')[:, 0]
        out = torch.zeros(x.shape[:3])
        for p, b in enumerate(features.sample_P.tolist()):
            for i in range(x.shape[1]):
                for j in range(x.shape[2]):
                    c = int(small[b, i, j])
                    centre = x[p, i, j] if c == 255 else level.mean_PKC[p, c]
                    out[p, i, j] = F.cosine_similarity(x[p, i, j], centre, dim=0)
        maps.append((out, small))
    return maps


def divergence(student, teacher):
    s, t = (torch.softmax(x, 0).tolist() for x in (student, teacher))
    return sum(q * math.log(q / p) for p, q in zip(s, t, strict=True))


def looped(student, teacher, labels, s_protos, t_protos, mask, distance, pairing):
    ours, theirs = looped_maps(student, s_protos, labels), looped_maps(teacher, t_protos, labels)
    total = 0.0
    for (s_map, small), (t_map, _) in zip(ours, theirs, strict=True):
        for p in range(len(student.sample_P)):
            b, m = int(student.sample_P[p]), int(student.modality_P[p])
            if not mask[b, m]:
                continue
            s, t = s_map[p], t_map[teacher.row_BM()[b, pairing[p]]]
            if distance == 'kl_width':
                total += 4 * sum(divergence(s[y] / 2, t[y] / 2) for y in range(len(s)))
            else:
                squares = [(s[y, x] - t[y, x]) ** 2
                           for y in range(s.shape[0]) for x in range(s.shape[1])
                           if small[b, y, x] != 255]
                total += float(sum(squares) / len(squares)) if squares else 0.0
    return total / student.num_samples


@pytest.fixture
def setting(make_features, make_labels):
    def make(present_BM, *, grad=False, teacher_dims=(3, 4, 5, 6)):
        student = make_features(present_BM, 1, grad=grad)
        teacher = make_features(torch.ones_like(present_BM), 2, dims=teacher_dims)
        labels = make_labels(len(present_BM))
        return (student, teacher, labels, class_prototypes(student, labels, K),
                class_prototypes(teacher, labels, K))

    return make


def test_maps_are_cosines_with_the_centre_feature_map(make_features, make_labels, present_BM):
    features, labels = make_features(present_BM, 1), make_labels(len(present_BM))
    prototypes = class_prototypes(features, labels, K)
    got = ifv_maps(features, prototypes, labels)
    for ours, (wanted, _) in zip(got, looped_maps(features, prototypes, labels), strict=True):
        torch.testing.assert_close(ours, wanted, rtol=1e-5, atol=1e-5)
        assert ours.abs().max() <= 1 + 1e-5
    rows = torch.tensor([len(features.sample_P) - 1, 0])
    for part, whole in zip(ifv_maps(features, prototypes, labels, rows), got, strict=True):
        torch.testing.assert_close(part, whole[rows])


@pytest.mark.slow
@pytest.mark.parametrize('distance', ['mse', 'kl_width'])
@pytest.mark.parametrize('primary', [None, (1, 0, 1), (0, 0, 1), (0, 0, 0)])
@pytest.mark.parametrize('crossed', [False, True])
def test_it_is_the_sum_over_levels_and_chosen_modalities(
        setting, present_BM, distance, primary, crossed):
    arguments = setting(present_BM)
    mask = None
    if primary is not None:
        mask = torch.tensor(primary, dtype=torch.bool).expand(present_BM.shape)
    pairing = None
    if crossed:
        pairing = draw_pairing(present_BM, generator=torch.Generator().manual_seed(5))
    got = ifv_kd(*arguments, modality_mask_BM=mask, distance=distance, pairing_P=pairing)
    wanted = looped(
        *arguments, torch.ones_like(present_BM) if mask is None else mask, distance,
        arguments[0].modality_P if pairing is None else pairing)
    assert got.item() == pytest.approx(wanted, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize('distance', ['mse', 'kl_width'])
def test_it_is_zero_for_a_student_like_the_teacher(
        make_features, make_labels, present_BM, distance):
    student, teacher = make_features(present_BM, 1), make_features(present_BM, 1)
    labels = make_labels(len(present_BM))
    protos = [class_prototypes(f, labels, K) for f in (student, teacher)]
    assert ifv_kd(student, teacher, labels, *protos, distance=distance).item() == 0.0


def test_no_chosen_modality_gives_zero_and_gradient_zero(setting):
    student, *rest = setting(torch.tensor([[1, 0], [1, 0]], dtype=torch.bool), grad=True)
    mask = torch.tensor([[False, True]]).expand(2, 2)
    loss = ifv_kd(student, *rest, modality_mask_BM=mask)
    loss.backward()
    assert loss.item() == 0.0
    assert all((x.grad == 0).all() for x in student.maps)


def test_the_teacher_may_have_other_channels(setting, present_BM):
    arguments = setting(present_BM, teacher_dims=(8, 8, 16, 16))
    mask = torch.ones_like(present_BM)
    wanted = looped(*arguments, mask, 'mse', arguments[0].modality_P)
    assert ifv_kd(*arguments).item() == pytest.approx(wanted, rel=1e-4)


def test_unlabelled_pixels_and_other_modalities_get_no_gradient(setting):
    present = torch.ones(1, 2, dtype=torch.bool)
    student, teacher, labels, s_protos, t_protos = setting(present, grad=True)
    mask = torch.tensor([[True, False]])
    ifv_kd(student, teacher, labels, s_protos, t_protos, modality_mask_BM=mask).backward()
    grad = student.maps[0].grad
    small = labels[0, ::4, ::4]
    assert (grad[0, small == 255] == 0).all() and (grad[1] == 0).all()
    assert (grad[0, small != 255].abs().sum(-1) > 0).all()


def test_gradients_are_those_of_the_loop(setting):
    """Through the prototypes as well as through the pixels."""
    present = torch.ones(1, 2, dtype=torch.bool)
    student, teacher, labels, _, t_protos = setting(present, grad=True)
    ifv_kd(student, teacher, labels, class_prototypes(student, labels, K), t_protos).backward()
    got = [x.grad.clone() for x in student.maps]
    for x in student.maps:
        x.grad = None
    total = 0.0
    for s, t, level in zip(student.maps, teacher.maps, t_protos, strict=True):
        small = F.interpolate(labels[:, None].double(), s.shape[1:3], mode='nearest')[0, 0]
        for p in range(2):
            errors = []
            for c in range(K):
                inside = small == c
                if inside.any():
                    ours = F.cosine_similarity(s[p][inside], s[p][inside].mean(0)[None])
                    theirs = F.cosine_similarity(t[p][inside], level.mean_PKC[p, c][None])
                    errors.append((ours - theirs).square())
            if errors:
                total = total + torch.cat(errors).mean()
    total.backward()
    for ours, x in zip(got, student.maps, strict=True):
        torch.testing.assert_close(ours, x.grad, rtol=1e-4, atol=1e-6)


def test_errors(setting, make_features, make_labels):
    present = torch.ones(2, 2, dtype=torch.bool)
    student, teacher, labels, s_protos, t_protos = setting(present)
    with pytest.raises(ConfigError, match="'kl'; allowed: mse, kl_width"):
        ifv_kd(student, teacher, labels, s_protos, t_protos, distance='kl')
    with pytest.raises(ValueError, match=r'\(2, 3\); allowed: \(2, 2\)'):
        ifv_kd(student, teacher, labels, s_protos, t_protos,
               modality_mask_BM=torch.ones(2, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match=r'allowed: \[2, H, W\]'):
        ifv_kd(student, teacher, labels[:1], s_protos, t_protos)
    small = make_features(present, 2, sizes=((4, 6), (2, 3), (1, 2), (1, 1)))
    with pytest.raises(ValueError, match=r'\(8, 12\), teacher maps \(4, 6\)'):
        ifv_kd(student, small, labels, s_protos, class_prototypes(small, labels, K))
