# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command line: make a bundle of a run's checkpoint, also of a run that is not finished.

    python training/export.py RUN --output BUNDLE
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == '__main__':
    if not __package__:
        # Run as a file: its own folder comes first on the path instead of the repository.
        sys.path[0] = str(Path(__file__).resolve().parents[1])
    from anymodal_seg_ros.stopping import COMMAND_STOPPED, run_main
    sys.exit(run_main('training.export', COMMAND_STOPPED))

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from anymodal_seg_ros.bundle import read_description
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.inference import build_segmenter
from anymodal_seg_ros.stopping import COMMAND_STOPPED, ends_at_once, errors_in_a_line
from training.data_config import NO_SPLIT, DataConfig
from training.output_folder import AVERAGE, CHECKPOINT_FILE, WEIGHTS, checkpoint_of
from training.scored_frames import open_frames


@errors_in_a_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status (130 when interrupted)."""
    parser = _parser()
    args = parser.parse_args(arguments)
    if not args.update_scores and (args.data or args.split):
        parser.error('--data and --split need --update-scores')
    path = checkpoint_of(args.source)
    with ends_at_once(COMMAND_STOPPED):
        from training.checkpoint_bundle import export
    recipe = export(path, args.output, weights=args.weights)
    sys.stdout.write(f'{args.output}\n')
    if args.update_scores:
        _update_scores(args, recipe)
    return 0


def _update_scores(args: argparse.Namespace, recipe: Mapping[str, Any]) -> None:
    """Score the bundle on each data set of the recipe that has a split for it, and note that in
    it as a finished run does."""
    from training.evaluation import update_scores, usual_batch
    from training.final_scores import ScoredSet, score_sets

    data = _scored_data(DataConfig.from_dict(recipe.get('data', {})), args.data)
    bundle = read_description(args.output)
    sets = []
    for number, split in _splits(data, args.split).items():
        each = data.sets[number]
        frames, labelling, sensors = open_frames(
            bundle, Path(each.root), split, name=each.name, conditions=each.conditions,
            options=each.options, label_map=each.label_map,
            modalities=[name for name in bundle.modalities if name in each.sensors])
        sets.append(ScoredSet(title=data.title_of(number), split=split, frames=frames,
                              labelling=labelling, sensors=sensors))
    segmenter = build_segmenter(args.output)
    scored, report = score_sets(segmenter, sets, print, is_joint=len(data.sets) > 1,
                                batch_size=usual_batch(segmenter), workers=2)
    if report:
        update_scores(args.output, scored, report)


def _splits(data: DataConfig, wanted: str | None) -> dict[int, str]:
    """Number of each data set to score, and its split: that asked for, or the recipe's."""
    splits = {number: wanted or each.score_split for number, each in enumerate(data.sets)
              if wanted or not (each.hold_out or each.score_split == NO_SPLIT)}
    if not splits:
        raise ConfigError('the run scored no split of its data; name one with --split')
    return splits


def _scored_data(data: DataConfig, root: Path | None) -> DataConfig:
    """The data sets to score, all with a folder; ``root`` goes before the recipe's."""
    if root is not None:
        if len(data.sets) > 1:
            raise ConfigError(f'--data {root} is one folder; the recipe has {len(data.sets)} data '
                              'sets')
        data = replace(data, sets=(replace(data.sets[0], root=str(root)),))
    if not all(each.root for each in data.sets):
        raise ConfigError('the recipe names no data set; name its folder with --data')
    return data


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python training/export.py',
        description="Make a bundle, which the node loads, of a training run's checkpoint; the "
                    'run need not be finished.')
    parser.add_argument('source', type=Path, metavar='RUN|CHECKPOINT',
                        help=f'run folder, or a {CHECKPOINT_FILE}')
    parser.add_argument('--output', type=Path, required=True, metavar='BUNDLE',
                        help='bundle folder to write; a bundle there is replaced')
    parser.add_argument('--weights', default=AVERAGE, choices=tuple(WEIGHTS),
                        help="the run's averaged weights, or those of its last step "
                             '(default %(default)s)')
    parser.add_argument('--update-scores', action='store_true',
                        help="score the bundle on the recipe's data sets, and note the scores in "
                             'it')
    parser.add_argument('--data', type=Path,
                        help="for --update-scores: the data set's folder, instead of the recipe's")
    parser.add_argument('--split', choices=('train', 'val', 'test'),
                        help="for --update-scores (default: the recipe's data.score_split)")
    return parser
