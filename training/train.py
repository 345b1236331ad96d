# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command line: train a network on a data set and write it as a bundle.

    python -m training.train --config config/training/default.yaml --data FOLDER --output BUNDLE
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm  # type: ignore[import-untyped]

from anymodal_seg_ros.bundle import CONFIG_FILE, Bundle, save_bundle
from anymodal_seg_ros.errors import AnymodalError, BundleError, ConfigError
from anymodal_seg_ros.inference import build_segmenter
from anymodal_seg_ros.labels import LabelSpace, load_label_space
from anymodal_seg_ros.modalities import MODALITIES, network_size
from anymodal_seg_ros.models import MSegFormer, build_model, load_encoder_weights
from training.config import TrainConfig
from training.datasets import DATASETS, FrameCache, FrameSource, first_size
from training.losses import build_loss, class_weights
from training.scoring import predict_with, score_bundle, score_frames, score_table, spread
from training.trainer import RunResult, Trainer

INTERRUPTED = 130
PACKAGES = ('torch', 'numpy', 'opencv-python-headless', 'lightning-fabric')
Log = Callable[[str], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status (130 when interrupted)."""
    args = _parser().parse_args(arguments)
    try:
        config = TrainConfig.from_yaml(args.config)
        if args.max_minutes is not None:
            config = replace(config, max_minutes=args.max_minutes)
        if args.seed is not None:
            config = replace(config, seed=args.seed)
        if args.threads:
            torch.set_num_threads(args.threads)
        finished = train(config, args.data, args.output, resume=args.resume, log=tqdm.write)
    except AnymodalError as error:
        sys.stderr.write(f'error: {error}\n')
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0 if finished else INTERRUPTED


def train(
    config: TrainConfig, data: Path, output: Path, *, resume: bool = False,
    log: Log = lambda line: None,
) -> bool:
    """Train, write the bundle ``output``, score it on the validation split.

    Belongs to the main thread. SIGINT or SIGTERM stops the steps after the present one. The
    checkpoint is ``<output>.ckpt`` and stays until the bundle is written and scored.

    Returns:
        False when stopped early; ``resume`` then continues.

    Raises:
        ConfigError: the recipe or the data set is wrong.
        BundleError: ``output`` exists and is no bundle.
        DivergedError: the loss is no longer finite.
    """
    if output.exists() and not (output / CONFIG_FILE).is_file():
        raise BundleError(f'{output} exists and is no bundle; name a new folder')
    torch.manual_seed(config.seed)
    cv2.setNumThreads(1)
    label_space = load_label_space(config.data.label_space)
    model = build_model(config.model, {**config.model_config,
                                       'num_classes': label_space.num_classes})
    if config.pretrained:
        load_encoder_weights(model.encoder, config.pretrained)
    source = _open_split(config, data, 'train', model)
    short_side_px = config.data.short_side_px
    size_hw = network_size(first_size(source[0]), short_side_px)
    frames = FrameCache(source, size_hw, keep=config.data.cache)
    log(f'{len(source)} training frames of {size_hw[0]} x {size_hw[1]} pixels from {data}')
    loss = build_loss(config.loss, _loss_weights(config, frames, label_space))
    checkpoint = output.with_name(f'{output.name}.ckpt')
    trainer = Trainer(config, model, loss, frames, checkpoint,
                      on_epoch=_validation(config, data, model, label_space, log),
                      show_progress=True)
    if not resume and checkpoint.exists():
        raise ConfigError(f'{checkpoint} holds an unfinished run; continue it with --resume, or '
                          'remove it to start anew')
    if resume:
        trainer.resume()
        log(f'continued from {checkpoint}')
    with _stopped_by_signals() as should_stop:
        result = trainer.fit(should_stop)
    if not result.finished:
        log(f'stopped after {result.samples} samples; --resume continues from {checkpoint}')
        return False
    bundle = Bundle(
        model_name=config.model, model_config=model.config.to_dict(),
        encoders=_encoder_settings(source.describe(), model), label_space=label_space,
        short_side_px=short_side_px, provenance=_provenance(config, source, result))
    save_bundle(output, bundle, result.state)
    log(f'wrote {output} after {result.elapsed_s / 60:.1f} minutes')
    _score(config, bundle, data, output, result, log)
    checkpoint.unlink(missing_ok=True)
    return True


def _open_split(config: TrainConfig, data: Path, split: str, model: MSegFormer) -> FrameSource:
    return DATASETS[config.data.name](
        data, split, model.config.modalities, conditions=config.data.conditions,
        depth_folder=config.data.depth_folder)


def _loss_weights(
    config: TrainConfig, frames: FrameCache, label_space: LabelSpace
) -> Tensor | None:
    """Weights from the pixel counts of at most 500 frames; None where the recipe wants none."""
    if config.class_weights == 'none':
        return None
    pixels_K = np.zeros(label_space.num_classes, np.int64)
    for index in tqdm(spread(len(frames), 500), desc='counting classes', unit='frame'):
        pixels_K += np.bincount(frames[index].labels.ravel(), minlength=256)[: len(pixels_K)]
    return class_weights(torch.from_numpy(pixels_K))


def _validation(
    config: TrainConfig, data: Path, model: MSegFormer, label_space: LabelSpace, log: Log
) -> Callable[[int, dict[str, Tensor]], None] | None:
    """Scores of the averaged weights with all sensors and with each alone, every few epochs."""
    if not config.val_epochs:
        return None
    frames = _open_split(config, data, 'val', model)
    averaged = build_model(config.model, model.config.to_dict()).eval()
    names = model.config.modalities
    subsets = [(name,) for name in names] + [tuple(names)]

    def validate(epoch: int, state: dict[str, Tensor]) -> None:
        if epoch % config.val_epochs:
            return
        averaged.load_state_dict(state)
        scores = score_frames(predict_with(averaged), frames, subsets, label_space,
                              config.data.short_side_px,
                              indices=spread(len(frames), config.val_frames))
        log(f'epoch {epoch}\n{score_table(scores)}')

    return validate


def _encoder_settings(description: dict[str, Any], model: MSegFormer) -> dict[str, Any]:
    """The settings that the data set's images were made with, else the defaults; a data set
    without manifest whose depth is HHA gets the HHA encoder."""
    stored = description.get('manifest', {}).get('encoders', {})
    if not stored and description.get('folders', {}).get('depth') == 'hha':
        stored = {'depth': {'encoding': 'hha'}}
    settings = {}
    for name in model.config.modalities:
        if name not in MODALITIES:
            raise ConfigError(f'no encoder for modality {name!r}')
        given = stored.get(name, MODALITIES[name].default_settings())
        settings[name] = dict(MODALITIES[name].build_encoder(given).settings())
    return settings


def _provenance(config: TrainConfig, source: FrameSource, result: RunResult) -> dict[str, Any]:
    return {
        'recipe': config.to_dict(),
        'seed': config.seed,
        'data': source.describe(),
        'steps': result.steps,
        'samples': result.samples,
        'minutes': round(result.elapsed_s / 60, 2),
        'host': {'machine': platform.machine(), 'system': platform.system(),
                 'cores': os.cpu_count(), 'threads': torch.get_num_threads(),
                 'gpu': torch.cuda.get_device_name() if torch.cuda.is_available() else ''},
        'versions': {'python': platform.python_version(),
                     **{name: _version(name) for name in PACKAGES}},
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ''


def _score(config: TrainConfig, bundle: Bundle, data: Path, output: Path, result: RunResult,
           log: Log) -> None:
    scores, description = score_bundle(
        build_segmenter(output), data, 'val', name=config.data.name,
        conditions=config.data.conditions, depth_folder=config.data.depth_folder,
        show_progress=True)
    log(score_table(scores))
    provenance = {**bundle.provenance, 'scores': {'val': {**scores.to_dict(),
                                                          'data': description}}}
    save_bundle(output, replace(bundle, provenance=provenance), result.state)


@contextmanager
def _stopped_by_signals() -> Iterator[Callable[[], bool]]:
    """Says whether SIGINT or SIGTERM came; the run then ends between two steps."""
    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        if stopped:
            raise KeyboardInterrupt
        stopped = True

    previous = {number: signal.signal(number, stop)
                for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: stopped
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='python -m training.train',
                                     description='Train a network and write it as a bundle.')
    parser.add_argument('--config', type=Path, required=True, help='recipe (YAML)')
    parser.add_argument('--data', type=Path, required=True, help='data set in DELIVER layout')
    parser.add_argument('--output', type=Path, required=True,
                        help='bundle folder to write; a bundle there is replaced')
    parser.add_argument('--resume', action='store_true', help='continue from OUTPUT.ckpt')
    parser.add_argument('--max-minutes', type=float, help="instead of the recipe's")
    parser.add_argument('--seed', type=int, help="instead of the recipe's")
    parser.add_argument('--threads', type=int, default=0, help='CPU threads; 0 takes all cores')
    return parser


if __name__ == '__main__':
    sys.exit(main())
