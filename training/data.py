# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The data of a run by its recipe: frames, classes, modalities, encoders, statistics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from anymodal_seg_ros.bundle import FROM_DATASET
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.labels import LabelSpace, load_label_space
from anymodal_seg_ros.modalities import MODALITIES
from training.config import HELD_OUT, NO_SPLIT, DataConfig, TrainConfig
from training.datasets import (
    DATASETS,
    FrameSource,
    RemappedFrames,
    hold_out,
    load_label_map,
    own_label_space,
    with_policy,
)
from training.datasets.statistics import modality_statistics
from training.scoring import spread

STATISTICS_FRAMES = 200
CHECKED_FRAMES = 8


@dataclass(frozen=True, kw_only=True)
class RunData:
    """What a run trains and scores on."""

    train: FrameSource
    label_space: LabelSpace
    modalities: tuple[str, ...]
    encoders: Mapping[str, Mapping[str, Any]]
    """Settings of each modality's encoder, for the bundle."""
    statistics: Mapping[str, Any]
    """'mean' and 'std' of each modality; empty for the defaults."""
    scored: FrameSource | None
    """The frames to score on; None for none."""


def open_data(config: TrainConfig, log: Callable[[str], None]) -> RunData:
    """Open the training split and the one to score on.

    Raises:
        ConfigError: a folder, filter, class, modality or split to score on that is not there.
    """
    data = config.data
    modalities = _modalities(config)
    opened = _open(data, 'train', modalities)
    scored: FrameSource | None = None
    if data.hold_out:
        opened, scored = hold_out(opened, data.hold_out, HELD_OUT)
    elif data.score_split != NO_SPLIT:
        scored = _open_scored(data, modalities)
    if scored is not None:
        # What is wrong with the validation frames should not show at the end of the run alone.
        validation = with_policy(scored, data.unreadable, log)
        for index in spread(len(validation), CHECKED_FRAMES):
            validation[index]
    label_space = label_space_of(data, opened)
    train = with_policy(opened, data.unreadable, log)
    return RunData(
        train=train, label_space=label_space, modalities=modalities,
        encoders=encoder_settings(train.describe(), modalities),
        statistics=_statistics(data, train, modalities), scored=scored)


def _open_scored(data: DataConfig, modalities: tuple[str, ...]) -> FrameSource:
    try:
        return _open(data, data.score_split, modalities)
    except ConfigError as error:
        raise ConfigError(
            f'data.score_split {data.score_split!r}: {error}. To do without: data.hold_out=0.2 '
            'keeps the last fifth of the training frames from training and scores it, '
            f'data.score_split={NO_SPLIT} scores nothing') from None


def label_space_of(data: DataConfig, frames: FrameSource) -> LabelSpace:
    """The classes that the recipe trains on: those of its label map, else the data set's.

    Args:
        data: of the recipe.
        frames: the opened data set, with the label map applied.

    Raises:
        ConfigError: a ``label_space`` of another number of classes than the labels have.
    """
    reached = (load_label_map(data.label_map).target if data.label_map
               else own_label_space(frames.describe()))
    space = load_label_space(data.label_space) if data.label_space else reached
    if space.num_classes != reached.num_classes:
        raise ConfigError(f'data.label_space {data.label_space!r} has {space.num_classes} '
                          f'classes; the labels are of {reached.name!r}; name a data.label_map')
    return space


def _modalities(config: TrainConfig) -> tuple[str, ...]:
    of_network = tuple(config.model_config.get('modalities', ()))
    if of_network and config.data.modalities and of_network != config.data.modalities:
        raise ConfigError(f'model_config.modalities {list(of_network)} and data.modalities '
                          f'{list(config.data.modalities)} differ; give one of them')
    chosen = of_network or config.data.modalities or (
        DATASETS[config.data.name].modalities_of(config.data.root))
    for names in config.dropout.weights:
        for name in names.split('+'):
            if name not in chosen:
                raise ConfigError(f'dropout.weights has {names!r}; allowed: sets of '
                                  f'{", ".join(chosen)} joined by +')
    return chosen


def _open(
    data: DataConfig, split: str, modalities: tuple[str, ...]
) -> FrameSource:
    frames: FrameSource = DATASETS[data.name](
        data.root, split, modalities, conditions=data.conditions, options=data.options)
    if not data.label_map:
        return frames
    return RemappedFrames(frames, load_label_map(data.label_map))


def _statistics(
    data: DataConfig, train: FrameSource, modalities: tuple[str, ...]
) -> dict[str, Any]:
    if data.statistics != 'dataset':
        return {}
    indices = tqdm(spread(len(train), STATISTICS_FRAMES), desc='input statistics', unit='frame')
    found = modality_statistics(train, modalities, indices)
    return {'mean': {name: found[name].mean for name in modalities},
            'std': {name: found[name].std for name in modalities}}


def encoder_settings(
    description: Mapping[str, Any], modalities: tuple[str, ...]
) -> dict[str, dict[str, Any]]:
    """What encoded the data set's images, for the bundle: the settings in its manifest; else, for
    the camera, the node's own; else ``FROM_DATASET``.

    Raises:
        ConfigError: stored settings that the encoder does not take.
    """
    stored = description.get('manifest', {}).get('encoders', {})
    settings: dict[str, dict[str, Any]] = {}
    for name in modalities:
        if name in MODALITIES and name in stored:
            given = stored[name]
        elif name == 'rgb':
            given = MODALITIES[name].default_settings()
        else:
            settings[name] = dict(FROM_DATASET)
            continue
        if not isinstance(given, Mapping):
            raise ConfigError(f'encoder settings of {name} are {given!r}; allowed: a table')
        settings[name] = dict(MODALITIES[name].build_encoder(given).settings())
    return settings
