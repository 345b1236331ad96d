# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Class prototypes against a loop over pixels; label resizing; pseudo-labels."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from anymodal_seg_ros.errors import ConfigError
from training.losses.prototypes import class_prototypes, pseudo_labels, resize_labels

K = 5


def looped(features, labels, norm):
    """(mean, count) for each level as nested lists, pixel by pixel."""
    levels = []
    for x in features.maps:
        small = F.interpolate(labels[:, None].double(), x.shape[1:3], mode='nearest')[:, 0]
        means, counts = torch.zeros(len(x), K, x.shape[3]), torch.zeros(len(labels), K)
        for p, b in enumerate(features.sample_P.tolist()):
            for c in range(K):
                pixels = [x[p, i, j] for i in range(x.shape[1]) for j in range(x.shape[2])
                          if small[b, i, j] == c]
                if pixels:
                    means[p, c] = sum(pixels) / len(pixels)
                    if norm == 'mean_over_count':
                        means[p, c] /= len(pixels)
                    counts[b, c] = len(pixels)
        levels.append((means, counts))
    return levels


@pytest.mark.parametrize('norm', ['mean', 'mean_over_count'])
def test_they_are_means_over_the_pixels_of_a_class(make_features, make_labels, present_BM, norm):
    features, labels = make_features(present_BM, 1), make_labels(len(present_BM))
    got = class_prototypes(features, labels, K, norm=norm)
    for level, (mean, count) in zip(got, looped(features, labels, norm), strict=True):
        torch.testing.assert_close(level.mean_PKC, mean)
        assert torch.equal(level.count_BK, count)
        assert torch.equal(level.present_BK, count > 0)


def test_absent_classes_are_zero_and_ignored_pixels_in_none(make_features):
    features = make_features([[1]], 1, grad=True)
    labels = torch.full((1, 32, 48), 255)
    labels[0, :16, :24] = 2
    prototypes = class_prototypes(features, labels, K)
    for level in prototypes:
        assert level.present_BK[0].tolist() == [False, False, True, False, False]
        assert (level.mean_PKC[0, [0, 1, 3, 4]] == 0).all()
    quarter = features.maps[0][0, :4, :6].mean((0, 1))
    torch.testing.assert_close(prototypes[0].mean_PKC[0, 2], quarter)
    prototypes[0].mean_PKC.sum().backward()
    assert (features.maps[0].grad[0, 4:] == 0).all()
    assert (features.maps[0].grad[0, :4, :6] == 1 / 24).all()


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 12), st.integers(1, 12))
def test_a_resized_label_is_that_of_the_cells_first_pixel(height, width, target_h, target_w):
    labels = torch.arange(height * width).view(1, height, width)
    got = resize_labels(labels, (target_h, target_w))[0].tolist()
    assert got == [[i * height // target_h * width + j * width // target_w
                    for j in range(target_w)] for i in range(target_h)]


def test_at_the_strides_of_an_encoder_labels_are_resized_as_torch_does():
    labels = torch.arange(64).view(1, 8, 8)
    assert torch.equal(resize_labels(labels, (2, 4)), labels[:, ::4, ::2])
    wanted = F.interpolate(labels[:, None].float(), (2, 4), mode='nearest')[:, 0].long()
    assert torch.equal(resize_labels(labels, (2, 4)), wanted)


def test_errors(make_features):
    features = make_features([[1], [1]])
    with pytest.raises(ConfigError, match="'sum'; allowed: mean, mean_over_count"):
        class_prototypes(features, torch.zeros(2, 8, 8, dtype=torch.int64), K, norm='sum')
    with pytest.raises(ValueError, match=r'allowed: \[2, H, W\]'):
        class_prototypes(features, torch.zeros(3, 8, 8, dtype=torch.int64), K)


def test_pseudo_labels_fill_sure_unlabelled_pixels_only():
    labels = torch.tensor([[[255, 255, 1]]])
    logits = torch.tensor([0.9, 0.6, 0.99]).log().view(1, 1, 1, 3)
    other = torch.tensor([0.1, 0.4, 0.01]).log().view(1, 1, 1, 3)
    logits = torch.cat([logits + 7, other + 7], 1)
    assert pseudo_labels(labels, logits, 0.8).tolist() == [[[0, 255, 1]]]
    assert pseudo_labels(labels, logits, 0.5).tolist() == [[[0, 0, 1]]]
    assert labels.tolist() == [[[255, 255, 1]]]
    with pytest.raises(ValueError, match='one size'):
        pseudo_labels(labels, logits[..., :2], 0.5)
