# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of a network for every combination of sensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.inference.precision import exact_float32
from anymodal_seg_ros.labels import LabelSpace
from anymodal_seg_ros.metrics import (
    MISSING_P,
    ConfusionMatrix,
    expected_over_subsets,
    mean_over_subsets,
)
from anymodal_seg_ros.models import DROP
from anymodal_seg_ros.models.network import Subset
from training.datasets import Frame, Frames
from training.frame_batches import Workers, read_batches
from training.subset_network import Counts, SubsetNetwork

UInt8 = npt.NDArray[np.uint8]
ALL = 'all'


@dataclass(kw_only=True)
class SubsetScores:
    """Confusion matrices by combination of sensors and by condition."""

    label_space: LabelSpace
    matrices: dict[Subset, dict[str, ConfusionMatrix]] = field(default_factory=dict)
    missing_mode: str = DROP
    """What became of the sensors that a combination lacks: 'drop' left them out, 'zero' encoded
    normalised inputs of zeros."""
    same_frames: bool = True
    """Whether the combinations were scored on the same frames; False gives no averages over
    them, as in a recording, where each is of other moments."""

    def update(self, subset: Subset, condition: str, pred: UInt8, truth: UInt8) -> None:
        """Count one image, under its condition and under all."""
        for matrix in self._matrices_of(subset, condition):
            matrix.update(pred, truth)

    def add(self, subset: Subset, condition: str, counts: Counts) -> None:
        """As ``update``, from an image's counts, int64 [K, K + 1]."""
        for matrix in self._matrices_of(subset, condition):
            matrix.add(counts)

    def _matrices_of(self, subset: Subset, condition: str) -> list[ConfusionMatrix]:
        table = self.matrices.setdefault(subset, {})
        return [table.setdefault(name, ConfusionMatrix(self.label_space.num_classes))
                for name in (ALL, condition)]

    @classmethod
    def pooled(cls, parts: Sequence[SubsetScores]) -> SubsetScores:
        """Of the frames of all parts, which have one label space. Parts with other combinations
        have no averages over them."""
        alike = all(list(part.matrices) == list(parts[0].matrices) for part in parts)
        pool = cls(label_space=parts[0].label_space, missing_mode=parts[0].missing_mode,
                   same_frames=alike and all(part.same_frames for part in parts))
        for part in parts:
            for subset, table in part.matrices.items():
                for condition, matrix in table.items():
                    pool.matrices.setdefault(subset, {}).setdefault(
                        condition, ConfusionMatrix(part.label_space.num_classes)).merge(matrix)
        return pool

    def miou(self, subset: Subset, condition: str = ALL, absent: str = 'skip') -> float:
        """Mean IoU in percent over the classes that occur ('skip') or over all ('zero')."""
        return 100.0 * self.matrices[subset][condition].miou(absent)

    def is_complete(self) -> bool:
        """Whether every combination of the sensors that occur was scored, on the same frames."""
        names = {name for subset in self.matrices for name in subset}
        return self.same_frames and 0 < len(self.scored()) == (1 << len(names)) - 1

    def scored(self) -> list[Subset]:
        """The combinations that met a labelled pixel; those alone have a score."""
        return [subset for subset in self.matrices if math.isfinite(self.miou(subset))]

    def to_dict(self) -> dict[str, Any]:
        """Plain data in percent: for each combination mIoU both ways, by condition and by class;
        and, where every combination was scored, the averages over them (EMM). Classes that do
        not occur in the truth, and combinations and conditions without a labelled pixel, are left
        out."""
        subsets = {'+'.join(subset): self._subset_dict(subset) for subset in self.scored()}
        summary: dict[str, Any] = {'subsets': subsets, 'unit': 'percent',
                                   'missing_mode': self.missing_mode}
        for absent in ('skip', 'zero') if self.is_complete() else ():
            scores = {subset: self.miou(subset, absent=absent) for subset in self.matrices}
            summary[f'emm_average_{absent}'] = round(mean_over_subsets(scores.values()), 2)
            for p in MISSING_P:
                summary[f'emm_p{p}_{absent}'] = round(expected_over_subsets(scores, p), 2)
        return summary

    def _subset_dict(self, subset: Subset) -> dict[str, Any]:
        table = self.matrices[subset]
        iou, occurs = table[ALL].iou(), table[ALL].counts.sum(1) > 0
        mious = {name: self.miou(subset, name) for name in sorted(table) if name != ALL}
        return {
            'miou': round(self.miou(subset), 2),
            'miou_absent_zero': round(self.miou(subset, absent='zero'), 2),
            'pixel_accuracy': round(100 * table[ALL].pixel_accuracy(), 2),
            'conditions': {name: round(miou, 2) for name, miou in mious.items()
                           if math.isfinite(miou)},
            'classes': {name: round(100 * float(iou[i]), 2)
                        for i, name in enumerate(self.label_space.class_names) if occurs[i]},
        }


def score_frames(
    network: SubsetNetwork,
    frames: Frames,
    subsets: Sequence[Subset],
    label_space: LabelSpace,
    short_side_px: int,
    *,
    indices: Sequence[int] | None = None,
    missing: str = DROP,
    batch_size: int = 1,
    workers: int = 0,
    on_frame: Callable[[], None] = lambda: None,
    on_unreadable: Callable[[str], None] | None = None,
) -> SubsetScores:
    """Score every frame with every combination of sensors that it has.

    Images are brought to network size, labels keep theirs. Batches and threads change no score.

    Args:
        indices: which frames; None takes all.
        missing: 'drop' or 'zero'.
        batch_size: frames that the network takes at once.
        workers: threads that read ahead.
        on_frame: called after each frame.
        on_unreadable: gets what is wrong with a frame that cannot be read, which is then left
            out; None raises it.

    Raises:
        ConfigError: an argument that is not allowed, or a frame that cannot be read.
    """
    scores = SubsetScores(label_space=label_space, missing_mode=missing)
    chosen = range(len(frames)) if indices is None else indices
    with exact_float32(), Workers(workers) as pool:
        for batch in read_batches(frames, chosen, short_side_px, pool, batch_size=batch_size,
                                  on_unreadable=on_unreadable):
            present = set(batch[0].images)
            _score_batch(network, batch, [s for s in subsets if set(s) <= present], scores)
            for _ in batch:
                on_frame()
    return scores


def _score_batch(network: SubsetNetwork, batch: Sequence[Frame], subsets: Sequence[Subset],
                 scores: SubsetScores) -> None:
    names = [name for name in network.modalities if any(name in subset for subset in subsets)]
    if not names:
        return
    truths = [network.truth_of(frame) for frame in batch]
    encoded = network.encode({name: [frame.images[name] for frame in batch] for name in names})
    logits = network.logits_of_subsets(
        encoded, subsets, scores.missing_mode, batch[0].size_hw)
    for subset, logits_BKhw in logits.items():
        for frame, counts in zip(batch, network.counts(logits_BKhw, truths), strict=True):
            scores.add(subset, frame.condition, counts)


def score_table(scores: SubsetScores) -> str:
    """A text table: a line for each combination, a column for each condition."""
    conditions = sorted({name for table in scores.matrices.values() for name in table} - {ALL})
    rows = {'+'.join(subset): {name: scores.miou(subset, name) for name in (ALL, *conditions)
                               if name in table}
            for subset, table in scores.matrices.items()}
    if scores.is_complete():
        rows[f'EMM average ({scores.missing_mode})'] = {
            ALL: mean_over_subsets(scores.miou(subset) for subset in scores.matrices)}
    return aligned('sensors', rows)


def aligned(title: str, rows: Mapping[str, Mapping[str, float]]) -> str:
    """Rows of figures by column as a text table; '-' for one that there is not."""
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    width = max(map(len, (title, *rows)))
    lines = ['  '.join([f'{title:{width}}', *(f'{name:>6}' for name in columns)])]
    for name, row in rows.items():
        cells = (f'{row.get(column, math.nan):.2f}'.replace('nan', '-').rjust(max(6, len(column)))
                 for column in columns)
        lines.append('  '.join([f'{name:{width}}', *cells]))
    return '\n'.join(lines)
