# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The part of a recipe that says what to train on: data sets, and what they have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Annotated, Any

from anymodal_seg_ros import limits
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.ranges import Range
from training.datasets import DATASETS, UNREADABLE_POLICIES
from training.settings import OneOf, Share, check_settings, read_section

STATISTICS = ('default', 'dataset')
BALANCES = ('weight', 'square_root')
NO_SPLIT, HELD_OUT = 'none', 'held_out'
"""For ``score_split``; and what the scores of held-out frames are called."""
SETS = 'sets'


@dataclass(frozen=True, kw_only=True)
class DataSetConfig:
    """One data set of a run. Several stand in a list, data.sets: the root of the first is then
    data.sets.0.root, and what stands in data itself is of each that has no value of its own."""

    name: Annotated[str, OneOf(DATASETS)] = 'deliver'
    """Its layout."""
    root: str = ''
    """Folder of the data set."""
    weight: Annotated[float, Range(1e-3, 1e3)] = 1.0
    """How often each of its frames comes in an epoch, on average; with data.balance weight."""
    sensors: tuple[str, ...] = ()
    """Only these of its sensors; empty takes all of them that the network has."""
    conditions: tuple[str, ...] = ()
    """Train and score on frames of these conditions only, such as night; empty takes all."""
    score_split: str = 'val'
    """The split that is scored during and after training; 'none' scores nothing."""
    hold_out: Annotated[float, Range(0, 0.9)] = 0.0
    """Share of the training frames, the last ones, that is not trained on and scored instead of
    ``score_split``: for a single recording."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Settings of that data set alone, such as DELIVER's depth_folder."""
    label_map: str = ''
    """Name or file of a table from the data set's classes to those of the run."""

    def __post_init__(self) -> None:
        check_settings('data', self)
        read_section(DATASETS[self.name].OPTIONS, 'data.options', self.options)
        limits.one_of('data.score_split', self.score_split,
                      (*DATASETS[self.name].SPLITS, NO_SPLIT))
        if self.hold_out and self.score_split != DataSetConfig.score_split:
            raise ConfigError(f'data.hold_out {self.hold_out:g} is scored instead of '
                              f'data.score_split {self.score_split!r}; give one of them')

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in the YAML files."""
        return {**asdict(self), 'sensors': list(self.sensors),
                'conditions': list(self.conditions)}


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which frames to train on."""

    sets: tuple[DataSetConfig, ...] = (DataSetConfig(),)
    """One at least. Their labels, or what a label map makes of them, are of one label space."""
    balance: Annotated[str, OneOf(BALANCES)] = 'weight'
    """How much of an epoch a data set has: 'weight' gives each of its frames its weight;
    'square_root' gives it a share in proportion to the square root of its size."""
    least_share: Share = 0.0
    """With 'square_root': the share of an epoch that every data set has at least."""
    same_sensors: bool = False
    """Whether the samples of a batch are of data sets that have the same sensors; the batch of
    each stage must then divide that of the stage before."""
    modalities: tuple[str, ...] = ()
    """Which sensors; empty takes all of the data sets, which must then have the same."""
    label_space: str = ''
    """Name or file; empty takes that of the labels."""
    short_side_px: Annotated[int, Range(32, 4096)] = 256
    """Frames are resized so that their shorter side has this many pixels, a multiple of 32."""
    cache: bool = True
    """Keep the frames in memory once they are read."""
    workers: Annotated[int, Range(1, 256)] = 1
    """Threads that make batches ahead; their number changes no result."""
    unreadable: Annotated[str, OneOf(UNREADABLE_POLICIES)] = 'error'
    """'skip' reports a frame that cannot be read, trains on the next one in its place, and leaves
    it out of the scores."""
    statistics: Annotated[str, OneOf(STATISTICS)] = 'default'
    """Normalisation: 'default' (ImageNet for rgb, 0..1 for the rest) or 'dataset' (mean and
    spread of each modality over the training frames, as often as they come)."""

    def __post_init__(self) -> None:
        check_settings('data', self)
        if self.short_side_px % 32:
            raise ConfigError(f'data.short_side_px {self.short_side_px} is no multiple of 32')
        self._check_balance()

    def _check_balance(self) -> None:
        if self.balance == 'weight':
            if self.least_share:
                raise ConfigError(f'data.least_share {self.least_share:g} needs data.balance '
                                  'square_root')
            return
        for number, each in enumerate(self.sets):
            if each.weight != 1:
                raise ConfigError(f'{self.title_of(number)} has weight {each.weight:g}; with '
                                  'data.balance square_root its size alone counts')
        limits.number('data.least_share', self.least_share, 0, 1 / len(self.sets))

    def title_of(self, number: int) -> str:
        """What a data set is called in messages and scores."""
        return f'data.{SETS}.{number} ({self.sets[number].name})' if len(self.sets) > 1 else 'data'

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in the YAML files: the settings of a single set beside the others."""
        run = {item.name: getattr(self, item.name) for item in fields(self) if item.name != SETS}
        run['modalities'] = list(self.modalities)
        sets = [each.to_dict() for each in self.sets]
        return {**sets[0], **run} if len(sets) == 1 else {**run, SETS: sets}

    @classmethod
    def from_dict(cls, data: object) -> DataConfig:
        """Inverse of ``to_dict``. What stands beside ``sets`` is of every set that has no value of
        its own; without ``sets`` it is the one data set.

        Raises:
            ConfigError: anything unknown or out of range, or a value beside ``sets`` that no set
                takes.
        """
        limits.table('data', data)
        assert isinstance(data, Mapping)
        of_set, of_run = ([item.name for item in fields(kind)] for kind in (DataSetConfig, cls))
        limits.known('data', data, (*of_set, *of_run))
        shared = {key: value for key, value in data.items() if key in of_set}
        values = {key: value for key, value in data.items() if key in of_run}
        if SETS in data:
            entries = _listed(data[SETS], shared)
            values[SETS] = tuple(_read_set(number, {**shared, **entry})
                                 for number, entry in enumerate(entries))
        else:
            values[SETS] = (read_section(DataSetConfig, 'data', shared),)
        return read_section(cls, 'data', values)


def _listed(entries: object, shared: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if not isinstance(entries, list) or not entries or not all(
            isinstance(entry, Mapping) for entry in entries):
        raise ConfigError.of(f'data.{SETS}', entries, 'a list of tables, one for each data set')
    for key in shared:
        if all(key in entry for entry in entries):
            raise ConfigError(f'data.{key} {shared[key]!r} is of no data set, since each in '
                              f'data.{SETS} has its own; leave it out, of a base too, or give '
                              f'data.{SETS}.0.{key}')
    return entries


def _read_set(number: int, entry: Mapping[str, Any]) -> DataSetConfig:
    try:
        return read_section(DataSetConfig, 'data', entry)
    except ConfigError as error:
        raise ConfigError(f'data.{SETS}.{number}: {error}') from None
