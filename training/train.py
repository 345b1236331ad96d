# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command line: train a network by a recipe and write it as a bundle.

    python training/train.py --recipe config/training/supervised.yaml data.root=DATA output=RUN
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == '__main__':
    if not __package__:
        # Run as a file: its own folder comes first on the path instead of the repository.
        sys.path[0] = str(Path(__file__).resolve().parents[1])
    from anymodal_seg_ros.stopping import COMMAND_STOPPED, run_main
    sys.exit(run_main('training.train', COMMAND_STOPPED))

import argparse
from collections.abc import Sequence

from tqdm import tqdm

from anymodal_seg_ros.stopping import COMMAND_STOPPED, ends_at_once, errors_in_a_line
from training.interruption import stopped_by_signals
from training.preparation import prepare
from training.recipe_keys import ShowKeys, keys_overview
from training.train_config import TrainConfig

EPILOG = """\
keys of a recipe, a YAML file, whose 'base: OTHER.yaml' takes over what another one says:
{keys}
--keys tells the meaning, default and allowed values of each; --keys optim, of those in optim.

examples:
  a teacher that sees every sensor:
    python training/train.py --recipe config/training/deliver/teacher.yaml \\
        data.root=DELIVER output=out/teacher
  a student that survives missing sensors:
    python training/train.py --recipe config/training/deliver/robustseg.yaml \\
        data.root=DELIVER output=out/robustseg method.teacher=out/teacher/bundle
  the same on two GPUs, with another rate and seed:
    torchrun --nproc-per-node 2 training/train.py --recipe ... optim.lr=1.0e-4 seed=1

The run folder gets the resolved recipe, metrics.csv, TensorBoard logs, a checkpoint, and at the
end bundle/ (which the node loads) and report.html.
"""


@errors_in_a_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status (130 when interrupted)."""
    args = _parser().parse_intermixed_args(arguments)
    config = TrainConfig.from_yaml(args.recipe, tuple(args.overrides))
    prepared = prepare(config, resume=args.resume, log=tqdm.write)
    with ends_at_once(COMMAND_STOPPED):
        # Seconds, which nobody should wait to hear that a key or folder is misspelt.
        import torch

        from training.run import train
    if args.threads:
        torch.set_num_threads(args.threads)
    with stopped_by_signals() as stop:
        finished = train(prepared, should_stop=stop, log=tqdm.write)
    return 0 if finished else COMMAND_STOPPED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='train.py', description='Train a network by a recipe and write it as a bundle.',
        epilog=EPILOG.format(keys=keys_overview()),
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--recipe', type=Path, required=True, help='YAML file')
    parser.add_argument('overrides', nargs='*', metavar='key=value',
                        help="instead of the recipe's, such as optim.lr=1.0e-4 or "
                             'data.root=FOLDER')
    parser.add_argument('--keys', nargs='?', const='', metavar='KEY', action=ShowKeys,
                        help='describe the keys of a recipe, or those that begin so, and exit')
    parser.add_argument('--resume', action='store_true',
                        help="continue from the run folder's checkpoint")
    parser.add_argument('--threads', type=int, default=0, help='CPU threads; 0 takes all cores')
    return parser
