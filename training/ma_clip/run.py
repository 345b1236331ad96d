# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A whole run: CLIP, data and captions by the recipe; training; comparison; the guide."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import torch
import yaml

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models.segrgbx.clip_folder import read_clip_size
from anymodal_seg_ros.models.segrgbx.clip_tower import ModalityClip
from anymodal_seg_ros.unfinished import write_whole
from training.devices import make_fabric
from training.ma_clip.config import NO_SPLIT, MaClipConfig
from training.ma_clip.guide import GUIDE_FOLDER, write_guide
from training.ma_clip.loop import MaClipTrainer
from training.ma_clip.pairs import CaptionedFrames, PairMaker
from training.ma_clip.retrieval import retrieval, table
from training.ma_clip.sets import TRAIN, check_sets, open_sets
from training.ma_clip.texts import embed_texts, read_logit_scale
from training.output_folder import RECIPE_FILE, SCORES_FILE, prepared_folder

Log = Callable[[str], None]


def train(
    config: MaClipConfig, *, resume: bool = False,
    should_stop: Callable[[], bool] = lambda: False, log: Log = lambda line: None,
    show_progress: bool = False,
) -> bool:
    """Train adapters by a recipe into its folder, whose ``guide`` is the result.

    Returns:
        False when stopped early; ``resume`` then continues.

    Raises:
        ConfigError: the CLIP, the data or the captions are missing or do not fit.
        DivergedError: the loss is no longer finite.
        MissingDependencyError: transformers or peft is not installed.
        WriteError: the disk is full, or the folder cannot be written.
    """
    for key in ('output', 'clip'):
        if not getattr(config, key):
            raise ConfigError(f'the recipe names no {key}; add {key}=FOLDER')
    check_sets(config)
    clip = Path(config.clip)
    image_px = read_clip_size(clip).image_px
    run = prepared_folder(Path(config.output), resume=resume, result=GUIDE_FOLDER)
    cv2.setNumThreads(1)
    texts: dict[str, int] = {}
    sets = open_sets(config, TRAIN, texts, image_px)
    captions = list(texts)
    scored = (() if config.score_split == NO_SPLIT else
              open_sets(config, config.score_split, texts, image_px))
    pairs = PairMaker(sets, config)
    torch.manual_seed(config.seed)
    tower = ModalityClip.from_clip(clip, pairs.modalities, config.rank)
    fabric = make_fabric(config.device, config.precision)
    texts_UD = embed_texts(clip, list(texts), fabric.device)
    write_whole(run / RECIPE_FILE, yaml.safe_dump(config.to_dict(), sort_keys=False))
    log(f'{sum(len(each.frames) for each in sets)} training frames with {len(captions)} different '
        f'captions; adapters for {", ".join(pairs.modalities)}')
    trainer = MaClipTrainer(
        config, tower, texts_UD, read_logit_scale(clip), pairs, run, fabric=fabric,
        captions_sha256=hashlib.sha256('\n'.join(captions).encode()).hexdigest(),
        show_progress=show_progress)
    if resume:
        trainer.resume()
        log(f'continued from {trainer.checkpoint_path}')
    if not trainer.fit(should_stop):
        log(f'stopped after {trainer.steps} of {trainer.total_steps} steps; --resume continues')
        return False
    found = retrieval(tower, scored, texts_UD, config.score_frames, fabric.device)
    scores = {name: asdict(each) for name, each in found.items()}
    if found:
        log(f'{config.score_split}:\n{table(found)}')
        write_whole(run / SCORES_FILE, json.dumps(scores, indent=2) + '\n')
    write_guide(run / GUIDE_FOLDER, tower, {
        'recipe': config.to_dict(), 'data': _described(sets), 'captions': len(captions),
        'steps': trainer.steps, 'minutes': round(trainer.elapsed_s() / 60, 2), 'scores': scores})
    log(f'wrote {run / GUIDE_FOLDER}')
    return True


def _described(sets: tuple[CaptionedFrames, ...]) -> list[dict[str, Any]]:
    """Of each data set what tells it from others."""
    kept = ('layout', 'split', 'frames', 'conditions', 'sha256')
    return [{key: each.description[key] for key in kept} for each in sets]
