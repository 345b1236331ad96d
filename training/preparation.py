# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a run opens, and finds wrong, before torch is imported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2

from anymodal_seg_ros.bundle import read_description
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.existence import exists
from anymodal_seg_ros.models import GUIDED, MODELS
from anymodal_seg_ros.pages import check_libraries
from training.data_config import SETS
from training.methods import METHODS
from training.output_folder import prepared_folder
from training.run_data import RunData, open_data
from training.train_config import SCRATCH, TEACHER, TrainConfig

Log = Callable[[str], None]
GUIDES = ('python -m training.ma_clip writes one, from a CLIP, which is a folder with '
          'config.json and model.safetensors (docs/clip.md)')


@dataclass(frozen=True, kw_only=True)
class PreparedRun:
    """A recipe whose files are there."""

    config: TrainConfig
    folder: Path
    resume: bool
    """Go on from the folder's checkpoint."""
    data: RunData


def prepare(
    config: TrainConfig, *, resume: bool = False, log: Log = lambda line: None
) -> PreparedRun:
    """Make the run's folder and open its data.

    Raises:
        ConfigError: the recipe, the data set or a file that the recipe names is wrong.
        BundleError: a bundle that it names is missing or damaged.
        MissingDependencyError: what draws the report is not installed.
    """
    if not config.output:
        raise ConfigError('the recipe names no output; add output=FOLDER')
    for number, each in enumerate(config.data.sets):
        if not each.root:
            place = 'data' if len(config.data.sets) == 1 else f'data.{SETS}.{number}'
            raise ConfigError(f'the recipe names no data; add {place}.root=FOLDER')
    check_networks(config)
    folder = prepared_folder(Path(config.output), resume=resume)
    cv2.setNumThreads(1)
    data = open_data(config, log)
    _check_labels(config, data)
    check_libraries()
    return PreparedRun(config=config, folder=folder, resume=resume, data=data)


def _check_labels(config: TrainConfig, data: RunData) -> None:
    able = [name for name, row in METHODS.items() if row.own_classes]
    for each in data.sets:
        sets = each.labelling.class_sets
        if sets is not None and config.method.name not in able:
            raise ConfigError(f'label map {sets.name!r} leaves the labels of {each.title} in '
                              f'classes of their own, which method {config.method.name} does not '
                              f'take; allowed: {", ".join(able)}')


def check_networks(config: TrainConfig) -> None:
    """Whether the networks are there that a run begins with, and the teacher is one to learn from.

    Raises:
        BundleError: a bundle is missing or its description damaged.
        ConfigError: the method needs more than the teacher offers, or ``pretrained`` or ``guide``
            is missing.
    """
    method = config.method
    if method.teacher:
        teacher = read_description(method.teacher)
        METHODS[method.name].check_network(f'{method.name} with its teacher', teacher.model_name)
    if method.init not in (SCRATCH, TEACHER):
        read_description(method.init)
    if config.pretrained and not exists(Path(config.pretrained)):
        raise ConfigError(f'pretrained {config.pretrained!r}: there is no such file or folder')
    check_guide(config)


def check_guide(config: TrainConfig) -> None:
    """Raises ConfigError where the network takes no guide, or needs one that is not there."""
    row = MODELS[config.model]
    if config.guide:
        if GUIDED not in row.abilities:
            able = ', '.join(name for name, other in MODELS.items() if GUIDED in other.abilities)
            raise ConfigError(f'guide {config.guide!r}: network {config.model!r} takes none; '
                              f'allowed with: {able}')
        if not exists(Path(config.guide)):
            raise ConfigError(f'guide {config.guide!r}: there is no such folder; {GUIDES}')
    elif config.method.init == SCRATCH and config.network_config().needs_guide:
        raise ConfigError(f'network {config.model!r} is guided by what was trained before it; '
                          f'add guide=FOLDER; {GUIDES}')
