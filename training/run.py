# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A whole run: data, networks and method by the recipe; training; bundle, scores and report."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor
from tqdm import tqdm

from anymodal_seg_ros.bundle import Bundle, read_description, update_provenance
from anymodal_seg_ros.bundle.weights import save_bundle
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.inference import Segmenter, build_segmenter
from anymodal_seg_ros.labels import LabelSpace
from anymodal_seg_ros.modalities import network_size
from anymodal_seg_ros.models import build_model, model_name
from anymodal_seg_ros.models.network import Network
from anymodal_seg_ros.unfinished import whole_folder, write_whole
from training.allocator import keep_freed_memory
from training.data_config import DataConfig
from training.datasets import FrameCache, FrameSource, JoinedFrames, with_policy
from training.devices import make_deterministic, make_fabric, processor
from training.final_scores import score_run
from training.losses import build_loss
from training.losses.class_weights import class_weights
from training.memory import check_cache
from training.methods import METHODS
from training.output_folder import (
    BUNDLE_FOLDER,
    RECIPE_FILE,
    SAMPLES_FOLDER,
    SCORES_FILE,
    TEACHER_FOLDER,
)
from training.preparation import Log, PreparedRun
from training.report import write_report, write_samples
from training.run_data import RunData
from training.sampling import counted_frames, set_weights
from training.scoring import score_frames, score_table
from training.students import build_student, build_teacher
from training.subset_network import subset_network
from training.train_config import TrainConfig
from training.trainer import RunResult, Trainer

COUNTED_FRAMES = 500
PACKAGES = ('torch', 'numpy', 'opencv-python-headless', 'lightning-fabric')
StopRequest = Callable[[], bool]


def train(
    prepared: PreparedRun, *, should_stop: StopRequest = lambda: False,
    log: Log = lambda line: None,
) -> bool:
    """Train by a recipe into its folder, and score as its ``data`` says.

    Returns:
        False when stopped early; a run prepared with ``resume`` then continues.

    Raises:
        ConfigError: the data or a bundle that the recipe names does not fit it.
        BundleError: such a bundle is damaged.
        DivergedError: a loss term is no longer finite.
    """
    config, run, data = prepared.config, prepared.folder, prepared.data
    if config.deterministic:
        make_deterministic()
    torch.manual_seed(config.seed)
    teacher = build_teacher(config, data.label_space, data.modalities)
    model = build_student(config, data.label_space, data.modalities, data.statistics)
    caches = [_cached(each.train, config.data) for each in data.sets]
    if config.data.cache:
        check_cache(caches)
    frames = JoinedFrames(caches)
    method = METHODS[config.method.name].build(
        build_loss(config.loss, _loss_weights(config, frames, data.label_space)),
        model, teacher, config.method.options, data.class_sets)
    if config.device != 'cuda':
        keep_freed_memory()
    fabric = make_fabric(config.device, config.precision,
                         find_unused=method.feedback is not None
                         or not model.asks_every_parameter)
    if fabric.is_global_zero:
        recipe = yaml.safe_dump(config.to_dict(), sort_keys=False)
        write_whole(run / RECIPE_FILE, recipe)
        for each, chosen, cache in zip(data.sets, config.data.sets, caches, strict=True):
            height, width = cache[0].size_hw
            log(f'{len(cache)} training frames of {height} x {width} pixels from {chosen.root}; '
                f'modalities {", ".join(each.modalities)}')
    bundle = Bundle(
        model_name=config.model, model_config=model.config.to_dict(), encoders=data.encoders,
        label_space=data.label_space, short_side_px=config.data.short_side_px)
    trainer = Trainer(config, model, method, frames, run, fabric=fabric,
                      bundle=bundle.to_dict(),
                      on_epoch=_validation(config, data, model, fabric.device, log),
                      show_progress=True)
    if prepared.resume:
        trainer.resume()
        log(f'continued from {trainer.checkpoint_path}')
    result = trainer.fit(should_stop)
    if not fabric.is_global_zero:
        return result.finished
    if not result.finished:
        log(f'stopped after {result.samples} samples; --resume continues the run')
        return False
    provenance = _provenance(config, data, result)
    try:
        _finish(config, data, replace(bundle, provenance=provenance), result, run, log)
    except BaseException:
        log(f'{trainer.checkpoint_path} holds the trained network: --resume goes on with its '
            'scores, and training/export.py makes a bundle of it')
        raise
    return True


def _cached(frames: FrameSource, data: DataConfig) -> FrameCache:
    """Frames at the size that the first one has when its shorter side is the network's."""
    size_hw = network_size(frames[0].size_hw, data.short_side_px)
    return FrameCache(frames, size_hw, keep=data.cache)


def _loss_weights(
    config: TrainConfig, frames: JoinedFrames, label_space: LabelSpace
) -> Tensor | None:
    """Weights from the pixels of at most 500 frames, which count as often as their data sets come
    in training; None where the recipe wants none."""
    if config.class_weights == 'none':
        return None
    pixels_K = np.zeros(label_space.num_classes)
    weights = set_weights(config.data, frames.lengths)
    counted = counted_frames(frames, COUNTED_FRAMES, weights)
    for index, weight in tqdm(counted, desc='counting classes', unit='frame'):
        pixels = np.bincount(frames[index].labels.ravel(), minlength=256)
        pixels_K += weight * pixels[: len(pixels_K)]
    if not pixels_K.any():
        raise ConfigError(f'class_weights log: none of {len(counted)} counted frames has a '
                          'labelled pixel; set class_weights=none')
    return class_weights(torch.from_numpy(pixels_K))


def _validation(
    config: TrainConfig, data: RunData, model: Network, device: torch.device, log: Log
) -> Callable[[int, dict[str, Tensor]], Mapping[str, float]] | None:
    """Scores of the averaged weights with all sensors that a data set has and with each alone,
    every few epochs; of each data set by itself where their labels are of different classes."""
    groups = data.scored_groups()
    if not config.val_epochs or not groups:
        return None
    averaged = build_model(config.model, model.config.to_dict()).eval().to(device)
    subsets = list(dict.fromkeys([*((name,) for name in data.modalities),
                                  *(each.modalities for each in data.sets)]))

    def validate(epoch: int, state: dict[str, Tensor]) -> Mapping[str, float]:
        if epoch % config.val_epochs:
            return {}
        averaged.load_state_dict(state)
        values = {}
        for title, labelling, frames in groups:
            scores = score_frames(subset_network(averaged, labelling.class_sets), frames, subsets,
                                  labelling.label_space, config.data.short_side_px,
                                  indices=frames.spread(max(config.val_frames // len(groups), 1)),
                                  on_unreadable=log if config.data.unreadable == 'skip' else None)
            log(' '.join(['epoch', str(epoch), *title]) + f'\n{score_table(scores)}')
            for subset in scores.scored():
                values['/'.join([*title, '+'.join(subset)])] = scores.miou(subset)
        return values

    return validate


def _finish(config: TrainConfig, data: RunData, bundle: Bundle, result: RunResult, run: Path,
            log: Log) -> None:
    """Scores, sample pictures, bundles and the report. The student's bundle says that all but
    the report is there."""
    if result.teacher is not None:
        config_of_teacher = result.teacher.config
        learnt = replace(bundle, model_name=model_name(config_of_teacher),
                         model_config=config_of_teacher.to_dict())
        log('the teacher, which learnt too:')
        with whole_folder(run / TEACHER_FOLDER, replace=True) as folder:
            _save(folder, learnt, result.teacher.state_dict(), data, config, log)
        log('the student:')
    with whole_folder(run / BUNDLE_FOLDER, replace=True) as folder:
        report = _save(folder, bundle, result.state, data, config, log)
        if report:
            write_whole(run / SCORES_FILE, json.dumps(report, indent=2) + '\n')
        _write_samples(run, build_segmenter(folder), data, config)
    log(f'wrote {run / BUNDLE_FOLDER}')
    log(f'report: {write_report(run)}')


def _write_samples(
    run: Path, segmenter: Segmenter, data: RunData, config: TrainConfig
) -> None:
    """Sample pictures of all data sets, where any is scored."""
    shown = [(each.labelling, with_policy(each.scored, config.data.unreadable, lambda line: None))
             for each in data.sets if each.scored is not None]
    if shown:
        write_samples(run / SAMPLES_FOLDER, JoinedFrames([frames for _, frames in shown]), [
            (subset_network(segmenter, labelling.class_sets), labelling.label_space)
            for labelling, _ in shown], config.data.short_side_px)


def _save(path: Path, bundle: Bundle, state: Mapping[str, Tensor], data: RunData,
          config: TrainConfig, log: Log) -> dict[str, Any]:
    """A bundle with the scores that its stored weights have; returns those, empty for none."""
    save_bundle(path, bundle, state)
    split, report = score_run(path, data, config, log)
    if report:
        update_provenance(path, {'scores': {split: report}})
    return report


def _provenance(config: TrainConfig, data: RunData, result: RunResult) -> dict[str, Any]:
    recipe = config.to_dict()
    return {
        'recipe': recipe,
        'seed': config.seed,
        'data': data.describe(),
        'teacher': _teacher_provenance(config),
        'steps': result.steps,
        'samples': result.samples,
        'minutes': round(result.elapsed_s / 60, 2),
        'host': {'machine': platform.machine(), 'system': platform.system(),
                 'processor': processor(),
                 'cores': os.cpu_count(), 'threads': torch.get_num_threads(),
                 'processes': int(os.environ.get('WORLD_SIZE', '1')),
                 'gpu': torch.cuda.get_device_name() if torch.cuda.is_available() else ''},
        'revision': _revision(),
        'versions': {'python': platform.python_version(),
                     **{name: _version(name) for name in PACKAGES}},
    }


def _teacher_provenance(config: TrainConfig) -> dict[str, Any]:
    """What the teacher was, without its own teacher; empty for methods without one."""
    if not config.method.teacher:
        return {}
    bundle = read_description(config.method.teacher)
    kept = ('seed', 'steps', 'samples', 'minutes', 'scores')
    return {'model_config': dict(bundle.model_config),
            **{name: bundle.provenance[name] for name in kept if name in bundle.provenance}}


def _revision() -> str:
    """Of the code, by git; empty outside a repository."""
    try:
        done = subprocess.run(['git', 'describe', '--always', '--dirty', '--abbrev=12'],
                              capture_output=True, text=True, check=True,
                              cwd=Path(__file__).parent)
    except (OSError, subprocess.CalledProcessError):
        return ''
    return done.stdout.strip()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ''
