# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The order of packed pairs, and both fusions against one sample at a time. Layer: models."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anymodal_seg_ros.models.features import FeatureMaps, joined, select_modalities
from anymodal_seg_ros.models.fusion import ReliabilityScores, fuse_present, softmax_over_present

DIMS = (3, 5, 2, 4)


def feature_maps(present_BM, dims=DIMS):
    present_BM = torch.as_tensor(present_BM, dtype=torch.bool)
    pairs_P2 = present_BM.T.nonzero()
    generator = torch.Generator().manual_seed(len(pairs_P2))
    return FeatureMaps(
        maps=tuple(
            torch.randn(len(pairs_P2), 8 >> i, 4, c, generator=generator)
            for i, c in enumerate(dims)
        ),
        sample_P=pairs_P2[:, 1],
        modality_P=pairs_P2[:, 0],
        num_samples=present_BM.shape[0],
        num_modalities=present_BM.shape[1],
    )


presences = st.integers(1, 4).flatmap(
    lambda m: st.lists(
        st.lists(st.booleans(), min_size=m, max_size=m).filter(any), min_size=1, max_size=4
    )
)


@settings(max_examples=25, deadline=None)
@given(presences)
def test_rows_and_owners_tell_the_same(present):
    features = feature_maps(present)
    row_BM, owner_BP = features.row_BM(), features.owner_BP()
    assert (row_BM >= 0).tolist() == present
    for p, (b, m) in enumerate(zip(features.sample_P, features.modality_P, strict=True)):
        assert row_BM[b, m] == p
        assert owner_BP[:, p].nonzero().flatten().tolist() == [b]
    assert sorted(features.modality_P.tolist()) == features.modality_P.tolist()


@settings(max_examples=25, deadline=None)
@given(presences)
def test_mean_of_each_sample(present):
    features = feature_maps(present)
    for x_PHWC, fused_BHWC in zip(features.maps, fuse_present(features, None), strict=True):
        for b, rows_M in enumerate(features.row_BM()):
            expected_HWC = torch.stack([x_PHWC[row] for row in rows_M if row >= 0]).mean(0)
            torch.testing.assert_close(fused_BHWC[b], expected_HWC)


@settings(max_examples=25, deadline=None)
@given(presences)
def test_softmax_weights_of_each_sample(present):
    features, scores = feature_maps(present), feature_maps(present, dims=(1, 1, 1, 1))
    fused = fuse_present(features, scores)
    for x_PHWC, s_PHW1, fused_BHWC in zip(features.maps, scores.maps, fused, strict=True):
        weight_PHW1 = softmax_over_present(s_PHW1, features)
        for b, rows_M in enumerate(features.row_BM()):
            rows = rows_M[rows_M >= 0]
            expected = s_PHW1[rows].exp() / s_PHW1[rows].exp().sum(0)
            torch.testing.assert_close(weight_PHW1[rows], expected)
            torch.testing.assert_close(fused_BHWC[b], (expected * x_PHWC[rows]).sum(0))


def test_new_scores_give_the_mean():
    features = feature_maps([[1, 0, 1], [1, 1, 1], [0, 0, 1]])
    scores = ReliabilityScores(DIMS)(features)
    assert all(not s_PHW1.any() for s_PHW1 in scores.maps)
    weighted, mean = fuse_present(features, scores), fuse_present(features, None)
    for x, y in zip(weighted, mean, strict=True):
        torch.testing.assert_close(x, y)


def test_extreme_scores_choose_one_sensor():
    features = feature_maps([[1, 1, 0]])
    scores = features.with_maps(
        torch.tensor([1e4, -1e4]).view(2, 1, 1, 1).expand(*x.shape[:3], 1) for x in features.maps
    )
    for x_PHWC, fused_BHWC in zip(features.maps, fuse_present(features, scores), strict=True):
        assert torch.equal(fused_BHWC, x_PHWC[:1])


def test_bfloat16_scores_are_normalised_in_float32():
    features = feature_maps([[1, 1, 1]])
    score_PHW1 = torch.randn(3, 8, 4, 1).bfloat16()
    weight_PHW1 = softmax_over_present(score_PHW1, features)
    assert weight_PHW1.dtype == torch.float32
    torch.testing.assert_close(weight_PHW1, score_PHW1.float().softmax(0))


def test_one_modality_is_a_view():
    features = feature_maps([[1, 0, 1], [1, 1, 1]])
    part = features.of_modality(2)
    assert part.row_BM().tolist() == [[-1, -1, 0], [-1, -1, 1]]
    for x_PHWC, y_PHWC in zip(features.maps, part.maps, strict=True):
        assert torch.equal(y_PHWC, x_PHWC[3:])
        assert y_PHWC.data_ptr() == x_PHWC[3].data_ptr()
    assert len(feature_maps([[1, 0]]).of_modality(1).sample_P) == 0


@settings(max_examples=25, deadline=None)
@given(presences)
def test_parts_join_to_the_whole(present):
    features = feature_maps(present)
    whole = joined([features.of_modality(m) for m in range(features.num_modalities)])
    assert torch.equal(whole.row_BM(), features.row_BM())
    assert all(map(torch.equal, whole.maps, features.maps))


@pytest.mark.parametrize('columns', [(0,), (2, 0), (0, 1, 2)])
def test_others_are_left_out_or_replaced(columns):
    one, other = feature_maps(torch.ones(2, 3)), feature_maps(torch.ones(2, 3), dims=DIMS)
    other = other.with_maps(-x for x in other.maps)
    dropped = select_modalities(one, columns)
    assert ((dropped.row_BM() >= 0).all(0).nonzero().flatten().tolist()) == sorted(columns)
    replaced = select_modalities(one, columns, other)
    sign_P = torch.tensor([1.0 if m in columns else -1.0 for m in one.modality_P])
    for x_PHWC, y_PHWC in zip(one.maps, replaced.maps, strict=True):
        assert torch.equal(y_PHWC, sign_P[:, None, None, None] * x_PHWC)
