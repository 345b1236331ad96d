# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Segmentation scores from an exact confusion matrix. numpy only; lowest layer."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.labels import UNLABELLED

MISSING_P = (0.2, 0.1, 0.05)
"""Probabilities of a sensor's failure for which EMM's expectation is told."""


class ConfusionMatrix:
    """Counts of (truth, prediction) pairs in int64, so that billions of pixels stay exact.

    Pixels whose truth is 255 do not count. A prediction that is no class (255) counts as wrong.
    """

    def __init__(self, num_classes: int) -> None:
        if not 1 <= num_classes <= UNLABELLED:
            raise ValueError(f'num_classes is {num_classes}; allowed: 1 to {UNLABELLED}')
        self.num_classes = num_classes
        self._counts = np.zeros((num_classes, num_classes + 1), np.int64)

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """[K, K + 1]: truth by prediction; the last column holds predictions that are no class."""
        return self._counts.copy()

    def update(self, pred: npt.NDArray[np.integer], truth: npt.NDArray[np.integer]) -> None:
        """Count one image.

        Args:
            pred: class ids of any integer dtype and shape.
            truth: same shape; 255 is ignored.

        Raises:
            ValueError: the shapes differ, or a truth is neither a class nor 255.
        """
        if pred.shape != truth.shape:
            raise ValueError(f'pred is {pred.shape} but truth is {truth.shape}')
        counted = truth != UNLABELLED
        truth_ids = truth[counted].astype(np.int64)
        if truth_ids.size and not 0 <= truth_ids.min() <= truth_ids.max() < self.num_classes:
            raise ValueError(f'truth has ids {truth_ids.min()} to {truth_ids.max()}; '
                             f'allowed: 0 to {self.num_classes - 1} and {UNLABELLED}')
        pred_ids = pred[counted].astype(np.int64)
        pred_ids[(pred_ids < 0) | (pred_ids >= self.num_classes)] = self.num_classes
        columns = self.num_classes + 1
        pairs = np.bincount(truth_ids * columns + pred_ids, minlength=self._counts.size)
        self._counts += pairs.reshape(self._counts.shape)

    def add(self, counts: npt.NDArray[np.int64]) -> None:
        """Add counts of the form of ``counts``; raises ValueError for another shape or type."""
        if counts.shape != self._counts.shape or counts.dtype != np.int64:
            raise ValueError(f'counts are {counts.dtype} {counts.shape}; '
                             f'allowed: int64 {self._counts.shape}')
        self._counts += counts

    def merge(self, other: ConfusionMatrix) -> None:
        """Add another matrix's counts to this one; raises ValueError if its classes differ."""
        if other.num_classes != self.num_classes:
            raise ValueError(f'{other.num_classes} classes cannot be merged into '
                             f'{self.num_classes}')
        self._counts += other._counts

    def iou(self) -> npt.NDArray[np.float64]:
        """[K] intersection over union; NaN for a class that is in neither truth nor prediction."""
        hits = np.diag(self._counts).astype(np.float64)
        truths = self._counts.sum(1)
        preds = self._counts[:, : self.num_classes].sum(0)
        union = truths + preds - hits
        iou = np.full(self.num_classes, np.nan)
        np.divide(hits, union, out=iou, where=union > 0)
        return iou

    def miou(self, absent: str = 'skip') -> float:
        """Mean IoU in 0..1.

        Args:
            absent: ``'skip'`` averages over the classes that occur in the truth; ``'zero'`` over
                all classes, with 0 for those in neither truth nor prediction, as published
                DELIVER tables do.

        Returns:
            NaN with 'skip' when nothing was counted.
        """
        if absent not in ('skip', 'zero'):
            raise ValueError(f"absent is {absent!r}; allowed: 'skip', 'zero'")
        iou = self.iou()
        if absent == 'zero':
            return float(np.nan_to_num(iou).mean())
        occurring = self._counts.sum(1) > 0
        return float(iou[occurring].mean()) if occurring.any() else float('nan')

    def pixel_accuracy(self) -> float:
        """Share of counted pixels that are right; NaN when nothing was counted."""
        total = int(self._counts.sum())
        return float(np.diag(self._counts).sum() / total) if total else float('nan')


def mean_over_subsets(scores: Iterable[float]) -> float:
    """EMM average: the unweighted mean of the scores of all subsets."""
    return float(np.mean(list(scores)))


def subset_weight(num_present: int, num_modalities: int, missing_p: float) -> float:
    """Probability that exactly these sensors work, given that not all of them fail.

    Each fails on its own with probability p: p^k (1 - p)^(M - k) / (1 - p^M) with k missing.
    Source: the robustness benchmark of arXiv 2503.18445, EMM.

    Raises:
        ValueError: ``missing_p`` is not in 0 to below 1.
    """
    if not 0.0 <= missing_p < 1.0:
        raise ValueError(f'missing_p is {missing_p}; allowed: 0 to below 1')
    num_missing = num_modalities - num_present
    chance = missing_p ** num_missing * (1.0 - missing_p) ** num_present
    return chance / (1.0 - missing_p ** num_modalities)


def expected_over_subsets(scores: dict[tuple[str, ...], float], missing_p: float) -> float:
    """EMM(p): each modality fails on its own with probability p, not all of them at once.

    Args:
        scores: subset of present modalities to score, for all 2^M - 1 subsets.
        missing_p: probability of failure, in 0 to below 1.
    """
    total = max(len(subset) for subset in scores)
    return sum(subset_weight(len(subset), total, missing_p) * score
               for subset, score in scores.items())
