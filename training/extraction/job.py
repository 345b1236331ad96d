# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is to be extracted of which recordings, checked before the long work begins."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from anymodal_seg_ros.bags import TOPICS, BagInfo, bag_info
from anymodal_seg_ros.corruption import FaultSchedule
from anymodal_seg_ros.documents import read_yaml
from anymodal_seg_ros.errors import BagError, ConfigError
from anymodal_seg_ros.existence import exists, is_file
from anymodal_seg_ros.modalities import MODALITIES, Decoding
from anymodal_seg_ros.sim.vehicle import SENSOR_NAMES
from training.extraction.dataset import ExtractedDataset, check_split
from training.extraction.encoding import EncodingOnly
from training.extraction.truth import LabelSource

_NAME = re.compile(r'\w[\w.-]*')


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which sets become frames. Raises ConfigError where a value is not allowed."""

    every: int = 1
    """Of the sets that could be frames, each n-th is one."""
    min_gap_s: float = 0.0
    """Least time between two frames of a recording."""
    max_dt_s: float = math.inf
    """A set with a sample farther than this from its stamp is no frame."""
    require: tuple[str, ...] = ()
    """Sensors without which a set is no frame."""
    keep_unlabelled: bool = False
    """Whether a set without label image near it is an unlabelled frame."""

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ConfigError.of('every', self.every, '1 and more')
        if not (math.isfinite(self.min_gap_s) and self.min_gap_s >= 0.0):
            raise ConfigError.of('min_gap_s', self.min_gap_s, '0 and more')
        if not self.max_dt_s >= 0.0:
            raise ConfigError.of('max_dt_s', self.max_dt_s, '0 and more')

    def to_dict(self) -> dict[str, Any]:
        """Plain data; null for no limit."""
        limit_s = self.max_dt_s if math.isfinite(self.max_dt_s) else None
        return {**asdict(self), 'max_dt_s': limit_s}


@dataclass(frozen=True, kw_only=True)
class Job:
    """How recordings are extracted, all in the same way."""

    encoding: EncodingOnly
    labels: LabelSource | None
    topics: Mapping[str, str] = field(default_factory=lambda: dict(TOPICS))
    """Keyed like ``TOPICS``."""
    wanted_topics: tuple[str, ...] = ()
    """Keys of topics that must have been recorded."""
    selection: Selection = field(default_factory=Selection)
    schedule: FaultSchedule | None = None
    decoding: Decoding = field(default_factory=dict)
    """Settings of the decoders."""
    sensors: Path | None = None
    """See ``read_calibration``."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One recording and where it goes."""

    name: str
    path: Path
    split: str
    condition: str
    info: BagInfo

    @property
    def source(self) -> dict[str, Any]:
        """What tells this recording from another of its name."""
        return {'name': self.path.name, 'start_ns': self.info.start_ns,
                'end_ns': self.info.end_ns, 'messages': sum(self.info.counts.values())}


def plan(
    bags: Sequence[str], split_of: Callable[[str], str], condition: str, job: Job
) -> list[Recording]:
    """The recordings of a command line, each 'PATH' or 'NAME=PATH', all there and usable.

    Args:
        bags: a name that is not given is the folder's or file's.
        split_of: name to split.
        condition: tag of every frame.
        job: says which topics are needed.

    Raises:
        BagError: a recording is missing or damaged, or lacks a topic.
        ConfigError: two recordings of one name, or an unknown split.
    """
    recordings: dict[str, Recording] = {}
    for text in bags:
        name, path = _named(text)
        if name in recordings:
            raise ConfigError(f'two recordings are called {name!r}, {recordings[name].path} and '
                              f'{path}; name one NAME=PATH')
        info = bag_info(path)
        _require_topics(path, info, job)
        recordings[name] = Recording(name=name, path=path, condition=condition, info=info,
                                     split=check_split(split_of(name), name))
    return list(recordings.values())


def default_modalities(bags: Sequence[str], topics: Mapping[str, str]) -> tuple[str, ...]:
    """The sensors of the default bundle, and all others of which a recording holds a message.

    Args:
        bags: each 'PATH' or 'NAME=PATH'.
        topics: keyed like ``TOPICS``.

    Raises:
        BagError: a recording is missing or damaged.
    """
    counts: Counter[str] = Counter()
    for text in bags:
        counts.update(bag_info(_named(text)[1]).counts)
    return tuple(name for name in MODALITIES if name in SENSOR_NAMES or counts[topics[name]])


def splits_from_yaml(path: Path) -> Callable[[str], str]:
    """Name of a recording to its split, from a file of ``name: split``; raises ConfigError."""
    if not is_file(path):
        raise ConfigError(f'no file of splits at {path}')
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise ConfigError(f'{path} must hold lines of "recording: split", not {data!r}')
    splits = {str(name): check_split(split, str(name)) for name, split in data.items()}

    def split_of(name: str) -> str:
        if name not in splits:
            raise ConfigError(f'{path} has no split for recording {name!r}; it has '
                              f'{", ".join(splits) or "none"}')
        return splits[name]

    return split_of


def is_there(dataset: ExtractedDataset, recording: Recording) -> bool:
    """Whether an earlier run extracted it.

    Raises:
        ConfigError: another recording has its name, or it has another split or condition.
    """
    stored = dataset.recordings.get(recording.name)
    if stored is None:
        return False
    if stored['source'] != recording.source:
        raise ConfigError(f'{dataset.root} has another recording called {recording.name!r}; '
                          'replace it with --overwrite, or name this one NAME=PATH')
    for key in ('split', 'condition'):
        if stored[key] != getattr(recording, key):
            raise ConfigError(
                f'{recording.name!r} is in {dataset.root} with {key} {stored[key]!r}, not '
                f'{getattr(recording, key)!r}; replace it with --overwrite')
    return True


def _named(text: str) -> tuple[str, Path]:
    name, separator, path_text = text.partition('=')
    path = Path(path_text)
    if not separator or exists(Path(text)):
        path = Path(text)
        name = path.resolve().stem if is_file(path) else path.resolve().name
    if not _NAME.fullmatch(name):
        raise ConfigError.of('recording name', name, 'letters, digits, _ - and .')
    return name, path


def _require_topics(path: Path, info: BagInfo, job: Job) -> None:
    topics = {key: job.topics[key] for key in job.wanted_topics}
    if job.labels is not None:
        topics['label'] = job.labels.topic
    for key, topic in topics.items():
        if not info.counts.get(topic):
            hint = '; --labels none extracts without' if key == 'label' else ''
            raise BagError(f'{path}: nothing on {topic} ({key}); recorded are '
                           f'{", ".join(sorted(info.topics)) or "no topics"}{hint}')
