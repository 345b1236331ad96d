# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command line: mIoU of a bundle for every combination of sensors, on a data set or a recording,
and the robustness benchmark.

    python training/evaluate.py BUNDLE --data FOLDER [--benchmark emm,rmm,nm,failures]
    python training/evaluate.py BUNDLE --bag RECORDING
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == '__main__':
    if not __package__:
        # Run as a file: its own folder comes first on the path instead of the repository.
        sys.path[0] = str(Path(__file__).resolve().parents[1])
    from anymodal_seg_ros.stopping import COMMAND_STOPPED, run_main
    sys.exit(run_main('training.evaluate', COMMAND_STOPPED))

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from anymodal_seg_ros.bundle import read_description
from anymodal_seg_ros.corruption import SEVERITY_RANGE, FaultSchedule
from anymodal_seg_ros.documents import parse_yaml
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.existence import exists
from anymodal_seg_ros.inference import Segmenter, build_segmenter
from anymodal_seg_ros.inference.segmenter import AUTO_PRECISION, PRECISION_NAMES
from anymodal_seg_ros.modalities.options import add_decoding_options, decoding_from
from anymodal_seg_ros.pages import check_libraries
from anymodal_seg_ros.stopping import COMMAND_STOPPED, ends_at_once, errors_in_a_line
from anymodal_seg_ros.unfinished import write_errors, write_whole
from training.datasets import DATASETS
from training.frame_batches import LABEL_SIZES
from training.robustness.protocol import BENCHMARKS, GPU_BATCH, BenchmarkConfig
from training.scored_frames import open_frames

BOTH = 'both'
OF_DATA = ('dataset', 'split', 'modalities', 'condition', 'failure', 'option', 'label_map',
           'max_frames', 'benchmark', 'missing_mode', 'label_size', 'severities', 'seed',
           'batch_size', 'workers', 'latex', 'heatmap')
"""Options that a recording does not take."""
EPILOG = """\
examples:
  every combination of sensors:
    python training/evaluate.py bundles/default --data out/streets
  the whole robustness benchmark, with tables for a paper:
    python training/evaluate.py bundles/default --data out/streets \\
        --benchmark emm,rmm,nm,failures --missing-mode both \\
        --output robustness.json --latex robustness.tex --heatmap robustness.png

benchmarks:
  emm       whole sensors missing: all combinations, their average and their expectation when
            each sensor fails with p = 0.2, 0.1, 0.05
  rmm       elements of sensors missing: the same with r = 0.25, 0.5, 0.75
  nm        salt and pepper and Gaussian noise, low, mid and high
  failures  DELIVER's motion blur, over- and underexposure, LiDAR jitter and event resolution
emm, rmm and nm together give the robustness score. Published tables have missing sensors as
zeros (--missing-mode zero), labels at network size and absent classes as 0.
"""


@errors_in_a_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status."""
    parser = _parser()
    args = parser.parse_args(arguments)
    if args.faults is not None and args.bag is None:
        parser.error('--faults needs --bag: a data set is scored as it is stored')
    _check_outputs(args)
    report = _score_bag(args) if args.bag is not None else _score_data(args)
    if args.output is not None:
        write_whole(args.output, json.dumps(report, indent=2) + '\n')
    if args.update_bundle:
        from training.evaluation import update_scores
        update_scores(args.bundle, args.split if args.bag is None else 'recording', report)
    return 0


def _check_outputs(args: argparse.Namespace) -> None:
    """Raises an error now, not after hours of scoring, for what cannot be drawn or written."""
    for path in (args.output, args.latex, args.heatmap):
        if path is None:
            continue
        with write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if exists(path):
                path.open('ab').close()
            else:
                tempfile.TemporaryFile(dir=path.parent).close()
    if args.heatmap is not None and args.heatmap.suffix.lower() != '.png':
        raise ConfigError(f'--heatmap {args.heatmap}; allowed: the name of a .png file')
    if args.heatmap is not None:
        check_libraries()


def _score_bag(args: argparse.Namespace) -> dict[str, Any]:
    """Through the vehicle's own pipeline."""
    parser = _parser()
    for name in OF_DATA:
        if getattr(args, name) != parser.get_default(name):
            raise ConfigError(f'--{name.replace("_", "-")} needs --data: a recording is scored '
                              'as the vehicle would see it')
    schedule = FaultSchedule.from_yaml(args.faults) if args.faults else None
    decoding = decoding_from(args)
    read_description(args.bundle)
    with ends_at_once(COMMAND_STOPPED):
        from training.bag_scores import score_recording
        from training.scoring import score_table
    segmenter = _segmenter(args)
    scores = score_recording(args.bag, segmenter, schedule=schedule, decoding=decoding)
    sys.stdout.write(f'{score_table(scores)}\n\nnetwork: {segmenter.description}\n')
    source = {'recording': args.bag.name, 'faults': schedule.to_dict() if schedule else None}
    return {**scores.to_dict(), 'network': segmenter.description, 'data': source}


def _score_data(args: argparse.Namespace) -> dict[str, Any]:
    bundle = read_description(args.bundle)
    config = _config(args, bundle.missing_mode)
    frames, labelling, sensors = open_frames(
        bundle, args.data, args.split, name=args.dataset, conditions=args.condition,
        failures=args.failure, options=_options(args.option), label_map=args.label_map,
        modalities=_names(args.modalities))
    with ends_at_once(COMMAND_STOPPED):
        from training.evaluation import score_split, usual_batch
        from training.robustness.tables import latex_tables, write_heatmap
    segmenter = _segmenter(args)
    if args.batch_size is None:
        config = replace(config, batch_size=usual_batch(segmenter))
    scores, report = score_split(segmenter, frames, labelling, sensors, config,
                                 max_frames=args.max_frames)
    if args.latex is not None:
        write_whole(args.latex, latex_tables(scores))
    if args.heatmap is not None:
        write_heatmap(args.heatmap, scores)
    return report


def _segmenter(args: argparse.Namespace) -> Segmenter:
    return build_segmenter(args.bundle, device=args.device, num_threads=args.threads,
                           precision=args.precision)


def _config(args: argparse.Namespace, missing_mode: str) -> BenchmarkConfig:
    if args.max_frames < 0:
        raise ConfigError.of('--max-frames', args.max_frames, 'a whole number, 0 and more')
    given = args.missing_mode or missing_mode
    return BenchmarkConfig(
        benchmarks=_names(args.benchmark or 'emm'),
        missing_modes=('drop', 'zero') if given == BOTH else (given,),
        label_size=args.label_size or 'native', seed=args.seed,
        severities=_numbers(args.severities),
        batch_size=1 if args.batch_size is None else args.batch_size,
        workers=args.workers)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(',')) if text else ()


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in text.split(','))
    except ValueError:
        raise ConfigError.of(
            'severities', text, f'numbers from {SEVERITY_RANGE} with commas between') from None


def _options(pairs: Sequence[str]) -> dict[str, Any]:
    options = {}
    for pair in pairs:
        key, equals, value = pair.partition('=')
        if not key or not equals:
            raise ConfigError(f'--option {pair!r}; write KEY=VALUE')
        options[key] = parse_yaml(value, f'the value of --option {pair!r}')
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='evaluate.py', epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
        description='mIoU of a bundle for every combination of sensors, and the robustness '
                    'benchmark.')
    parser.add_argument('bundle', type=Path, help='bundle folder')
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument('--data', type=Path, help='folder of a data set')
    source.add_argument('--bag', type=Path, help='recording with ground truth')
    parser.add_argument('--faults', type=Path, help='fault schedule (YAML) for the recording')
    add_decoding_options(parser)
    data = parser.add_argument_group('data set')
    data.add_argument('--dataset', default='deliver', metavar='NAME',
                      help=f'{", ".join(DATASETS)} (default %(default)s)')
    data.add_argument('--split', default='val', choices=('train', 'val', 'test'),
                      help='of the data set (default %(default)s)')
    data.add_argument('--modalities', default='', metavar='A,B',
                      help="only these; default: those of the bundle's that the data set has")
    data.add_argument('--condition', action='append', default=[],
                      help='score only frames of this condition; can be repeated')
    data.add_argument('--failure', action='append', default=[],
                      help="score only frames with this failure, or 'normal'; can be repeated")
    data.add_argument('--option', action='append', default=[], metavar='KEY=VALUE',
                      help='of the data set, such as depth_folder=hha; can be repeated')
    data.add_argument('--label-map', default='', metavar='MAP',
                      help="from the data set's classes to the bundle's, by name or file; one "
                           'whose entries are lists, such as mfnet-to-unified, leaves the labels '
                           "as they are, and scores the bundle in the data set's classes")
    data.add_argument('--max-frames', type=int, default=0,
                      help='spread over the split; 0 scores all')
    _add_benchmark(parser.add_argument_group('benchmark'))
    run = parser.add_argument_group('run and results')
    run.add_argument('--precision', default=AUTO_PRECISION,
                     choices=(AUTO_PRECISION, *PRECISION_NAMES),
                     help='as of the node, whose default is the same: auto takes the fastest that '
                          'the device has natively, so name one to compare machines')
    run.add_argument('--batch-size', type=int,
                     help=f'frames at once (default {GPU_BATCH} on a GPU, 1 on a CPU)')
    run.add_argument('--workers', type=int, default=2,
                     help='threads that read and degrade images (default %(default)s)')
    run.add_argument('--device', default='auto', help="'auto', 'cpu' or 'cuda'")
    run.add_argument('--threads', type=int, default=0, help='0 takes all cores')
    run.add_argument('--output', type=Path, help='write the scores as JSON')
    run.add_argument('--latex', type=Path, help='write tables for a paper')
    run.add_argument('--heatmap', type=Path, help='write a PNG of the scores by combination')
    run.add_argument('--update-bundle', action='store_true',
                     help="write the scores into the bundle's provenance; its bundle.json is then "
                          'of the newest format version, which older releases do not read')
    return parser


def _add_benchmark(group: argparse._ArgumentGroup) -> None:
    group.add_argument('--benchmark', metavar='A,B',
                       help=f'of {", ".join(BENCHMARKS)} (default emm)')
    group.add_argument('--missing-mode', choices=('drop', 'zero', BOTH),
                       help="what a missing sensor is: left out, or zeros (default: the bundle's)")
    group.add_argument('--label-size', choices=LABEL_SIZES,
                       help="'native' scores labels as they are stored (default); 'network' "
                            'resizes them with the images, as published tables do')
    group.add_argument('--severities', default='0.25,0.5,1', metavar='S,S',
                       help='of the failures (default %(default)s)')
    group.add_argument('--seed', type=int, default=0, help='of all degradations')
