# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Interrupted runs on disk: tensors and plain data, read without executing anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from anymodal_seg_ros.bundle import CONFIG_FILE, read_weights_sha256
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.existence import is_file
from anymodal_seg_ros.models.torch_file import READ_ERRORS, load_torch_file
from anymodal_seg_ros.unfinished import whole_file
from training.data_config import DataConfig, DataSetConfig
from training.train_config import SCRATCH, TEACHER, TrainConfig

NETWORKS = ('model', 'average')
TABLES = (*NETWORKS, 'optimizer', 'method', 'teacher', 'progress', 'recipe', 'precision')
KEYS = (*TABLES, 'world_size')
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
        if folder not in ('', SCRATCH, TEACHER) and is_file(Path(folder) / CONFIG_FILE):
            hashes[key] = read_weights_sha256(folder)
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
    try:
        before = _compared(state['recipe'], state.get('origins', {}))
    except ConfigError as error:
        raise ConfigError(f'{path}: its recipe: {error}') from None
    now = _compared(recipe, origins if 'origins' in state else {})
    for key, value in now.items():
        if before.get(key) != value:
            raise ConfigError(f'{path} is of another recipe: {key} was {before.get(key)!r}, '
                              f'now {value!r}')
    for key in NETWORKS:
        _check_network(path, state[key], network)
    return state


def _compared(recipe: Mapping[str, Any], origins: Mapping[str, str]) -> dict[str, Any]:
    """Without what changes no weight: where things lie, what they are computed with, and how
    often the run is scored and saved."""
    # A key that is younger than the checkpoint had its default.
    kept = {key: value for key, value in {**TrainConfig().to_dict(), **recipe}.items()
            if key not in ('output', 'device', *CADENCE)}
    if isinstance(kept.get('data'), Mapping):
        kept['data'] = _compared_data(kept['data'])
    if isinstance(kept.get('method'), Mapping):
        kept['method'] = {key: value for key, value in kept['method'].items()
                          if key not in origins}
    return kept | {f'the hash of method.{key}': value for key, value in origins.items()}


def _compared_data(data: Mapping[str, Any]) -> dict[str, Any]:
    """The same, with a default for what is younger than the checkpoint."""
    config = DataConfig.from_dict(data)
    sets = [replace(each, root='', score_split=DataSetConfig.score_split) for each in config.sets]
    return replace(config, sets=tuple(sets), workers=1, cache=True).to_dict()


def _check_network(path: Path, state: Mapping[str, Tensor], network: Mapping[str, Tensor]) -> None:
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    for name, value in network.items():
        if shapes.pop(name, None) != tuple(value.shape):
            raise ConfigError(f'{path} is of another network: it has no {name} of '
                              f'{tuple(value.shape)}')
    if shapes:
        raise ConfigError(f'{path} is of another network: it has {next(iter(shapes))}')


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Reads a checkpoint, once every checksum in it was found right.

    Raises:
        ConfigError: no file, or anything else than a checkpoint; where it is damaged, the damaged
            part is named.
    """
    if not is_file(path):
        raise ConfigError(f'no checkpoint at {path}')
    try:
        state = load_torch_file(path)
    except ConfigError as error:
        raise ConfigError(f'{error}; it is not a checkpoint, or no longer one: bring a copy of '
                          'it, or begin the run anew') from None
    if not isinstance(state, dict) or 'model' not in state:
        raise ConfigError(f'{path} is not a checkpoint of a training run')
    problem = _problem(state)
    if problem:
        raise ConfigError(f'{path} is no checkpoint of this version: {problem}')
    return state


def _problem(state: Mapping[str, Any]) -> str:
    """What of a checkpoint is missing or of another kind; '' for nothing."""
    for key in KEYS:
        if key not in state:
            return f'it lacks {key!r}'
    for key in (*TABLES, 'origins'):
        # Checkpoints without origins are older.
        if not isinstance(state.get(key, {}), dict):
            return f'its {key!r} is no table'
    for key in NETWORKS:
        if not all(isinstance(value, Tensor) for value in state[key].values()):
            return f'its {key!r} has other values than tensors'
    for key in ('samples', 'steps', 'elapsed_s'):
        if not isinstance(state['progress'].get(key), (int, float)):
            return f"its 'progress' does not tell the {key}"
    return ''


@contextmanager
def restoring(path: Path) -> Iterator[None]:
    """For the block that puts the parts of a checkpoint in their places.

    Raises:
        ConfigError: one does not fit.
    """
    try:
        yield
    except READ_ERRORS as error:
        reason = ' '.join(str(error).split())
        raise ConfigError(f'{path} does not fit this run: {type(error).__name__}: {reason}'
                          ) from None
