# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command line: the ablation ladder of RobustSeg, trained rung by rung and printed as a table.

    python training/ladder.py --data out/streets --output out/ladder
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == '__main__':
    if not __package__:
        # Run as a file: its own folder comes first on the path instead of the repository.
        sys.path[0] = str(Path(__file__).resolve().parents[1])
    from anymodal_seg_ros.stopping import COMMAND_STOPPED, run_main
    sys.exit(run_main('training.ladder', COMMAND_STOPPED))

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from tqdm import tqdm

from anymodal_seg_ros import limits
from anymodal_seg_ros.documents import read_json
from anymodal_seg_ros.errors import AnymodalError, ConfigError
from anymodal_seg_ros.existence import is_dir, is_file
from anymodal_seg_ros.resources import resource_path
from anymodal_seg_ros.stopping import COMMAND_STOPPED, ends_at_once
from training.interruption import stopped_by_signals
from training.output_folder import BUNDLE_FOLDER, CHECKPOINT_FILE, SCORES_FILE
from training.preparation import prepare
from training.train_config import TrainConfig

MAX_SCORES_BYTES = 64 << 20
CAMERA, TEACHER = 'camera', 'teacher'
WEAK = 'lidar+event'


@dataclass(frozen=True)
class Rung:
    """A row: its recipe in ``config/training/ladder`` and what the paper reports."""

    recipe: str
    title: str
    paper: str
    """EMM average / all sensors on DELIVER with MiT-B0 (RobustSeg, CVPR 2026)."""


RUNGS = (
    Rung(TEACHER, 'teacher: supervised, every sensor', '39.36 / 61.92'),
    Rung('dropout', 'sensor dropout, no distillation', '–'),
    Rung('basic', 'dropout + logits (basic distillation)', '46.42 / 61.34'),
    Rung('anyseg', 'AnySeg', '47.51 / 59.41'),
    Rung('single_ifv', 'basic + IFV of every modality', '47.51 / 59.71'),
    Rung('cross_ifv', 'basic + IFV across modalities', '43.42 / 53.38'),
    Rung('cpd', 'basic + cross-modal prototypes (CPD)', '49.06 / 60.11'),
    Rung('hpd', 'CPD + IFV of primary modalities (HPD)', '49.10 / 61.26'),
    Rung('feedback', 'HPD + feedback: RobustSeg', '49.91 / 61.85'),
)
EXTRAS = (
    Rung('anyseg_as_printed', 'AnySeg, correspondence loss as printed', '–'),
    Rung('teacher_statistics', 'teacher, input statistics of the data', '–'),
    Rung('corruption', 'RobustSeg without feedback, noise and block corruption', '–'),
    Rung('running_prototypes', 'HPD, prototypes as running means', '–'),
    Rung('reliability', 'HPD, reliability-weighted fusion', '–'),
    Rung('pseudo_labels', 'HPD, pseudo-labels for unlabelled pixels', '–'),
    Rung('light_prototypes', 'HPD, prototypes at a tenth of the weight', '–'),
)
"""Ours, in neither paper."""
OWN_START = {'dropout': 'method.init'}
"""Where a student without teacher takes the teacher's weights from."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status (130 when interrupted)."""
    args = _parser().parse_args(arguments)
    try:
        if not args.table_only:
            with stopped_by_signals() as stop:
                train_ladder(args.data, args.output, args.seeds, args.rungs, stop)
        sys.stdout.write(ladder_table(args.output, args.seeds) + '\n')
    except AnymodalError as error:
        sys.stderr.write(f'error: {error}\n')
        return 1
    except KeyboardInterrupt:
        return COMMAND_STOPPED
    return 0


def train_ladder(
    data: Path, output: Path, seeds: Sequence[int], rungs: Sequence[str],
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Train what is not there yet: one network that has seen the camera alone, and for each seed
    a teacher and the students that start from it. An interrupted run is continued.

    Raises:
        ConfigError: a rung that does not exist, or a data set that cannot be read.
    """
    names = [rung.recipe for rung in (*RUNGS, *EXTRAS)]
    for name in rungs:
        limits.one_of('rung', name, names)
    _train(CAMERA, output / CAMERA, data, {}, should_stop)
    for seed in seeds:
        teacher = output / f'{TEACHER}-{seed}'
        start = {'seed': seed, 'method.init': output / CAMERA / BUNDLE_FOLDER}
        _train(TEACHER, teacher, data, start, should_stop)
        for name in (name for name in rungs if name != TEACHER):
            own = OWN_START.get(name, 'method.teacher')
            student = {'seed': seed, own: teacher / BUNDLE_FOLDER}
            _train(name, output / f'{name}-{seed}', data,
                   start if name.startswith(TEACHER) else student, should_stop)


def _train(name: str, run: Path, data: Path, overrides: Mapping[str, object],
           should_stop: Callable[[], bool]) -> None:
    if is_dir(run / BUNDLE_FOLDER) and is_file(run / SCORES_FILE):
        return
    recipe = resource_path('config') / 'training' / 'ladder' / f'{name}.yaml'
    changes = {**overrides, 'data.root': data, 'output': run}
    config = TrainConfig.from_yaml(recipe, tuple(f'{k}={v}' for k, v in changes.items()))
    tqdm.write(f'{run.name}: {recipe.name}')
    prepared = prepare(config, resume=is_file(run / CHECKPOINT_FILE))
    with ends_at_once(COMMAND_STOPPED):
        from training.run import train
    if not train(prepared, should_stop=should_stop):
        raise KeyboardInterrupt


def ladder_table(output: Path, seeds: Sequence[int]) -> str:
    """A Markdown table: mean and standard deviation over the seeds, in percent mIoU.

    Raises:
        ConfigError: no run was scored.
    """
    lines = ['| | seeds | EMM average | all sensors | LiDAR + events | paper: EMM / all |',
             '|---|---|---|---|---|---|']
    for rung in (*RUNGS, *EXTRAS):
        scores = [found for seed in seeds
                  if (found := _scores(output / f'{rung.recipe}-{seed}')) is not None]
        if scores:
            columns = [_spread(values) for values in zip(*scores, strict=True)]
            lines.append(f'| {rung.title} | {len(scores)} | {" | ".join(columns)} '
                         f'| {rung.paper} |')
    if len(lines) == 2:
        raise ConfigError(f'no scored run in {output}; run the ladder without --table-only')
    return '\n'.join(lines)


def _scores(run: Path) -> tuple[float, float, float] | None:
    path = run / SCORES_FILE
    if not is_file(path):
        return None
    try:
        report = read_json(path, MAX_SCORES_BYTES)
        subsets = report['subsets']
        full = max(subsets, key=lambda name: name.count('+'))
        return (float(report['emm_average_skip']), float(subsets[full]['miou']),
                float(subsets[WEAK]['miou']))
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise ConfigError(f'{path} holds no scores: {error!r}') from None


def _spread(values: Sequence[float]) -> str:
    return f'{fmean(values):.1f}' + (f' ± {stdev(values):.1f}' if len(values) > 1 else '')


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='ladder.py', description="Train RobustSeg's ablation ladder and print its table.")
    parser.add_argument('--data', type=Path, default=Path('out/streets'),
                        help='data set (default %(default)s)')
    parser.add_argument('--output', type=Path, default=Path('out/ladder'),
                        help='folder of the runs; finished ones are kept (default %(default)s)')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2], metavar='N')
    parser.add_argument('--rungs', nargs='+', default=[rung.recipe for rung in RUNGS],
                        metavar='NAME',
                        help=f'of {", ".join(rung.recipe for rung in (*RUNGS, *EXTRAS))}')
    parser.add_argument('--table-only', action='store_true', help='train nothing')
    return parser
