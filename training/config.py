# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The training recipe: frozen settings, strictly read from YAML."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models import CONFIGS
from training.datasets import DATASETS
from training.losses import LOSSES

DROPOUT_MODES = ('by_size', 'uniform')
SCHEDULES = ('poly', 'cosine')
PRECISIONS = ('auto', 'fp32', 'bf16')
CLASS_WEIGHTS = ('none', 'log')
DEVICES = ('auto', 'cpu', 'cuda')


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which frames to train on."""

    name: str = 'deliver'
    conditions: tuple[str, ...] = ()
    depth_folder: str = 'auto'
    label_space: str = 'deliver'
    short_side_px: int = 256
    cache: bool = True

    def __post_init__(self) -> None:
        _one_of('data.name', self.name, tuple(DATASETS))
        _text('data.label_space', self.label_space)
        _whole('data.short_side_px', self.short_side_px, 32, 4096)
        if self.short_side_px % 32:
            raise ConfigError(f'data.short_side_px {self.short_side_px} is no multiple of 32')


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Probabilities are per sample; see ``augment.py`` for the order."""

    flip: float = 0.5
    scale_min: float = 0.75
    scale_max: float = 1.5
    color: float = 0.5
    blur: float = 0.2
    fault: float = 0.15
    """Per modality: probability of a partial sensor fault."""

    def __post_init__(self) -> None:
        for name in ('flip', 'color', 'blur', 'fault'):
            _in_range(f'augment.{name}', getattr(self, name), 0, 1)
        _in_range('augment.scale_min', self.scale_min, 0.1, 10)
        _in_range('augment.scale_max', self.scale_max, self.scale_min, 10)


@dataclass(frozen=True, kw_only=True)
class DropoutConfig:
    """Which sensors a training sample keeps."""

    mode: str = 'by_size'
    """'by_size': a number of sensors, then a set of that number; 'uniform': any set alike."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """'rgb+lidar': weight; when not empty, only these sets occur, in these proportions."""

    def __post_init__(self) -> None:
        _one_of('dropout.mode', self.mode, DROPOUT_MODES)
        if not isinstance(self.weights, Mapping):
            raise ConfigError(f"dropout.weights {self.weights!r}; allowed: a table such as "
                              "{'rgb+lidar': 1.0}")
        for name, weight in self.weights.items():
            _in_range(f'dropout.weights[{name!r}]', weight, 1e-9, 1e9)


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """AdamW; norms, biases and other 1-D parameters are not decayed."""

    lr: float = 6e-4
    weight_decay: float = 0.01
    warmup: float = 0.03
    """Share of the run in which the rate rises linearly from a tenth."""
    schedule: str = 'poly'
    power: float = 0.9
    clip_norm: float = 1.0
    ema: float = 0.999
    """Decay of the weight average that is exported; 0 exports the last weights."""

    def __post_init__(self) -> None:
        _in_range('optim.lr', self.lr, 1e-9, 1)
        _in_range('optim.weight_decay', self.weight_decay, 0, 1)
        _in_range('optim.warmup', self.warmup, 0, 0.9)
        _one_of('optim.schedule', self.schedule, SCHEDULES)
        _in_range('optim.power', self.power, 0, 10)
        _in_range('optim.clip_norm', self.clip_norm, 1e-6, 1e6)
        _in_range('optim.ema', self.ema, 0, 0.999999)


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """Crop and batch size up to a share of the run."""

    until: float
    crop_px: int
    batch: int

    def __post_init__(self) -> None:
        _in_range('stages.until', self.until, 1e-6, 1)
        _whole('stages.crop_px', self.crop_px, 32, 4096)
        _whole('stages.batch', self.batch, 1, 4096)
        if self.crop_px % 32:
            raise ConfigError(f'stages.crop_px {self.crop_px} is no multiple of 32')


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One run. The bundle's provenance holds it whole."""

    seed: int = 0
    epochs: float = 40
    max_minutes: float = 0
    """The schedule is compressed so that the run ends by then; 0 sets no limit."""
    model: str = 'm_segformer'
    model_config: Mapping[str, Any] = field(default_factory=dict)
    loss: str = 'ce'
    class_weights: str = 'log'
    precision: str = 'auto'
    device: str = 'auto'
    pretrained: str = ''
    """Local file or folder with ImageNet weights of the encoder; empty starts from scratch."""
    checkpoint_minutes: float = 5
    val_epochs: int = 0
    """Score the full set and each single sensor every so many epochs; 0 only at the end."""
    val_frames: int = 100
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    dropout: DropoutConfig = field(default_factory=DropoutConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    stages: tuple[StageConfig, ...] = field(
        default_factory=lambda: (StageConfig(until=1.0, crop_px=256, batch=8),))

    def __post_init__(self) -> None:
        _whole('seed', self.seed, 0, 2**31)
        _in_range('epochs', self.epochs, 1e-3, 1e6)
        _in_range('max_minutes', self.max_minutes, 0, 1e6)
        _in_range('checkpoint_minutes', self.checkpoint_minutes, 0, 1e6)
        _whole('val_epochs', self.val_epochs, 0, 10**6)
        _whole('val_frames', self.val_frames, 1, 10**9)
        _one_of('model', self.model, tuple(CONFIGS))
        _one_of('loss', self.loss, tuple(LOSSES))
        _one_of('class_weights', self.class_weights, CLASS_WEIGHTS)
        _one_of('precision', self.precision, PRECISIONS)
        _one_of('device', self.device, DEVICES)
        _text('pretrained', self.pretrained)
        ends = [stage.until for stage in self.stages]
        if not ends or ends != sorted(set(ends)) or ends[-1] != 1.0:
            raise ConfigError(f'stages.until must rise and end at 1.0, not {ends}')

    def stage_at(self, progress: float) -> StageConfig:
        """The stage in force after a share ``progress`` of the run."""
        return next((s for s in self.stages if progress < s.until), self.stages[-1])

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in the YAML files."""
        data = asdict(self)
        data['stages'] = list(data['stages'])
        data['data']['conditions'] = list(self.data.conditions)
        return data

    @classmethod
    def from_dict(cls, data: object) -> TrainConfig:
        """Inverse of ``to_dict``; raises ConfigError for anything unknown or out of range."""
        values = dict(_known(cls, '', data))
        sections = {'data': DataConfig, 'augment': AugmentConfig, 'dropout': DropoutConfig,
                    'optim': OptimConfig}
        for name, section in sections.items():
            if name in values:
                values[name] = section(**_known(section, name, values[name]))
        for name in ('model_config',):
            if not isinstance(values.get(name, {}), dict):
                raise ConfigError(f'{name} must be a table, not {values[name]!r}')
        if 'stages' in values:
            if not isinstance(values['stages'], list):
                raise ConfigError(f'stages must be a list, not {values["stages"]!r}')
            values['stages'] = tuple(
                _section(StageConfig, f'stages[{i}]', stage)
                for i, stage in enumerate(values['stages']))
        return cls(**values)

    @classmethod
    def from_yaml(cls, path: str | Path) -> TrainConfig:
        """Reads a recipe; raises ConfigError naming the file and what is wrong with it."""
        try:
            return cls.from_dict(yaml.safe_load(Path(path).read_text(encoding='utf-8')) or {})
        except OSError as error:
            raise ConfigError(f'cannot read the recipe {path}: {error.strerror}') from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigError(f'{path} is not YAML: {error}') from None
        except ConfigError as error:
            raise ConfigError(f'{path}: {error}') from None


def _section(section: type[StageConfig], name: str, data: object) -> StageConfig:
    values = _known(section, name, data)
    for item in fields(section):
        if item.name not in values:
            raise ConfigError(f'{name}: {item.name!r} is missing')
    return section(**values)


def _known(section: Any, name: str, data: object) -> dict[str, Any]:  # noqa: ANN401
    where = name or 'the recipe'
    if not isinstance(data, dict):
        raise ConfigError(f'{where} must be a table, not {data!r}')
    known = {item.name: item for item in fields(section)}
    for key in data:
        if key not in known:
            raise ConfigError(f'{where}: unknown key {key!r}; known are {", ".join(known)}')
    return {key: _names(f'{where}: {key}', value) if known[key].type.startswith('tuple[str')
            else value for key, value in data.items()}


def _names(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise ConfigError(f'{name} must be a list of names, not {value!r}')
    return tuple(value)


def _text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise ConfigError(f'{name} must be text, not {value!r}')


def _whole(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f'{name} {value!r}; allowed: a whole number from {low} to {high}')


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f'{name} {value!r}; allowed: {", ".join(allowed)}')


def _in_range(name: str, value: object, low: float, high: float) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not low <= value <= high:  # type: ignore[arg-type, operator]
        raise ConfigError(f'{name} {value!r}; allowed: a number from {low} to {high}')
