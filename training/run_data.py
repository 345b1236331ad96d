# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The data of a run by its recipe: frames, classes, modalities, encoders, statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from tqdm import tqdm

from anymodal_seg_ros import limits
from anymodal_seg_ros.bundle import FROM_DATASET, Bundle, read_description
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.labels import LabelSpace, load_label_space
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.samples import Payload
from training.data_config import HELD_OUT, NO_SPLIT, DataConfig, DataSetConfig
from training.datasets import (
    DATASETS,
    ClassSets,
    FrameSource,
    JoinedFrames,
    Labelling,
    hold_out,
    spread,
    with_label_map,
    with_policy,
)
from training.datasets.modality_statistics import modality_statistics
from training.sampling import counted_frames, set_weights
from training.train_config import SCRATCH, TEACHER, TrainConfig

STATISTICS_FRAMES = 200
CHECKED_FRAMES = 8


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """One data set of a run."""

    title: str
    """What it is called in scores and messages."""
    split: str
    """What its scores are of."""
    modalities: tuple[str, ...]
    """Those of the run that it has."""
    labelling: Labelling
    train: FrameSource
    scored: FrameSource | None
    """The frames to score on; None for none."""


@dataclass(frozen=True, kw_only=True)
class RunData:
    """What a run trains and scores on."""

    sets: tuple[DataSet, ...]
    label_space: LabelSpace
    """The classes that its network answers in."""
    modalities: tuple[str, ...]
    encoders: Mapping[str, Mapping[str, Any]]
    """Settings of each modality's encoder, for the bundle."""
    statistics: Mapping[str, Any]
    """'mean' and 'std' of each modality; empty for the defaults."""

    @property
    def class_sets(self) -> tuple[ClassSets | None, ...]:
        """Of each data set."""
        return tuple(each.labelling.class_sets for each in self.sets)

    def scored_groups(self) -> list[tuple[tuple[str, ...], Labelling, JoinedFrames]]:
        """Frames to score on whose labels are of the same classes, and what those are: all of them
        where labels are in the run's classes; else, under its title, those of each data set."""
        scored = [(each, each.scored) for each in self.sets if each.scored is not None]
        if any(self.class_sets):
            return [((each.title,), each.labelling, JoinedFrames([frames]))
                    for each, frames in scored]
        return [((), Labelling(self.label_space), JoinedFrames([frames for _, frames in scored]))
                ] if scored else []

    def describe(self) -> dict[str, Any]:
        """The training frames for the provenance: one data set's description, else each by its
        title."""
        told = {each.title: each.train.describe() for each in self.sets}
        if len(told) == 1:
            return next(iter(told.values()))
        return {'frames': sum(len(each.train) for each in self.sets), 'sets': told}


def open_data(config: TrainConfig, log: Callable[[str], None]) -> RunData:
    """Open of every data set the training split and the one to score on.

    Raises:
        ConfigError: a folder, filter, class, modality or split to score on that is not there; or
            data sets that differ in their modalities, classes or encoders.
    """
    data, origin = config.data, _origin(config)
    there = [_modalities_of(each) for each in data.sets]
    modalities = _modalities(config, there, origin.modalities if origin is not None else ())
    sets = []
    for number, names in enumerate(there):
        with _naming(data, number):
            sets.append(_open_set(
                data, number, tuple(name for name in modalities if name in names), log))
    label_space = _label_space(data, sets)
    return RunData(
        sets=tuple(_in_classes(each, label_space) for each in sets), label_space=label_space,
        modalities=modalities,
        encoders=_encoders(sets, modalities, origin),
        statistics=_statistics(data, sets, modalities))


def _open_set(
    data: DataConfig, number: int, modalities: tuple[str, ...], log: Callable[[str], None]
) -> DataSet:
    config = data.sets[number]
    opened, labelling = _open(config, 'train', modalities)
    scored: FrameSource | None = None
    if config.hold_out:
        opened, scored = hold_out(opened, config.hold_out, HELD_OUT)
    elif config.score_split != NO_SPLIT:
        scored = _open_scored(config, modalities)
    if scored is not None:
        # What is wrong with the validation frames should not show at the end of the run alone.
        validation = with_policy(scored, data.unreadable, log)
        for index in spread(len(validation), CHECKED_FRAMES):
            validation[index]
    return DataSet(
        title=data.title_of(number), split=HELD_OUT if config.hold_out else config.score_split,
        modalities=modalities,
        labelling=labelling, train=with_policy(opened, data.unreadable, log), scored=scored)


def _open(
    config: DataSetConfig, split: str, modalities: tuple[str, ...]
) -> tuple[FrameSource, Labelling]:
    frames = DATASETS[config.name](
        config.root, split, modalities, conditions=config.conditions, options=config.options)
    return with_label_map(frames, config.label_map)


def _open_scored(config: DataSetConfig, modalities: tuple[str, ...]) -> FrameSource:
    try:
        return _open(config, config.score_split, modalities)[0]
    except ConfigError as error:
        raise ConfigError(
            f'data.score_split {config.score_split!r}: {error}. To do without: data.hold_out=0.2 '
            'keeps the last fifth of the training frames from training and scores it, '
            f'data.score_split={NO_SPLIT} scores nothing') from None


@contextmanager
def _naming(data: DataConfig, number: int) -> Iterator[None]:
    """Errors of the block say which data set they are of, where there are several."""
    try:
        yield
    except ConfigError as error:
        if len(data.sets) == 1:
            raise
        raise ConfigError(f'{data.title_of(number)}: {error}') from None


def _label_space(data: DataConfig, sets: Sequence[DataSet]) -> LabelSpace:
    """The classes of the run: those that all labels are in, or that the classes of each data set
    are sets of; under the recipe's name if it gives one."""
    reached = sets[0].labelling.answered
    for other in sets[1:]:
        if other.labelling.answered.class_names != reached.class_names:
            raise ConfigError(
                f'the labels of {sets[0].title} are of {reached.name!r}, those of {other.title} '
                f'of {other.labelling.answered.name!r}; a label_map for each is needed, to one '
                'label space')
    space = load_label_space(data.label_space) if data.label_space else reached
    if space.num_classes != reached.num_classes:
        raise ConfigError(f'data.label_space {data.label_space!r} has {space.num_classes} '
                          f'classes; the labels are of {reached.name!r}; name a data.label_map')
    return space


def _in_classes(data: DataSet, label_space: LabelSpace) -> DataSet:
    """With the run's names for the classes, where its labels are in them."""
    if data.labelling.class_sets is not None:
        return data
    return replace(data, labelling=Labelling(label_space))


def _modalities(
    config: TrainConfig, sets: Sequence[tuple[str, ...]], known: tuple[str, ...]
) -> tuple[str, ...]:
    """Those of the run, by what each data set has and what the student to start from knows."""
    of_network = tuple(config.model_config.get('modalities', ()))
    if of_network and config.data.modalities and of_network != config.data.modalities:
        raise ConfigError(f'model_config.modalities {list(of_network)} and data.modalities '
                          f'{list(config.data.modalities)} differ; give one of them')
    there = {name for names in sets for name in names}
    # What a network has learnt of other sensors is kept when it learns on from some of them.
    of_origin = known if there <= set(known) else ()
    chosen = (of_network or config.data.modalities or of_origin
              or _common_modalities(config.data, sets))
    for name in chosen:
        if name not in there and name not in known:
            raise ConfigError(f'modality {name!r} is in no data set; allowed: '
                              f'{", ".join(sorted(there))}')
    for names in config.dropout.weights:
        for name in names.split('+'):
            if name not in chosen:
                raise ConfigError(f'dropout.weights has {names!r}; allowed: sets of '
                                  f'{", ".join(chosen)} joined by +')
    return chosen


def _common_modalities(data: DataConfig, sets: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    for number, names in enumerate(sets):
        if names != sets[0]:
            raise ConfigError(
                f'{data.title_of(0)} has {", ".join(sets[0])}, {data.title_of(number)} has '
                f'{", ".join(names)}; name the sensors of the network in data.modalities; each '
                'data set gives those that it has')
    return sets[0]


def _modalities_of(config: DataSetConfig) -> tuple[str, ...]:
    """Those that a data set gives; raises ConfigError for a wanted one that it lacks."""
    there = DATASETS[config.name].modalities_of(config.root)
    for name in config.sensors:
        limits.one_of('data.sensors', name, there)
    return tuple(name for name in there if not config.sensors or name in config.sensors)


def _origin(config: TrainConfig) -> Bundle | None:
    """The bundle that the student starts from; None for none, and for the teacher, which sees
    what it sees."""
    return None if config.method.init in (SCRATCH, TEACHER) else read_description(
        config.method.init)


def _statistics(
    data: DataConfig, sets: Sequence[DataSet], modalities: tuple[str, ...]
) -> dict[str, Any]:
    if data.statistics != 'dataset':
        return {}
    for name in modalities:
        if not any(name in each.modalities for each in sets):
            raise ConfigError(f'data.statistics {data.statistics!r} needs images of every sensor; '
                              f'{name!r} is in no data set')
    train = JoinedFrames([each.train for each in sets])
    counted = counted_frames(train, STATISTICS_FRAMES, set_weights(data, train.lengths))
    found = modality_statistics(
        train, modalities, tqdm(counted, desc='input statistics', unit='frame'))
    return {'mean': {name: found[name].mean for name in modalities},
            'std': {name: found[name].std for name in modalities}}


def _encoders(
    sets: Sequence[DataSet], modalities: Sequence[str], start: Bundle | None
) -> dict[str, dict[str, Any]]:
    """``encoder_settings`` of all data sets, for sensors in none of them those of the bundle to
    start from; raises ConfigError where data sets differ."""
    found: dict[str, dict[str, Any]] = {}
    origin: dict[str, str] = {}
    for each in sets:
        settings = encoder_settings(each.train.describe(), each.modalities)
        for name, value in settings.items():
            if found.setdefault(name, value) != value:
                raise ConfigError(
                    f'{name} was encoded by {found[name]} in {origin[name]}, by {value} in '
                    f'{each.title}; a network has one encoder of each sensor')
            origin.setdefault(name, each.title)
    if start is not None:
        found = {**{name: dict(value) for name, value in start.encoders.items()}, **found}
    return {name: found[name] for name in modalities}


def encoder_settings(
    description: Mapping[str, Any], modalities: tuple[str, ...]
) -> dict[str, dict[str, Any]]:
    """What encoded the data set's images, for the bundle: the settings in its manifest; else, for
    cameras, whose pictures are the same to everybody, the node's own; else ``FROM_DATASET``.

    Raises:
        ConfigError: stored settings that the encoder does not take.
    """
    stored = description.get('manifest', {}).get('encoders', {})
    settings: dict[str, dict[str, Any]] = {}
    for name in modalities:
        if name in MODALITIES and name in stored:
            given = stored[name]
        elif name in MODALITIES and MODALITIES[name].payload is Payload.IMAGE:
            given = MODALITIES[name].default_settings()
        else:
            settings[name] = dict(FROM_DATASET)
            continue
        limits.table(f'encoder settings of {name}', given)
        settings[name] = dict(MODALITIES[name].build_encoder(given).settings())
    return settings
