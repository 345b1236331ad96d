# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which teacher modality each pair gets: what is possible, what is forbidden, how often."""

from collections import Counter
from itertools import permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anymodal_seg_ros.errors import ConfigError
from training.losses.pairing import draw_pairing, matched_rows, take_rows
from training.losses.variants import PAIRINGS

DRAWS = 6000


def by_sample(present_BM, pairing_P):
    """For each sample {student modality: teacher modality}."""
    modality_P, sample_P = present_BM.T.nonzero(as_tuple=True)
    chosen = [{} for _ in present_BM]
    for b, m, t in zip(sample_P.tolist(), modality_P.tolist(), pairing_P.tolist(), strict=True):
        chosen[b][m] = t
    return chosen


def frequencies(present, mode, available=None):
    present_BM = torch.tensor([present], dtype=torch.bool).expand(DRAWS, -1)
    available_BM = None
    if available is not None:
        available_BM = torch.tensor([available], dtype=torch.bool).expand(DRAWS, -1)
    generator = torch.Generator().manual_seed(0)
    chosen = by_sample(present_BM, draw_pairing(present_BM, mode, generator, available_BM))
    return Counter(tuple(c[m] for m in sorted(c)) for c in chosen)


def is_uniform(counts, outcomes):
    expected = DRAWS / len(outcomes)
    return set(counts) == set(outcomes) and all(
        abs(n - expected) < 5 * expected**0.5 for n in counts.values())


@st.composite
def presences(draw):
    num_samples, num_modalities = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    row = st.lists(st.booleans(), min_size=num_modalities, max_size=num_modalities).filter(any)
    rows = draw(st.lists(row, min_size=num_samples, max_size=num_samples))
    return torch.tensor(rows, dtype=torch.bool)


@given(presences(), st.sampled_from(PAIRINGS), st.integers(0, 1000))
def test_a_teacher_modality_for_every_pair(present_BM, mode, seed):
    pairing_P = draw_pairing(present_BM, mode, torch.Generator().manual_seed(seed))
    assert pairing_P.dtype == torch.int64 and pairing_P.device.type == 'cpu'
    num_modalities = present_BM.shape[1]
    for b, chosen in enumerate(by_sample(present_BM, pairing_P)):
        assert sorted(chosen) == present_BM[b].nonzero().flatten().tolist()
        assert all(0 <= t < num_modalities for t in chosen.values())
        if mode != 'independent':
            assert len(set(chosen.values())) == len(chosen)
        if mode == 'identity':
            assert all(m == t for m, t in chosen.items())
        if mode == 'derangement' and num_modalities > 1:
            assert all(m != t for m, t in chosen.items())
        if mode == 'same_rank':
            assert sorted(chosen.values()) == list(range(len(chosen)))


def test_all_permutations_are_equally_likely():
    assert is_uniform(frequencies((1, 1, 1), 'permutation'), list(permutations(range(3))))


def test_all_injective_choices_are_equally_likely():
    counts = frequencies((0, 1, 0, 1), 'permutation')
    assert is_uniform(counts, list(permutations(range(4), 2)))


@pytest.mark.parametrize('present', [(1, 1, 1, 1), (1, 1, 0, 0), (0, 0, 1, 0)])
def test_all_choices_without_a_fixed_point_are_equally_likely(present):
    kept = [m for m, p in enumerate(present) if p]
    outcomes = [t for t in permutations(range(4), len(kept))
                if all(a != b for a, b in zip(kept, t, strict=True))]
    assert is_uniform(frequencies(present, 'derangement'), outcomes)


def test_independent_draws_are_uniform_and_may_repeat():
    outcomes = [(a, b) for a in range(3) for b in range(3)]
    assert is_uniform(frequencies((1, 0, 1), 'independent'), outcomes)


def test_same_rank_gives_a_lone_modality_the_first_teacher():
    assert set(frequencies((0, 0, 1), 'same_rank')) == {(0,)}
    assert is_uniform(frequencies((0, 1, 1), 'same_rank'), [(0, 1), (1, 0)])


@st.composite
def presences_with_teacher(draw):
    present_BM = draw(presences())
    extra = st.lists(st.booleans(), min_size=present_BM.numel(), max_size=present_BM.numel())
    return present_BM, present_BM | torch.tensor(draw(extra)).view(present_BM.shape)


@given(presences_with_teacher(), st.sampled_from(PAIRINGS), st.integers(0, 1000))
def test_only_modalities_that_the_teacher_has(presence, mode, seed):
    present_BM, available_BM = presence
    pairing_P = draw_pairing(
        present_BM, mode, torch.Generator().manual_seed(seed), available_BM)
    for b, chosen in enumerate(by_sample(present_BM, pairing_P)):
        available = available_BM[b].nonzero().flatten().tolist()
        assert set(chosen.values()) <= set(available)
        if mode != 'independent':
            assert len(set(chosen.values())) == len(chosen)
        if mode == 'identity':
            assert all(m == t for m, t in chosen.items())
        if mode == 'derangement' and len(available) > 1:
            assert all(m != t for m, t in chosen.items())
        if mode == 'same_rank':
            assert sorted(chosen.values()) == available[:len(chosen)]


@pytest.mark.parametrize('mode', ['permutation', 'derangement'])
@pytest.mark.parametrize('present', [(0, 1, 0, 1), (0, 0, 0, 1), (1, 1, 0, 1)])
def test_all_choices_of_an_incomplete_teacher_are_equally_likely(present, mode):
    kept = [m for m, p in enumerate(present) if p]
    outcomes = [t for t in permutations((0, 1, 3), len(kept)) if mode == 'permutation' or
                all(a != b for a, b in zip(kept, t, strict=True))]
    assert is_uniform(frequencies(present, mode, (1, 1, 0, 1)), outcomes)


def test_independent_draws_of_an_incomplete_teacher_are_uniform():
    counts = frequencies((0, 0, 1), 'independent', (1, 0, 1))
    assert is_uniform(counts, [(0,), (2,)])


def test_a_student_with_more_than_its_teacher_is_refused():
    present_BM = torch.ones(1, 2, dtype=torch.bool)
    with pytest.raises(ValueError, match='that the teacher lacks'):
        draw_pairing(present_BM, available_BM=torch.tensor([[True, False]]))


def test_pairs_of_an_incomplete_teacher_have_rows(make_features):
    student, teacher = make_features([[1, 0, 0], [1, 0, 1]]), make_features([[1, 0, 1]] * 2)
    present_BM, available_BM = student.row_BM() >= 0, teacher.row_BM() >= 0
    for mode in PAIRINGS:
        pairing_P = draw_pairing(present_BM, mode, available_BM=available_BM)
        assert len(matched_rows(student, teacher, pairing_P)) == 3


def test_samples_draw_on_their_own():
    present_BM = torch.ones(50, 4, dtype=torch.bool)
    chosen = by_sample(present_BM, draw_pairing(present_BM))
    assert len({tuple(c.values()) for c in chosen}) > 10


def test_a_seed_gives_one_draw():
    present_BM = torch.ones(8, 4, dtype=torch.bool)
    first, second = (
        draw_pairing(present_BM, 'derangement', torch.Generator().manual_seed(4))
        for _ in range(2))
    assert torch.equal(first, second)


def test_unknown_mode():
    with pytest.raises(ConfigError, match="'random'; allowed: permutation, derangement"):
        draw_pairing(torch.ones(1, 2, dtype=torch.bool), 'random')


def test_rows_of_the_teacher(make_features):
    student = make_features([[1, 0], [1, 1]])
    teacher = make_features([[1, 1], [1, 1]])
    assert list(zip(student.sample_P.tolist(), student.modality_P.tolist(), strict=True)) == [
        (0, 0), (1, 0), (1, 1)]
    assert matched_rows(student, teacher).tolist() == [0, 1, 3]
    assert matched_rows(student, teacher, torch.tensor([1, 1, 0])).tolist() == [2, 3, 1]
    with pytest.raises(ValueError, match='pairing of 2 for 3 pairs'):
        matched_rows(student, teacher, torch.tensor([1, 1]))


def test_taking_all_rows_is_no_copy():
    x = torch.arange(6.0).view(3, 2)
    assert take_rows(x, torch.arange(3)) is x
    assert torch.equal(take_rows(x, torch.tensor([2, 0])), x[[2, 0]])
