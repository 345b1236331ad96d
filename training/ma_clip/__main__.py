# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command line: captions for a data set, and the adapters that learn from them.

    python -m training.ma_clip captions deliver DATA
    python -m training.ma_clip train --recipe config/training/ma_clip/deliver.yaml \\
        sets.0.root=DATA clip=CLIP output=RUN
"""

from __future__ import annotations

import sys

from anymodal_seg_ros.stopping import COMMAND_STOPPED, errors_in_a_line, run_main

if __name__ == '__main__':
    sys.exit(run_main('training.ma_clip.__main__', COMMAND_STOPPED))

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm import tqdm

from anymodal_seg_ros.stopping import ends_at_once
from training.datasets import DATASETS
from training.interruption import stopped_by_signals
from training.ma_clip.captioning import write_from_labels
from training.ma_clip.captions import CAPTIONS_FILE
from training.ma_clip.config import MaClipConfig
from training.recipe_keys import ShowKeys, keys_overview

DESCRIPTION = """\
The first stage of SegRGB-X. CLIP, frozen, gets an adapter for each sensor beside the camera, so
that what a thermal, depth or event image shows comes near the words for it. A SegRGB-X network is
then steered by the result: its recipe has guide=RUN/guide.
"""
STEPS = """\
1. Put a CLIP somewhere, as huggingface.co has it: config.json, model.safetensors and tokenizer,
   of openai/clip-vit-base-patch16 for example. Nothing is downloaded by itself.
2. Write captions, or bring your own as JSON (docs/clip.md has the form):
     python -m training.ma_clip captions deliver DELIVER
3. Train the adapters:
     python -m training.ma_clip train --recipe config/training/ma_clip/deliver.yaml \\
         sets.0.root=DELIVER clip=CLIP output=out/ma_clip

'captions --help' and 'train --help' teach the rest.
"""
TRAIN_EPILOG = """\
keys of a recipe, a YAML file, whose 'base: OTHER.yaml' takes over what another one says:
{keys}
--keys tells the meaning, default and allowed values of each; --keys sets, of those in sets.

examples:
  on DELIVER's depth, LiDAR and event images:
    python -m training.ma_clip train --recipe config/training/ma_clip/deliver.yaml \\
        sets.0.root=DELIVER clip=CLIP output=out/ma_clip
  the paper's loss, with its false negatives, and another seed:
    python -m training.ma_clip train --recipe ... literal=true false_negatives=keep seed=1
  on after it was interrupted:
    python -m training.ma_clip train --recipe ... output=out/ma_clip --resume

The run folder gets the resolved recipe, metrics.csv, TensorBoard logs, a checkpoint, scores.json
(does a sensor's image find its caption, with the adapter and without?) and at the end guide/.
"""
CAPTIONS_EPILOG = """\
A caption names the classes that fill half a percent of the labels or more, the largest first, and
the conditions that the data set knows: 'a driving scene at night with road, sky and building'.

examples:
  python -m training.ma_clip captions deliver DELIVER
  python -m training.ma_clip captions nyuv2 NYU --output nyu.json --scene 'a room'
"""


@errors_in_a_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status (130 when interrupted)."""
    parser = argparse.ArgumentParser(
        prog='python -m training.ma_clip', description=DESCRIPTION, epilog=STEPS,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('command', choices=tuple(COMMANDS))
    parser.add_argument('rest', nargs=argparse.REMAINDER, metavar='...', help='see COMMAND --help')
    args = parser.parse_args(arguments)
    return COMMANDS[args.command](args.rest)


def _train(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog='python -m training.ma_clip train', description='Train adapters by a recipe.',
        epilog=TRAIN_EPILOG.format(keys=keys_overview(MaClipConfig)),
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--recipe', type=Path, required=True, help='YAML file')
    parser.add_argument('overrides', nargs='*', metavar='key=value',
                        help="instead of the recipe's, such as lr=5.0e-5 or sets.0.root=FOLDER")
    parser.add_argument('--keys', nargs='?', const='', metavar='KEY', action=ShowKeys,
                        of=MaClipConfig,
                        help='describe the keys of a recipe, or those that begin so, and exit')
    parser.add_argument('--resume', action='store_true',
                        help="continue from the run folder's checkpoint")
    parser.add_argument('--threads', type=int, default=0, help='CPU threads; 0 takes all cores')
    args = parser.parse_intermixed_args(arguments)
    config = MaClipConfig.from_yaml(args.recipe, tuple(args.overrides))
    with ends_at_once(COMMAND_STOPPED):
        # Seconds, which nobody should wait to hear that a key is misspelt.
        import torch

        from training.ma_clip.run import train
    if args.threads:
        torch.set_num_threads(args.threads)
    with stopped_by_signals() as stop:
        finished = train(config, resume=args.resume, should_stop=stop, log=tqdm.write,
                         show_progress=True)
    return 0 if finished else COMMAND_STOPPED


def _captions(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog='python -m training.ma_clip captions', epilog=CAPTIONS_EPILOG,
        description="Write captions of a data set's frames from their labels.",
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('data', choices=tuple(DATASETS), help='layout of the data set')
    parser.add_argument('root', help='its folder')
    parser.add_argument('--output', type=Path, help=f'file (default ROOT/{CAPTIONS_FILE})')
    parser.add_argument('--splits', nargs='+', default=(), metavar='SPLIT',
                        help='default: those that are there')
    parser.add_argument('--scene', default='',
                        help='what every caption begins with, such as "a driving scene"')
    args = parser.parse_args(arguments)
    write_from_labels(args.data, args.root, args.output or Path(args.root) / CAPTIONS_FILE,
                      splits=args.splits, scene=args.scene, log=tqdm.write)
    return 0


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {'captions': _captions, 'train': _train}
