# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The frames that a bundle is scored on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anymodal_seg_ros import limits
from anymodal_seg_ros.bundle import Bundle
from anymodal_seg_ros.errors import ConfigError
from training.datasets import DATASETS, FrameSource, Labelling, with_label_map


def open_frames(
    bundle: Bundle, data: Path, split: str, *, name: str = 'deliver',
    conditions: Sequence[str] = (), failures: Sequence[str] = (),
    options: Mapping[str, Any] | None = None, label_map: str = '',
    modalities: Sequence[str] = (),
) -> tuple[FrameSource, Labelling, tuple[str, ...]]:
    """A split to score a bundle on, what its labels are, and the sensors to score the bundle with,
    in its order.

    Args:
        modalities: only these; empty takes those of the bundle that the data set has.

    Raises:
        ConfigError: no such data set or split, a sensor that the bundle or the data set lacks,
            or classes that are not the bundle's.
    """
    limits.one_of('data set', name, DATASETS)
    dataset = DATASETS[name]
    there = dataset.modalities_of(data)
    both = [sensor for sensor in bundle.modalities if sensor in there]
    if not both or not set(modalities) <= set(both):
        raise ConfigError(f'modalities {", ".join(modalities) or "of the bundle"}; the bundle has '
                          f'{", ".join(bundle.modalities)} and data set {name!r} '
                          f'{", ".join(there)}')
    sensors = tuple(sensor for sensor in both if not modalities or sensor in modalities)
    frames, labelling = with_label_map(
        dataset(data, split, sensors, conditions=conditions, failures=failures,
                options=options or {}), label_map)
    classes, wanted = labelling.answered, bundle.label_space
    # A run may give the classes another name, as ``data.label_space`` does.
    if classes.class_names != wanted.class_names:
        raise ConfigError(f'{data} is labelled in classes of {classes.name!r}, the bundle answers '
                          f'in others, {wanted.name!r}; a label map such as '
                          f'{classes.name}-to-{wanted.name} is needed')
    return frames, labelling, sensors
