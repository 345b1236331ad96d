# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Interrupted runs on disk: tensors and plain data, read without executing anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from anymodal_seg_ros.bundle import CONFIG_FILE
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models.weights import READ_ERRORS
from anymodal_seg_ros.unfinished import whole_file
from training.config import SCRATCH, TEACHER, DataConfig

KEYS = ('model', 'average', 'optimizer', 'method', 'teacher', 'progress', 'recipe', 'world_size',
        'precision')
CADENCE = ('val_epochs', 'val_frames', 'score_frames', 'checkpoint_minutes', 'checkpoint_steps')


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint at once or not at all.

    Raises:
        WriteError: the disk is full, or the file cannot be written at all; an older checkpoint
            at ``path`` is as it was.
    """
    with whole_file(path) as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:
            # Its archive writer stumbles over the archive that the disk's error left.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def weights_hashes(recipe: Mapping[str, Any]) -> dict[str, str]:
    """Of each bundle that ``method`` names, by its key, the SHA-256 of its weights."""
    hashes = {}
    for key in ('teacher', 'init'):
        folder = recipe['method'][key]
        file = Path(folder) / CONFIG_FILE
        if folder not in ('', SCRATCH, TEACHER) and file.is_file():
            hashes[key] = str(json.loads(file.read_text(encoding='utf-8'))['weights_sha256'])
    return hashes


def load_checkpoint(
    path: Path, recipe: Mapping[str, Any], network: Mapping[str, Tensor],
    origins: Mapping[str, str],
) -> dict[str, Any]:
    """Reads a checkpoint of the same recipe and network.

    Args:
        path: the file.
        recipe: of the run that goes on.
        network: state of the network that is to take the weights.
        origins: ``weights_hashes`` of that run; its bundles may have moved, not changed.

    Raises:
        ConfigError: no file, not a checkpoint, of another recipe or of another network.
    """
    state = read_checkpoint(path)
    # Checkpoints without hashes are older; theirs are compared by path.
    before = _compared(state['recipe'], state.get('origins', {}))
    now = _compared(recipe, origins if 'origins' in state else {})
    for key, value in now.items():
        if before.get(key) != value:
            raise ConfigError(f'{path} is of another recipe: {key} was {before.get(key)!r}, '
                              f'now {value!r}')
    shapes = {name: tuple(value.shape) for name, value in state['model'].items()}
    for name, value in network.items():
        if shapes.pop(name, None) != tuple(value.shape):
            raise ConfigError(f'{path} is of another network: it has no {name} of '
                              f'{tuple(value.shape)}')
    if shapes:
        raise ConfigError(f'{path} is of another network: it has {next(iter(shapes))}')
    return state


def _compared(recipe: Mapping[str, Any], origins: Mapping[str, str]) -> dict[str, Any]:
    """Without what changes no weight: where things lie, what they are computed with, and how
    often the run is scored and saved."""
    kept = {key: value for key, value in recipe.items()
            if key not in ('output', 'device', *CADENCE)}
    if isinstance(kept.get('data'), Mapping):
        # A key that is younger than the checkpoint had its default.
        kept['data'] = {key: value for key, value in (asdict(DataConfig()) | kept['data']).items()
                        if key not in ('root', 'workers', 'cache', 'score_split')}
    if isinstance(kept.get('method'), Mapping):
        kept['method'] = {key: value for key, value in kept['method'].items()
                          if key not in origins}
    return kept | {f'the hash of method.{key}': value for key, value in origins.items()}


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Reads a checkpoint; raises ConfigError for anything else."""
    if not path.is_file():
        raise ConfigError(f'no checkpoint at {path}')
    try:
        state = torch.load(path, map_location='cpu', weights_only=True)
    except READ_ERRORS:
        # torch's own words advise to load what is not trusted.
        raise ConfigError(f'{path} is not a checkpoint, or is damaged') from None
    if not isinstance(state, dict) or 'model' not in state:
        raise ConfigError(f'{path} is not a checkpoint of a training run')
    for key in KEYS:
        if key not in state:
            raise ConfigError(f'{path} is no checkpoint of this version: it lacks {key!r}')
    return state
