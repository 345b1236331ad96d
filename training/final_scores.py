# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of a run's bundle: of each data set, and of all together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from tqdm import tqdm

from anymodal_seg_ros.inference import Segmenter, build_segmenter, modality_subsets
from anymodal_seg_ros.models.network import Subset
from training.datasets import FrameSource, Labelling, spread
from training.run_data import RunData
from training.scoring import SubsetScores, score_frames, score_table
from training.subset_network import subset_network
from training.train_config import TrainConfig

Log = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class ScoredSet:
    """What a bundle is scored on of one data set."""

    title: str
    split: str
    frames: FrameSource
    labelling: Labelling
    sensors: tuple[str, ...]


def score_run(
    bundle: Path, data: RunData, config: TrainConfig, log: Log
) -> tuple[str, dict[str, Any]]:
    """Score a bundle as the node would run it, on the data of a run. See ``score_sets``.

    Raises:
        ConfigError: a frame that cannot be read, where the recipe does not skip it.
        BundleError: the bundle is missing or damaged.
    """
    sets = [ScoredSet(title=each.title, split=each.split, frames=each.scored,
                      labelling=each.labelling, sensors=each.modalities)
            for each in data.sets if each.scored is not None]
    if not sets:
        split = data.sets[0].split
        log(f'data.score_split is {split}: nothing is scored')
        return split, {}
    return score_sets(build_segmenter(bundle), sets, log, is_joint=len(data.sets) > 1,
                      max_frames=config.score_frames, skip=config.data.unreadable == 'skip')


def score_sets(
    segmenter: Segmenter, sets: Sequence[ScoredSet], log: Log, *, is_joint: bool,
    max_frames: int = 0, skip: bool = False, batch_size: int = 1, workers: int = 0,
) -> tuple[str, dict[str, Any]]:
    """Score a bundle on frames of one data set or of several.

    Args:
        is_joint: whether the bundle was trained on several.
        max_frames: at most so many of each, spread over it; 0 takes all.
        skip: leave out frames that cannot be read.
        batch_size, workers: see ``score_frames``.

    Returns:
        What was scored (a split, or several joined by +), and the report for ``scores.json`` and
        the provenance: with several data sets that of all frames, and in its 'sets' one for each
        by its title. Where their labels are of different classes there is no score of all
        frames, but 'mean_miou', the mean over the data sets of what each has with all its
        sensors, where each was scored with them. It is empty where nothing was scored.

    Raises:
        ConfigError: a frame that cannot be read.
    """
    split = '+'.join(dict.fromkeys(each.split for each in sets))
    parts: list[tuple[Subset, SubsetScores]] = []
    reports: dict[str, dict[str, Any]] = {}
    for each in sets:
        name = f'split {each.split}' + (f' of {each.title}' if is_joint else '')
        log(f'scoring on {name}')
        skipped: list[str] = []
        indices = spread(len(each.frames), max_frames)
        with tqdm(total=len(indices), unit='frame', desc='scoring') as bar:
            scores = score_frames(
                subset_network(segmenter, each.labelling.class_sets), each.frames,
                modality_subsets(each.sensors), each.labelling.label_space,
                segmenter.bundle.short_side_px, indices=indices,
                missing=segmenter.bundle.missing_mode, batch_size=batch_size, workers=workers,
                on_frame=bar.update, on_unreadable=skipped.append if skip else None)
        for problem in skipped:
            log(problem)
        if not scores.scored():
            log(f'{name} has no labels, so nothing was scored')
            continue
        log(f'{score_table(scores)}\n\nnetwork: {segmenter.description}')
        parts.append((each.sensors, scores))
        reports[each.title] = {
            **scores.to_dict(), 'network': segmenter.description,
            'data': {**each.frames.describe(), 'scored_frames': len(indices) - len(skipped),
                     **({'skipped': skipped} if skipped else {})}}
    if not is_joint or not parts:
        return split, next(iter(reports.values()), {})
    scored_frames = sum(report['data']['scored_frames'] for report in reports.values())
    return split, {**_of_all(parts, log), 'network': segmenter.description,
                   'data': {'split': split, 'scored_frames': scored_frames}, 'sets': reports}


def _of_all(parts: Sequence[tuple[Subset, SubsetScores]], log: Log) -> dict[str, Any]:
    """Of all sensors and scores of each data set."""
    scores = [each for _, each in parts]
    if len({each.label_space.class_names for each in scores}) == 1:
        pool = SubsetScores.pooled(scores)
        log(f'all data sets\n{score_table(pool)}')
        return pool.to_dict()
    report = {'subsets': {}, 'unit': 'percent', 'missing_mode': scores[0].missing_mode}
    if any(sensors not in each.scored() for sensors, each in parts):
        log('a data set has no labelled frame with all its sensors: there is no mean of all')
        return report
    mean = fmean(each.miou(sensors) for sensors, each in parts)
    log(f'mean of the data sets, each in its own classes with all its sensors: {mean:.2f}')
    return {**report, 'mean_miou': round(mean, 2)}
