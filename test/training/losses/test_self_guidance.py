# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""EQUISeg's self-guidance against closed forms and loops over images, classes, channels."""

import math
from collections import Counter
from dataclasses import replace

import pytest
import torch

from anymodal_seg_ros.models.features import FeatureMaps
from training.losses.prototypes import Prototypes, class_prototypes
from training.losses.self_guidance import (
    Groups,
    draw_groups,
    pixel_guidance,
    prototype_guidance,
    similar_groups,
)

K = 5


def pairs_of(present):
    return FeatureMaps.of_present((), torch.tensor(present, dtype=torch.bool))


def named(pairs, groups):
    """(sample, teacher's modality, student's modality) of each group."""
    return [(int(pairs.sample_P[t]), int(pairs.modality_P[t]), int(pairs.modality_P[s]))
            for t, s in zip(groups.teacher_G, groups.student_G, strict=True)]


def level_of(mean_PKC, present_BK):
    return Prototypes(mean_PKC=mean_PKC, present_BK=present_BK, count_BK=present_BK.float())


GROUP = Groups(teacher_G=torch.tensor([0]), student_G=torch.tensor([1]))
TWO = pairs_of([[1, 1]])


def test_two_classes_and_one_channel_are_a_divergence_of_two_coins():
    """softmax over two classes is a sigmoid of their difference: sigmoid(log 3) = 3 / 4."""
    mean_PKC = torch.tensor([[[math.log(3.0)], [0.0]], [[0.0], [0.0]]])
    found = prototype_guidance(TWO, [level_of(mean_PKC, torch.ones(1, 2).bool())], GROUP)
    divergence = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert float(found) == pytest.approx(divergence / 2, rel=1e-6)


def test_mean_over_elements_sum_over_levels_mean_over_samples():
    """The same divergence in each of C channels stays it; with K classes it is divided by K."""
    coin = torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]])
    level = level_of(coin[..., None].expand(2, 2, 7), torch.ones(1, 2).bool())
    one = float(prototype_guidance(TWO, [level], GROUP))
    assert float(prototype_guidance(TWO, [level] * 4, GROUP)) == pytest.approx(4 * one)
    idle = replace(TWO, num_samples=2)
    with_idle = replace(level, present_BK=torch.tensor([[True, True], [False, False]]))
    assert float(prototype_guidance(idle, [with_idle], GROUP)) == pytest.approx(one / 2)
    padded = torch.cat([level.mean_PKC, 9 * torch.randn(2, 3, 7)], dim=1)
    absent = level_of(padded, torch.tensor([[True, True, False, False, False]]))
    assert float(prototype_guidance(TWO, [absent], GROUP)) == pytest.approx(one)


def test_a_constant_added_to_all_classes_changes_nothing():
    mean_PKC = torch.randn(2, K, 6)
    present = torch.ones(1, K).bool()
    wanted = prototype_guidance(TWO, [level_of(mean_PKC, present)], GROUP)
    moved = mean_PKC + torch.randn(2, 1, 6)
    torch.testing.assert_close(
        prototype_guidance(TWO, [level_of(moved, present)], GROUP), wanted)
    along_channels = mean_PKC + torch.randn(2, K, 1)
    assert not torch.isclose(
        prototype_guidance(TWO, [level_of(along_channels, present)], GROUP), wanted, rtol=0.01)


def looped(features, labels_BHW, groups):
    total = 0.0
    for t, s in zip(groups.teacher_G.tolist(), groups.student_G.tolist(), strict=True):
        sample = int(features.sample_P[t])
        for x_PHWC in features.maps:
            height, width, channels = x_PHWC.shape[1:]
            labels = labels_BHW[sample][::labels_BHW.shape[1] // height,
                                        ::labels_BHW.shape[2] // width]
            classes = [k for k in range(K) if (labels == k).any()]
            for d in range(channels):
                means = [[float(x_PHWC[row][labels == k][:, d].mean()) for k in classes]
                         for row in (t, s)]
                p, q = ([math.exp(v) / sum(map(math.exp, row)) for v in row] for row in means)
                total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)) / (
                    len(classes) * channels)
    return total / features.num_samples


def test_against_loops(make_features, make_labels, present_BM):
    features = make_features(present_BM)
    labels_BHW = make_labels(len(present_BM))
    groups = draw_groups(features)
    found = prototype_guidance(features, class_prototypes(features, labels_BHW, K), groups)
    assert float(found) == pytest.approx(looped(features, labels_BHW, groups), rel=1e-4)
    assert float(found) > 1e-3


@pytest.mark.parametrize('guidance', ['prototypes', 'pixels'])
@pytest.mark.parametrize('detach', [True, False])
def test_gradients_reach_students_and_those_who_teach_only_where_asked(
        make_features, make_labels, guidance, detach):
    features = make_features([[1, 1, 1]], grad=True)
    groups = Groups(teacher_G=torch.tensor([2]), student_G=torch.tensor([0]))
    if guidance == 'prototypes':
        prototypes = class_prototypes(features, make_labels(1), K)
        loss = prototype_guidance(features, prototypes, groups, detach_teacher=detach)
    else:
        loss = pixel_guidance(features, groups, detach_teacher=detach)
    loss.backward()
    for x_PHWC in features.maps:
        assert [bool(row.any()) for row in x_PHWC.grad] == [True, False, not detach]


def test_equal_modalities_and_unlabelled_images_have_nothing_to_teach(make_features):
    features = make_features([[1, 1], [1, 0]], grad=True)
    groups = draw_groups(features)
    unlabelled = torch.full((2, 32, 48), 255)
    one_class = torch.zeros_like(unlabelled)
    for labels_BHW in (unlabelled, one_class):
        loss = prototype_guidance(features, class_prototypes(features, labels_BHW, K), groups)
        loss.backward()
        assert loss.item() == 0.0
        assert all(not x.grad.any() for x in features.maps)
    same = features.with_maps(x[[0, 1, 0]].detach() for x in features.maps)
    labels_BHW = torch.randint(0, K, (2, 32, 48))
    assert float(prototype_guidance(
        same, class_prototypes(same, labels_BHW, K), groups)) == pytest.approx(0.0, abs=1e-8)
    assert float(pixel_guidance(same, groups)) == pytest.approx(0.0, abs=1e-8)


def test_nobody_teaches_where_all_are_alone(make_features, make_labels):
    features = make_features([[1, 0], [0, 1]], grad=True)
    groups = draw_groups(features)
    assert len(groups.teacher_G) == len(groups.student_G) == 0
    prototypes = class_prototypes(features, make_labels(2), K)
    for loss in (prototype_guidance(features, prototypes, groups),
                 pixel_guidance(features, groups)):
        loss.backward()
        assert loss.item() == 0.0


def test_pixels_guide_by_a_softmax_over_channels():
    """Two channels are a coin, as above; every pixel has the same one."""
    maps = [torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]])[:, None, None].expand(2, h, w, 2)
            for h, w in ((4, 6), (2, 3))]
    divergence = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    found = pixel_guidance(TWO.with_maps(maps), GROUP)
    assert float(found) == pytest.approx(2 * divergence / 2, rel=1e-6)


def test_groups_are_one_random_order_for_all_samples():
    pairs = pairs_of([[1, 1, 1, 1], [1, 1, 1, 1], [1, 0, 1, 0], [1, 1, 0, 1], [0, 0, 1, 0]])
    counts = Counter()
    for seed in range(600):
        groups = draw_groups(pairs, torch.Generator().manual_seed(seed))
        found = named(pairs, groups)
        by_sample = [[pair[1:] for pair in found if pair[0] == b] for b in range(5)]
        assert [len(each) for each in by_sample] == [2, 2, 1, 1, 0]
        assert by_sample[0] == by_sample[1]
        assert len({m for pair in by_sample[0] for m in pair}) == 4
        assert set(by_sample[2][0]) == {0, 2}
        assert set(by_sample[3][0]) < {0, 1, 3}
        counts.update(by_sample[0])
        counts['odd', by_sample[3][0]] += 1
    # 12 ordered couples of four modalities, 2 of each draw; 6 of three, 1 of each draw.
    assert len(counts) == 12 + 6
    assert all(60 < number < 150 for number in counts.values())


def test_similar_ones_are_grouped_and_who_teaches_is_drawn():
    pairs = pairs_of([[1, 1, 1, 1], [1, 1, 1, 0]])
    direction = torch.eye(4)
    # Modalities 0 and 3 are most alike, and then 1 and 2; of the second sample 1 and 2.
    mean_PKC = torch.stack([direction[0], direction[0], direction[1] + 0.1 * direction[2],
                            direction[1], direction[1] + direction[2],
                            direction[1] + direction[2], direction[0] + 0.01 * direction[3]])
    level = level_of(mean_PKC[:, :, None], torch.ones(2, 4).bool())
    seen = set()
    for seed in range(40):
        groups = similar_groups(pairs, [level], torch.Generator().manual_seed(seed))
        found = named(pairs, groups)
        assert [(b, frozenset(two)) for b, *two in found] == [
            (0, frozenset((0, 3))), (0, frozenset((1, 2))), (1, frozenset((1, 2)))]
        seen.update(found)
    assert len(seen) == 6
