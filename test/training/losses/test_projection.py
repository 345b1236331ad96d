# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Projections of a student's features to a teacher's channels."""

import torch

from training.losses.projection import FeatureProjection
from training.losses.unimodal_kd import unimodal_kd

DIMS = (3, 4, 5, 6)


def test_equal_channels_pass_unchanged(make_features):
    features = make_features([[1, 1]])
    projection = FeatureProjection(DIMS, DIMS)
    assert all(a is b for a, b in zip(projection(features).maps, features.maps, strict=True))
    assert not list(projection.parameters())


def test_each_pixel_is_mapped_and_the_pairs_stay(make_features):
    features = make_features([[1, 0], [1, 1]])
    wide = (6, 8, 5, 12)
    projection = FeatureProjection(DIMS, wide)
    projected = projection(features)
    assert projected.sample_P is features.sample_P
    assert projected.modality_P is features.modality_P
    for x, y, level, dim in zip(
            features.maps, projected.maps, projection.levels, wide, strict=True):
        assert y.shape == (*x.shape[:3], dim)
        if dim != x.shape[3]:
            torch.testing.assert_close(y[1, 0, 1], level.weight @ x[1, 0, 1] + level.bias)
            torch.testing.assert_close(y.norm(dim=3), x.norm(dim=3))


def test_a_loss_trains_projection_and_student(make_features):
    features = make_features([[1, 1]], grad=True)
    projection = FeatureProjection(DIMS, (6, 8, 10, 12))
    teacher = make_features([[1, 1]], 2, dims=(6, 8, 10, 12))
    unimodal_kd(projection(features), teacher).backward()
    assert all(p.grad.abs().sum() > 0 for n, p in projection.named_parameters() if 'weight' in n)
    assert all(x.grad.abs().sum() > 0 for x in features.maps)
