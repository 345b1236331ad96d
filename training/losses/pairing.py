# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which of the teacher's modalities each of the student's (sample, modality) pairs learns from."""

from __future__ import annotations

import torch
from torch import Tensor

from anymodal_seg_ros import limits
from anymodal_seg_ros.models.features import FeatureMaps
from training.losses.variants import PAIRINGS


def draw_pairing(
    present_BM: Tensor,
    mode: str = 'permutation',
    generator: torch.Generator | None = None,
    available_BM: Tensor | None = None,
) -> Tensor:
    """Draw the teacher's modality for every pair; one draw serves all four levels of a step.

    - 'permutation': a uniformly random permutation of the teacher's modalities for each sample
      (RobustSeg's text). Of a sample with fewer modalities, each injective choice of teacher
      modalities is equally likely.
    - 'derangement': the same among those without a modality that learns from itself; where the
      teacher has one modality there is none, and it learns from itself.
    - 'identity': every modality learns from itself (one of RobustSeg's published scripts).
    - 'same_rank': the k-th of a sample's modalities, in random order, learns from the teacher's
      k-th, so that a lone modality always learns from the first (published scripts, drop mode).
    - 'independent': every pair draws on its own, uniformly and with replacement. The published
      scripts for zero-filling draw the student's modality for each of the teacher's, and anew for
      each level; the expected loss is the same.

    Args:
        present_BM: bool on the CPU, which sample has which modality.
        mode: one of ``PAIRINGS``.
        generator: of the CPU; None is torch's own.
        available_BM: the same for the teacher; None is all of them.

    Returns:
        int64 [P] on the CPU, columns as in ``present_BM``, in the order of ``FeatureMaps``.

    Raises:
        ConfigError: unknown mode.
        ValueError: a present modality that is not available.
    """
    limits.one_of('pairing', mode, PAIRINGS)
    available_BM = torch.ones_like(present_BM) if available_BM is None else available_BM
    if available_BM.shape != present_BM.shape or (present_BM & ~available_BM).any():
        raise ValueError('the student has a (sample, modality) that the teacher lacks')
    if mode == 'identity':
        teacher_BM = torch.arange(present_BM.shape[1]).expand(present_BM.shape)
    elif mode == 'independent':
        draw_BM = torch.rand(present_BM.shape, generator=generator, dtype=torch.float64)
        kth_BM = (draw_BM * available_BM.sum(1, keepdim=True)).long()
        teacher_BM = _columns_first(available_BM).gather(1, kth_BM)
    elif mode == 'same_rank':
        key_BM = torch.rand(present_BM.shape, generator=generator)
        kth_BM = key_BM.masked_fill(~present_BM, 2.0).argsort(1).argsort(1)
        teacher_BM = _columns_first(available_BM).gather(1, kth_BM)
    else:
        teacher_BM = _injective(present_BM, available_BM, generator)
        if mode == 'derangement':
            teacher_BM = _without_fixed_points(teacher_BM, present_BM, available_BM, generator)
    return teacher_BM.T[present_BM.T]


def matched_rows(
    student: FeatureMaps, teacher: FeatureMaps, pairing_P: Tensor | None = None
) -> Tensor:
    """The row of the teacher that each row of the student learns from: int64 [P] on the CPU.

    Args:
        pairing_P: the teacher's modality for each row of the student, None for the same one.

    Raises:
        ValueError: different samples or modalities, a pairing of another length, or a pair
            which the teacher does not have.
    """
    ours, theirs = (student.num_samples, student.num_modalities), (
        teacher.num_samples, teacher.num_modalities)
    if ours != theirs:
        raise ValueError(f'the student has (samples, modalities) {ours}, the teacher {theirs}')
    modality_P = student.modality_P if pairing_P is None else pairing_P
    if modality_P.shape != student.modality_P.shape:
        raise ValueError(f'a pairing of {len(modality_P)} for {len(student.modality_P)} pairs')
    rows_P = teacher.row_BM()[student.sample_P, modality_P]
    missing = (rows_P < 0).nonzero().flatten()
    if len(missing):
        pair = int(student.sample_P[missing[0]]), int(modality_P[missing[0]])
        raise ValueError(f'the teacher lacks (sample, modality) {pair}, which the student needs')
    return rows_P


def take_rows(x: Tensor, rows: Tensor) -> Tensor:
    """``x[rows]`` along the first axis; no copy where that is all of ``x`` in its order."""
    if len(rows) == len(x) and torch.equal(rows, torch.arange(len(x))):
        return x
    return x.index_select(0, rows.to(x.device, non_blocking=True))


def _columns_first(chosen_BM: Tensor) -> Tensor:
    """The chosen columns of each row in their order, then the others."""
    return (~chosen_BM).int().argsort(dim=1, stable=True)


def _injective(
    present_BM: Tensor, available_BM: Tensor, generator: torch.Generator | None
) -> Tensor:
    """A different available column for each present one; meaningless elsewhere."""
    key_BM = torch.rand(present_BM.shape, generator=generator)
    shuffled_BM = key_BM.masked_fill(~available_BM, 2.0).argsort(1)
    return shuffled_BM.gather(1, (present_BM.cumsum(1) - 1).clamp(min=0))


def _without_fixed_points(
    teacher_BM: Tensor, present_BM: Tensor, available_BM: Tensor,
    generator: torch.Generator | None,
) -> Tensor:
    """Redraw the rows in which a present modality learns from itself until there is none.

    Rejection keeps the choices equally likely; at least a third of all draws are accepted.
    """
    column_M = torch.arange(present_BM.shape[1])
    has_choice_B = available_BM.sum(1) > 1
    while True:
        bad_B = ((teacher_BM == column_M) & present_BM).any(1) & has_choice_B
        if not bad_B.any():
            return teacher_BM
        redrawn_BM = _injective(present_BM, available_BM, generator)
        teacher_BM = torch.where(bad_B[:, None], redrawn_BM, teacher_BM)
