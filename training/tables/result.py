# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is stored of a finished run: its figures and what they are of, a small JSON file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from anymodal_seg_ros import limits
from anymodal_seg_ros.documents import read_json
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.ranges import Range
from anymodal_seg_ros.unfinished import write_whole
from training.settings import check_settings, read_section

MAX_RESULT_BYTES = 1 << 20
Percent = Annotated[float, Range(0, 100)]
Count = Annotated[int, Range(0, 2**53)]
Amount = Annotated[float, Range(0, 1e12)]


@dataclass(frozen=True, kw_only=True)
class Result:
    """A run of a row with one seed; scores are mIoU in percent over the classes that occur."""

    row: str
    seed: Count
    recipe: str
    """Below ``config/training``."""
    recipe_sha256: str
    """Of the recipe with all its settings, but for the names of files and the seed."""
    data_sha256: str
    """Of the list of the scored frames and the data set's manifest."""
    split: str
    frames: Count
    """That were scored."""
    steps: Count
    samples: Count
    minutes: Amount
    """Of training."""
    host: str
    precision: str
    """In which the network was scored: fp32, bf16 or fp16."""
    revision: str
    """Of the code, by git; empty where it is not known."""
    parameters: Count
    macs: Count
    """Multiplications with all sensors at the table's ``speed_px``."""
    emm: Percent
    """Average over all combinations of sensors, missing ones left out."""
    subsets: Mapping[str, Any]
    """Combination, joined by +, to score."""
    robustness: Mapping[str, Any] = field(default_factory=dict)
    """By the columns of the robustness score, where the benchmark was run."""
    robustness_frames: Count = 0

    def __post_init__(self) -> None:
        check_settings('', self)
        for name in ('subsets', 'robustness'):
            for key, value in getattr(self, name).items():
                limits.text(f'a key of {name}', key)
                limits.number(f'{name}[{key!r}]', value, 0, 100)
        if not self.subsets:
            raise ConfigError('subsets is empty; allowed: one or more combinations of sensors')
        if not math.isfinite(self.emm):
            raise ConfigError.of('emm', self.emm, 'a number')

    @property
    def sensors(self) -> tuple[str, ...]:
        """All that the network has."""
        return tuple(max(self.subsets, key=lambda subset: subset.count('+')).split('+'))

    @property
    def all_sensors(self) -> float:
        """Score with all sensors."""
        return float(self.subsets['+'.join(self.sensors)])


def write_result(path: Path, result: Result) -> None:
    """Raises WriteError where it cannot be written."""
    write_whole(path, json.dumps(asdict(result), indent=1) + '\n')


def read_result(path: Path) -> Result:
    """Raises ConfigError for a file that is no result."""
    data = read_json(path, MAX_RESULT_BYTES)
    try:
        return read_section(Result, '', data)
    except ConfigError as error:
        raise ConfigError(f'{path} is no result: {error}') from None


def read_results(folder: Path, row: str) -> list[Result]:
    """Of all seeds of a row, by seed; raises ConfigError for a file that is no result of it."""
    return sorted(_results(folder, row), key=lambda result: result.seed)


def _results(folder: Path, row: str) -> Iterator[Result]:
    for path in folder.glob(f'{row}-*.json'):
        result = read_result(path)
        if path.name != f'{result.row}-{result.seed}.json':
            raise ConfigError(f'{path} holds row {result.row!r}, seed {result.seed}')
        yield result


def result_path(folder: Path, row: str, seed: int) -> Path:
    """Where it is stored."""
    return folder / f'{row}-{seed}.json'
