# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The scores of a bundle on a split of a data set, shown and noted in the bundle."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from anymodal_seg_ros.bundle import read_description, update_provenance
from anymodal_seg_ros.inference import Segmenter
from anymodal_seg_ros.models.network import Subset
from training.datasets import FrameSource, Labelling, spread
from training.robustness.benchmark import run_benchmark
from training.robustness.protocol import GPU_BATCH, BenchmarkConfig
from training.robustness.result import RobustnessScores
from training.robustness.tables import text_tables
from training.scoring import score_table
from training.subset_network import subset_network


def score_split(
    segmenter: Segmenter, frames: FrameSource, labelling: Labelling, sensors: Subset,
    config: BenchmarkConfig, *, max_frames: int = 0,
) -> tuple[RobustnessScores, dict[str, Any]]:
    """Score a bundle on a split and print the tables.

    Args:
        segmenter: the bundle as the node would run it.
        frames, labelling, sensors: of ``open_frames``.
        config: what to score.
        max_frames: at most so many, spread over the split; 0 takes all.

    Returns:
        The scores, and the report of them for JSON and the provenance.

    Raises:
        ConfigError: a frame that cannot be read, or what ``run_benchmark`` refuses.
    """
    description = frames.describe()
    indices = spread(len(frames), max_frames)
    with tqdm(total=len(indices), unit='frame', desc=description['split'],
              disable=not sys.stderr.isatty()) as bar:
        network = subset_network(segmenter, labelling.class_sets)
        scores = run_benchmark(
            network, frames, sensors, labelling.label_space, segmenter.bundle.short_side_px,
            config, indices=indices, on_frame=lambda: bar.update(1))
    tables = [*map(score_table, scores.emm.values()), text_tables(scores)]
    sys.stdout.write('\n\n'.join([*tables, f'network: {segmenter.description}']) + '\n')
    return scores, {**scores.to_dict(), 'network': segmenter.description,
                    'data': {**description, 'scored_frames': len(indices)}}


def usual_batch(segmenter: Segmenter) -> int:
    """Frames that its device takes at once without being asked."""
    return GPU_BATCH if subset_network(segmenter).device.type == 'cuda' else 1


def update_scores(path: Path, split: str, report: dict[str, Any]) -> None:
    """Write a score report into a bundle's provenance under ``scores[split]``."""
    scores = read_description(path).provenance.get('scores', {})
    update_provenance(path, {'scores': {**scores, split: report}})
