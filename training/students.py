# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The networks of a run: the teacher from its bundle, the student from where the recipe says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anymodal_seg_ros.bundle import Bundle
from anymodal_seg_ros.bundle.weights import load_bundle
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.labels import LabelSpace
from anymodal_seg_ros.models import build_model
from anymodal_seg_ros.models.abilities import GuidedNetwork
from anymodal_seg_ros.models.network import Network
from training.train_config import SCRATCH, TEACHER, TrainConfig


def build_teacher(
    config: TrainConfig, label_space: LabelSpace, modalities: Sequence[str]
) -> Network | None:
    """The network of ``method.teacher``; None where the method has none.

    Raises:
        BundleError: the bundle is missing or damaged.
        ConfigError: it has other classes or modalities than the data.
    """
    if not config.method.teacher:
        return None
    bundle, state = load_bundle(config.method.teacher)
    _check(f'teacher {config.method.teacher}', bundle, label_space, modalities)
    model = build_model(bundle.model_name, bundle.model_config)
    model.load_state_dict(dict(state))
    return model


def build_student(
    config: TrainConfig, label_space: LabelSpace, modalities: Sequence[str],
    statistics: Mapping[str, Any],
) -> Network:
    """The network to train; its settings are those of the bundle that it starts from, with the
    recipe's on top.

    Args:
        config: the recipe.
        label_space: of the labels it learns.
        modalities: of the data.
        statistics: 'mean' and 'std' of each modality, instead of those of the bundle; may be
            empty.

    Raises:
        BundleError: the bundle to start from is missing or damaged.
        ConfigError: it does not fit the data or the recipe.
    """
    model = _begun(config, label_space, modalities, statistics)
    if config.guide:
        assert isinstance(model, GuidedNetwork)
        model.load_guide(config.guide)
    return model


def _begun(
    config: TrainConfig, label_space: LabelSpace, modalities: Sequence[str],
    statistics: Mapping[str, Any],
) -> Network:
    origin = config.method.teacher if config.method.init == TEACHER else config.method.init
    settings = {'num_classes': label_space.num_classes, 'modalities': tuple(modalities)}
    given = config.model_config.get('num_classes', label_space.num_classes)
    if given != label_space.num_classes:
        raise ConfigError(f'model_config.num_classes {given!r}; the labels have '
                          f'{label_space.num_classes} classes; leave it out')
    if origin == SCRATCH:
        model = build_model(config.model, {**statistics, **config.model_config, **settings})
        if config.pretrained:
            model.load_pretrained(config.pretrained)
        return model
    if config.pretrained:
        raise ConfigError(f'pretrained {config.pretrained!r} and method.init '
                          f'{config.method.init!r} exclude each other')
    bundle, state = load_bundle(origin)
    _check(f'method.init {origin}', bundle, label_space, modalities)
    if bundle.model_name != config.model:
        raise ConfigError(f'method.init {origin} is a network {bundle.model_name!r}; the recipe '
                          f'trains model {config.model!r}')
    model = build_model(config.model, {**bundle.model_config, **statistics, **config.model_config,
                                       **settings})
    try:
        model.start_from(state)
    except ConfigError as error:
        raise ConfigError(f'{Path(origin)} does not fit model_config: {error}') from None
    return model


def _check(
    what: str, bundle: Bundle, label_space: LabelSpace, modalities: Sequence[str]
) -> None:
    if bundle.label_space.class_names != label_space.class_names:
        raise ConfigError(
            f'{what} has the classes of {bundle.label_space.name!r} '
            f'({bundle.label_space.num_classes}), but the labels are of {label_space.name!r} '
            f'({label_space.num_classes})')
    if bundle.modalities != tuple(modalities):
        raise ConfigError(f'{what} has modalities {", ".join(bundle.modalities)}; the data has '
                          f'{", ".join(modalities)}; both need the same in the same order')
