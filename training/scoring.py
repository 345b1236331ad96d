# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of a network for every combination of sensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm  # type: ignore[import-untyped]

from anymodal_seg_ros.inference import Segmenter, modality_subsets
from anymodal_seg_ros.labels import LabelSpace
from anymodal_seg_ros.metrics import (
    ConfusionMatrix,
    expected_over_subsets,
    mean_over_subsets,
)
from anymodal_seg_ros.modalities import network_size
from anymodal_seg_ros.models import MSegFormer
from training.datasets import DATASETS, Frame, FrameSource, first_size, resize_frame

UInt8 = npt.NDArray[np.uint8]
Predict = Callable[[Mapping[str, UInt8], tuple[int, int]], UInt8]
"""Encoded images at network size and the wanted label size to labels."""
Subset = tuple[str, ...]
ALL = 'all'
MISSING_P = (0.2, 0.1, 0.05)


@dataclass(kw_only=True)
class SubsetScores:
    """Confusion matrices by combination of sensors and by condition."""

    label_space: LabelSpace
    matrices: dict[Subset, dict[str, ConfusionMatrix]] = field(default_factory=dict)

    def update(self, subset: Subset, condition: str, pred: UInt8, truth: UInt8) -> None:
        """Count one image, under its condition and under all."""
        table = self.matrices.setdefault(subset, {})
        for name in (ALL, condition):
            matrix = table.setdefault(name, ConfusionMatrix(self.label_space.num_classes))
            matrix.update(pred, truth)

    def miou(self, subset: Subset, condition: str = ALL, absent: str = 'skip') -> float:
        """Mean IoU in percent over the classes that occur ('skip') or over all ('zero')."""
        return 100.0 * self.matrices[subset][condition].miou(absent)

    def is_complete(self) -> bool:
        """Whether every combination of the sensors that occur was scored."""
        names = {name for subset in self.matrices for name in subset}
        return len(self.matrices) == (1 << len(names)) - 1

    def to_dict(self) -> dict[str, Any]:
        """Plain data in percent: for each combination mIoU both ways, by condition and by class;
        and, where every combination was scored, the averages over them (EMM). Classes that do
        not occur are left out."""
        subsets = {'+'.join(subset): self._subset_dict(subset) for subset in self.matrices}
        summary: dict[str, Any] = {'subsets': subsets, 'unit': 'percent', 'missing_mode': 'drop'}
        for absent in ('skip', 'zero') if self.is_complete() else ():
            scores = {subset: self.miou(subset, absent=absent) for subset in self.matrices}
            summary[f'emm_average_{absent}'] = round(mean_over_subsets(scores.values()), 2)
            for p in MISSING_P:
                summary[f'emm_p{p}_{absent}'] = round(expected_over_subsets(scores, p), 2)
        return summary

    def _subset_dict(self, subset: Subset) -> dict[str, Any]:
        table = self.matrices[subset]
        iou = table[ALL].iou()
        return {
            'miou': round(self.miou(subset), 2),
            'miou_absent_zero': round(self.miou(subset, absent='zero'), 2),
            'pixel_accuracy': round(100 * table[ALL].pixel_accuracy(), 2),
            'conditions': {name: round(self.miou(subset, name), 2)
                           for name in sorted(table) if name != ALL},
            'classes': {name: round(100 * float(value), 2)
                        for name, value in zip(self.label_space.class_names, iou, strict=True)
                        if np.isfinite(value)},
        }


def score_frames(
    predict: Predict,
    frames: FrameSource,
    subsets: Sequence[Subset],
    label_space: LabelSpace,
    short_side_px: int,
    *,
    indices: Sequence[int] | None = None,
    on_frame: Callable[[], None] = lambda: None,
) -> SubsetScores:
    """Score every frame with every combination of sensors that it has.

    Images are brought to network size; labels are scored at the size they are stored in.

    Args:
        indices: which frames; None takes all.
        on_frame: called after each frame.
    """
    scores = SubsetScores(label_space=label_space)
    for index in range(len(frames)) if indices is None else indices:
        frame = frames[index]
        size_hw = network_size(first_size(frame), short_side_px)
        frame = resize_frame(frame, size_hw, labels_too=False)
        for subset in subsets:
            if set(subset) <= set(frame.images):
                pred = _predict_subset(predict, frame, subset)
                scores.update(subset, frame.condition, pred, frame.labels)
        on_frame()
    return scores


def score_bundle(
    segmenter: Segmenter, data: Path, split: str, *, max_frames: int = 0,
    conditions: Sequence[str] = (), failures: Sequence[str] = (), depth_folder: str = 'auto',
    name: str = 'deliver', show_progress: bool = False,
) -> tuple[SubsetScores, dict[str, Any]]:
    """Scores of all combinations on a split, and the data set's description.

    Args:
        max_frames: score this many frames spread over the split; 0 takes all.
    """
    bundle = segmenter.bundle
    frames = DATASETS[name](data, split, bundle.modalities, conditions=conditions,
                            failures=failures, depth_folder=depth_folder)
    indices = spread(len(frames), max_frames)
    with tqdm(total=len(indices), unit='frame', desc=split, disable=not show_progress) as bar:
        scores = score_frames(
            lambda images, out_hw: segmenter.predict(images, out_hw)[0], frames,
            modality_subsets(bundle.modalities), bundle.label_space, bundle.short_side_px,
            indices=indices, on_frame=lambda: bar.update(1))
    return scores, {**frames.describe(), 'scored_frames': len(indices)}


def spread(length: int, wanted: int) -> list[int]:
    """``wanted`` indices spread evenly over ``length``; all of them for 0."""
    if not 0 < wanted < length:
        return list(range(length))
    return [i * length // wanted for i in range(wanted)]


def _predict_subset(predict: Predict, frame: Frame, subset: Subset) -> UInt8:
    height, width = frame.labels.shape
    return predict({name: frame.images[name] for name in subset}, (height, width))


def predict_with(model: MSegFormer) -> Predict:
    """Labels from a network in memory, in evaluation mode and full precision."""

    @torch.inference_mode()
    def predict(images: Mapping[str, UInt8], out_hw: tuple[int, int]) -> UInt8:
        device = next(model.parameters()).device
        x = {name: torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].to(device)
             for name, image in images.items()}
        logits_BKhw = model.forward_logits_stride4(x)
        logits_BKHW = torch.nn.functional.interpolate(
            logits_BKhw, size=out_hw, mode='bilinear', align_corners=False)
        labels: UInt8 = logits_BKHW.argmax(1)[0].to(torch.uint8).cpu().numpy()
        return labels

    return predict


def score_table(scores: SubsetScores) -> str:
    """A text table: a line for each combination, a column for each condition."""
    conditions = sorted({name for table in scores.matrices.values() for name in table} - {ALL})
    width = max(len('+'.join(subset)) for subset in scores.matrices)
    lines = ['  '.join([f'{"sensors":{width}}', *(f'{c:>6}' for c in (ALL, *conditions))])]
    for subset, table in scores.matrices.items():
        values = [f'{scores.miou(subset, c):6.2f}' if c in table else '     -'
                  for c in (ALL, *conditions)]
        lines.append('  '.join([f'{"+".join(subset):{width}}', *values]))
    if not scores.is_complete():
        return '\n'.join(lines)
    average = mean_over_subsets(scores.miou(subset) for subset in scores.matrices)
    lines.append(f'{"EMM average":{width}}  {average:6.2f}')
    return '\n'.join(lines)
