# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command line: mIoU of a bundle for every combination of sensors, on a data set or a recording.

    python -m training.evaluate BUNDLE --data FOLDER
    python -m training.evaluate BUNDLE --bag RECORDING
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from anymodal_seg_ros.bundle import load_bundle, save_bundle
from anymodal_seg_ros.corruption import FaultSchedule
from anymodal_seg_ros.errors import AnymodalError
from anymodal_seg_ros.inference import Segmenter, build_segmenter
from training.recording import score_recording
from training.scoring import SubsetScores, score_bundle, score_table

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status."""
    parser = _parser()
    args = parser.parse_args(arguments)
    if args.faults is not None and args.bag is None:
        parser.error('--faults needs --bag: a data set is scored as it is stored')
    try:
        segmenter = build_segmenter(args.bundle, device=args.device, num_threads=args.threads)
        if args.bag is not None:
            schedule = FaultSchedule.from_yaml(args.faults) if args.faults else None
            scores = score_recording(args.bag, segmenter, schedule=schedule)
            source = {'recording': args.bag.name,
                      'faults': schedule.to_dict() if schedule else None}
        else:
            scores, source = _score_data(args, segmenter)
        report = {**scores.to_dict(), 'data': source}
        sys.stdout.write(score_table(scores) + '\n')
        if args.output is not None:
            args.output.parent.mkdir(parents=True, exist_ok=True)
            args.output.write_text(json.dumps(report, indent=2) + '\n', encoding='utf-8')
        if args.update_bundle:
            update_scores(args.bundle, args.split if args.bag is None else 'recording', report)
    except (AnymodalError, OSError) as error:
        sys.stderr.write(f'error: {error}\n')
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def update_scores(path: Path, split: str, report: dict[str, Any]) -> None:
    """Write a score report into a bundle's provenance under ``scores[split]``."""
    bundle, state = load_bundle(path)
    provenance = dict(bundle.provenance)
    provenance['scores'] = {**provenance.get('scores', {}), split: report}
    save_bundle(path, replace(bundle, provenance=provenance), state)


def _score_data(
    args: argparse.Namespace, segmenter: Segmenter
) -> tuple[SubsetScores, dict[str, Any]]:
    return score_bundle(
        segmenter, args.data, args.split, max_frames=args.max_frames,
        conditions=args.condition, failures=args.failure, depth_folder=args.depth_folder,
        show_progress=sys.stderr.isatty())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m training.evaluate',
        description='mIoU of a bundle for every combination of sensors.')
    parser.add_argument('bundle', type=Path, help='bundle folder')
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument('--data', type=Path, help='data set in DELIVER layout')
    source.add_argument('--bag', type=Path, help='recording with ground truth')
    parser.add_argument('--faults', type=Path, help='fault schedule (YAML) for the recording')
    parser.add_argument('--split', default='val', choices=('train', 'val', 'test'),
                        help='of the data set (default %(default)s)')
    parser.add_argument('--condition', action='append', default=[],
                        help='score only frames of this condition; can be repeated')
    parser.add_argument('--failure', action='append', default=[],
                        help="score only frames with this failure, or 'normal'; can be repeated")
    parser.add_argument('--depth-folder', default='auto', choices=('auto', 'hha', 'depth'),
                        help='auto takes hha where it exists (default %(default)s)')
    parser.add_argument('--max-frames', type=int, default=0,
                        help='spread over the split; 0 scores all')
    parser.add_argument('--device', default='auto', help="'auto', 'cpu' or 'cuda'")
    parser.add_argument('--threads', type=int, default=0, help='0 takes all cores')
    parser.add_argument('--output', type=Path, help='write the scores as JSON')
    parser.add_argument('--update-bundle', action='store_true',
                        help="write the scores into the bundle's provenance")
    return parser


if __name__ == '__main__':
    sys.exit(main())
