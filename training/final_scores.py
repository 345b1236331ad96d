# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of a finished run's bundle: of each data set, and of all their frames together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from anymodal_seg_ros.inference import Segmenter, build_segmenter, modality_subsets
from training.datasets import FrameSource, spread
from training.run_data import DataSet, RunData
from training.scoring import SubsetScores, predict_with, score_frames, score_table
from training.train_config import TrainConfig

Log = Callable[[str], None]


def score_run(
    bundle: Path, data: RunData, config: TrainConfig, log: Log
) -> tuple[str, dict[str, Any]]:
    """Score a bundle as the node would run it.

    Returns:
        What was scored (a split, or several joined by +), and the report for ``scores.json`` and
        the provenance: with several data sets that of all frames, and in its 'sets' one for each
        by its title. It is empty where nothing was scored.

    Raises:
        ConfigError: a frame that cannot be read, where the recipe does not skip it.
        BundleError: the bundle is missing or damaged.
    """
    chosen = [(each, each.scored) for each in data.sets if each.scored is not None]
    split = '+'.join(dict.fromkeys(each.split for each, _ in chosen)) or data.sets[0].split
    if not chosen:
        log(f'data.score_split is {split}: nothing is scored')
        return split, {}
    segmenter = build_segmenter(bundle)
    parts: dict[str, SubsetScores] = {}
    reports: dict[str, dict[str, Any]] = {}
    for each, frames in chosen:
        name = f'split {each.split}' + (f' of {each.title}' if len(data.sets) > 1 else '')
        log(f'scoring on {name}')
        scores, description = _scored(segmenter, each, frames, config, log)
        if not scores.scored():
            log(f'{name} has no labels, so nothing was scored')
            continue
        log(f'{score_table(scores)}\n\nnetwork: {segmenter.description}')
        parts[each.title] = scores
        reports[each.title] = {**scores.to_dict(), 'network': segmenter.description,
                               'data': description}
    if len(data.sets) == 1 or not parts:
        return split, next(iter(reports.values()), {})
    pool = SubsetScores.pooled(list(parts.values()))
    log(f'all data sets\n{score_table(pool)}')
    return split, joint_report(pool, reports, split)


def joint_report(
    pool: SubsetScores, reports: Mapping[str, Mapping[str, Any]], split: str
) -> dict[str, Any]:
    """The report of the frames of several data sets together.

    Args:
        pool: scores of all of them.
        reports: by the title of each data set; they stand in its 'sets'.
        split: what was scored.
    """
    first = next(iter(reports.values()))
    scored_frames = sum(report['data']['scored_frames'] for report in reports.values())
    return {**pool.to_dict(), 'network': first['network'],
            'data': {'split': split, 'scored_frames': scored_frames}, 'sets': dict(reports)}


def _scored(
    segmenter: Segmenter, data: DataSet, frames: FrameSource, config: TrainConfig, log: Log
) -> tuple[SubsetScores, dict[str, Any]]:
    """Scores of one data set, and of what frames they are."""
    indices = spread(len(frames), config.score_frames)
    skipped: list[str] = []

    def skip(problem: str) -> None:
        skipped.append(problem)
        log(problem)

    with tqdm(total=len(indices), unit='frame', desc='scoring') as bar:
        scores = score_frames(
            predict_with(segmenter), frames, modality_subsets(data.modalities),
            segmenter.bundle.label_space, config.data.short_side_px, indices=indices,
            on_frame=lambda: bar.update(1),
            on_unreadable=skip if config.data.unreadable == 'skip' else None)
    return scores, {**frames.describe(), 'scored_frames': len(indices) - len(skipped),
                    **({'skipped': skipped} if skipped else {})}
