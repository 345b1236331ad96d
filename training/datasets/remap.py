# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Labels of one label space as labels of another, by the tables ``config/label_maps/*-to-*.yaml``.

    from: cityscapes
    to: deliver
    classes: {road: Road, train: null, ...}    # every class of 'from'; null leaves it unlabelled

A table of lists is a ``ClassSets``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from anymodal_seg_ros.documents import read_yaml
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.existence import is_file
from anymodal_seg_ros.labels import UNLABELLED, LabelSpace, load_label_space
from anymodal_seg_ros.resources import resource_path
from training.datasets.class_sets import ClassSets
from training.datasets.frames import Frame, FrameSource, UInt8


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelMap:
    """Class ids of ``source`` to class ids of ``target``."""

    name: str
    source: LabelSpace
    target: LabelSpace
    ids: UInt8
    """[256]: id in ``target``, ``UNLABELLED`` where there is none."""

    @classmethod
    def from_names(
        cls, name: str, source: LabelSpace, target: LabelSpace, classes: Mapping[str, str | None]
    ) -> LabelMap:
        """By class names; raises ConfigError for a name unknown, left out or too much."""
        for missing in [c for c in source.class_names if c not in classes]:
            raise ConfigError(f'label map {name!r} does not say what {missing!r} is')
        ids = np.full(256, UNLABELLED, np.uint8)
        for class_name, wanted in classes.items():
            if wanted is not None:
                ids[source.id_of(class_name)] = target.id_of(wanted)
            elif class_name not in source.class_names:
                raise ConfigError(f'label map {name!r}: {class_name!r} is no class of '
                                  f'{source.name!r}')
        return cls(name=name, source=source, target=target, ids=ids)

    def apply(self, labels: UInt8) -> UInt8:
        """The labels in ``target``; raises ConfigError for an id that is none of ``source``."""
        wrong = (labels >= self.source.num_classes) & (labels != UNLABELLED)
        if wrong.any():
            raise ConfigError(f'label {int(labels[wrong][0])} is no class of '
                              f'{self.source.name!r}; allowed: 0 to '
                              f'{self.source.num_classes - 1} and {UNLABELLED}')
        return self.ids[labels]


def load_label_map(name_or_path: str | Path) -> LabelMap | ClassSets:
    """Reads a map by name (``'cityscapes-to-deliver'``) or from a YAML file.

    Raises:
        ConfigError: no such file, or it is not a map between two label spaces.
    """
    path = Path(name_or_path)
    if path.suffix not in ('.yaml', '.yml'):
        path = resource_path('config') / 'label_maps' / f'{name_or_path}.yaml'
    if not is_file(path):
        raise ConfigError(f'no label map at {path}')
    try:
        data = read_yaml(path)
        classes = {str(name): value for name, value in data['classes'].items()}
        source, target = str(data['from']), str(data['to'])
    except (ConfigError, LookupError, TypeError, AttributeError) as error:
        raise ConfigError(f'{path} is no label map {{from, to, classes: {{name: name}}}}; '
                          f'problem: {error!r}') from None
    spaces = load_label_space(source), load_label_space(target)
    lists = [name for name, value in classes.items() if isinstance(value, list)]
    if not lists:
        return LabelMap.from_names(path.stem, *spaces, {
            name: None if value is None else str(value) for name, value in classes.items()})
    for name, value in classes.items():
        if not isinstance(value, list):
            raise ConfigError(f'{path}: {name!r} is {value!r}; allowed: a list, as {lists[0]!r} '
                              'has one')
    return ClassSets.from_names(path.stem, *spaces, {
        name: [str(each) for each in value] for name, value in classes.items()})


def own_label_space(description: Mapping[str, Any]) -> LabelSpace:
    """The classes of a data set without a label map, of its ``describe()``: those that it stores,
    else those of the name that it gives."""
    stored = description.get('manifest', {}).get('label_space')
    if isinstance(stored, Mapping):
        return LabelSpace.from_dict(stored)
    return load_label_space(description['label_space'])


@dataclass(frozen=True, slots=True)
class Labelling:
    """What the labels of a data set are."""

    label_space: LabelSpace
    """Their classes."""
    class_sets: ClassSets | None = None
    """Which classes of the network these are; None where they are the network's."""

    @property
    def answered(self) -> LabelSpace:
        """The classes of the network."""
        return self.class_sets.target if self.class_sets is not None else self.label_space


def with_label_map(frames: FrameSource, label_map: str) -> tuple[FrameSource, Labelling]:
    """A data set with its labels as a map says, by name or file; as they are for ''.

    Raises:
        ConfigError: no such map, or it is from other classes than the data set's.
    """
    if not label_map:
        return frames, Labelling(own_label_space(frames.describe()))
    mapping = load_label_map(label_map)
    own = frames.describe()['label_space']
    if mapping.source.name != own:
        raise ConfigError(f'label map {mapping.name!r} is from {mapping.source.name!r}, but '
                          f'the data set has {own!r}')
    if isinstance(mapping, ClassSets):
        return frames, Labelling(mapping.source, mapping)
    return RemappedFrames(frames, mapping), Labelling(mapping.target)


class RemappedFrames:
    """A data set with its labels in another label space; a ``FrameSource``."""

    def __init__(self, source: FrameSource, mapping: LabelMap) -> None:
        self._source = source
        self._mapping = mapping

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Frame:
        frame = self._source[index]
        try:
            return replace(frame, labels=self._mapping.apply(frame.labels))
        except ConfigError as error:
            raise ConfigError(f'frame {frame.id}: {error}') from None

    def describe(self) -> dict[str, Any]:
        """The source's description, in the target's label space."""
        return {**self._source.describe(), 'label_space': self._mapping.target.name,
                'label_map': self._mapping.name}
