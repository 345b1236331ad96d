# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The training recipe: frozen settings, strictly read from YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models import DEFAULT_MODEL, MODELS
from training import limits
from training.data_config import DataConfig
from training.losses import LOSSES
from training.methods import METHODS
from training.recipe import read_recipe

DROPOUT_MODES = ('none', 'by_size', 'uniform')
SCHEDULES = ('poly', 'cosine')
PRECISIONS = ('auto', 'fp32', 'bf16', 'fp16')
CLASS_WEIGHTS = ('none', 'log')
DEVICES = ('auto', 'cpu', 'cuda')
OF_THE_DATA = ('mean', 'std')
"""Settings of a model that can be judged only beside the data set's modalities."""
SCRATCH, TEACHER = 'scratch', 'teacher'


@dataclass(frozen=True, kw_only=True)
class MethodConfig:
    """What the network is trained for."""

    name: str = 'supervised'
    teacher: str = ''
    """Bundle of the teacher; methods without one leave it empty."""
    init: str = SCRATCH
    """Where the student's weights come from: 'scratch', 'teacher' or the path of a bundle."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Settings of that method; see ``training/methods/``."""

    def __post_init__(self) -> None:
        limits.one_of('method.name', self.name, tuple(METHODS))
        limits.text('method.teacher', self.teacher)
        limits.text('method.init', self.init)
        limits.table('method.options', self.options)
        method = METHODS[self.name]
        limits.read_section(method.options, 'method.options', dict(self.options))
        if method.needs_teacher and not self.teacher:
            raise ConfigError(f'method {self.name} needs method.teacher, the bundle of a network '
                              'trained with all sensors (method supervised makes one)')
        if self.teacher and not method.needs_teacher:
            raise ConfigError(f'method {self.name} has no teacher, but method.teacher is '
                              f'{self.teacher!r}')
        if self.init == TEACHER and not self.teacher:
            raise ConfigError("method.init 'teacher' needs method.teacher")


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
    random_missing: float = 0.0
    """Probability that a sample's images lose single elements (as the RMM benchmark does)."""
    noise: float = 0.0
    """Probability of salt-and-pepper and Gaussian noise (as the NM benchmark does)."""
    block: float = 0.0
    """Probability that a sample's images lose cells of an 8 x 8 grid."""

    def __post_init__(self) -> None:
        for name in ('flip', 'color', 'blur', 'fault', 'random_missing', 'noise', 'block'):
            limits.number(f'augment.{name}', getattr(self, name), 0, 1)
        limits.number('augment.scale_min', self.scale_min, 0.1, 10)
        limits.number('augment.scale_max', self.scale_max, self.scale_min, 10)


@dataclass(frozen=True, kw_only=True)
class DropoutConfig:
    """Which sensors a training sample keeps; drawn anew for every sample."""

    mode: str = 'by_size'
    """'none': all of them; 'by_size': a number of sensors, then a set of that number (AnySeg);
    'uniform': any set alike."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """'rgb+lidar': weight; when not empty, only these sets occur, in these proportions."""

    def __post_init__(self) -> None:
        limits.one_of('dropout.mode', self.mode, DROPOUT_MODES)
        if not isinstance(self.weights, Mapping):
            raise ConfigError(f"dropout.weights {self.weights!r}; allowed: a table such as "
                              "{'rgb+lidar': 1.0}")
        for name, weight in self.weights.items():
            limits.text('the name of a set in dropout.weights', name)
            limits.number(f'dropout.weights[{name!r}]', weight, 1e-9, 1e9)


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
    accumulate: int = 1
    """Batches whose gradients one step adds up."""

    def __post_init__(self) -> None:
        limits.number('optim.lr', self.lr, 1e-9, 1)
        limits.number('optim.weight_decay', self.weight_decay, 0, 1)
        limits.number('optim.warmup', self.warmup, 0, 0.9)
        limits.one_of('optim.schedule', self.schedule, SCHEDULES)
        limits.number('optim.power', self.power, 0, 10)
        limits.number('optim.clip_norm', self.clip_norm, 1e-6, 1e6)
        limits.number('optim.ema', self.ema, 0, 0.999999)
        limits.whole('optim.accumulate', self.accumulate, 1, 4096)


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """Crop and batch size up to a share of the run."""

    until: float
    crop_px: int
    batch: int
    """Samples of each process."""

    def __post_init__(self) -> None:
        limits.number('stages.until', self.until, 1e-6, 1)
        limits.whole('stages.crop_px', self.crop_px, 32, 4096)
        limits.whole('stages.batch', self.batch, 1, 4096)
        if self.crop_px % 32:
            raise ConfigError(f'stages.crop_px {self.crop_px} is no multiple of 32')


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One run. The bundle's provenance holds it whole."""

    output: str = ''
    """Folder of the run."""
    seed: int = 0
    epochs: float = 40
    max_minutes: float = 0
    """The schedule is compressed so that the run ends by then; 0 sets no limit."""
    model: str = DEFAULT_MODEL
    model_config: Mapping[str, Any] = field(default_factory=dict)
    loss: str = 'ce'
    class_weights: str = 'log'
    precision: str = 'auto'
    device: str = 'auto'
    deterministic: bool = False
    """Only operations that give the same bits each time; slower on a GPU."""
    pretrained: str = ''
    """Local file or folder with ImageNet weights of the encoder; empty starts from scratch."""
    checkpoint_minutes: float = 5
    checkpoint_steps: int = 0
    """Also save every so many steps; 0 goes by the clock alone."""
    log_steps: int = 10
    val_epochs: int = 0
    """Score the full set and each single sensor every so many epochs; 0 only at the end."""
    val_frames: int = 100
    """At most so many validation frames then, spread over the split."""
    score_frames: int = 0
    """The same for the scores at the end; 0 takes all."""
    method: MethodConfig = field(default_factory=MethodConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    dropout: DropoutConfig = field(default_factory=DropoutConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    stages: tuple[StageConfig, ...] = field(
        default_factory=lambda: (StageConfig(until=1.0, crop_px=256, batch=8),))

    def __post_init__(self) -> None:
        limits.text('output', self.output)
        limits.whole('seed', self.seed, 0, 2**31)
        limits.number('epochs', self.epochs, 1e-3, 1e6)
        limits.number('max_minutes', self.max_minutes, 0, 1e6)
        limits.number('checkpoint_minutes', self.checkpoint_minutes, 0, 1e6)
        limits.whole('checkpoint_steps', self.checkpoint_steps, 0, 10**9)
        limits.whole('log_steps', self.log_steps, 1, 10**6)
        limits.whole('val_epochs', self.val_epochs, 0, 10**6)
        limits.whole('val_frames', self.val_frames, 1, 10**9)
        limits.whole('score_frames', self.score_frames, 0, 10**9)
        limits.one_of('model', self.model, tuple(MODELS))
        limits.table('model_config', self.model_config)
        self._check_model_config()
        METHODS[self.method.name].check_network(self.method.name, self.model)
        limits.one_of('loss', self.loss, tuple(LOSSES))
        limits.one_of('class_weights', self.class_weights, CLASS_WEIGHTS)
        limits.one_of('precision', self.precision, PRECISIONS)
        limits.one_of('device', self.device, DEVICES)
        limits.flag('deterministic', self.deterministic)
        limits.text('pretrained', self.pretrained)
        ends = [stage.until for stage in self.stages]
        if not ends or ends != sorted(set(ends)) or ends[-1] != 1.0:
            raise ConfigError(f'stages.until must rise and end at 1.0, not {ends}')

    def _check_model_config(self) -> None:
        if self.method.init != SCRATCH:
            return  # The bundle to start from has the rest of the settings.
        given = {name: value for name, value in self.model_config.items()
                 if name not in OF_THE_DATA}
        try:
            MODELS[self.model].config.from_dict(given)
        except ConfigError as error:
            raise ConfigError(f'model_config: {error}') from None

    def stage_at(self, progress: float) -> StageConfig:
        """The stage in force after a share ``progress`` of the run."""
        return next((s for s in self.stages if progress < s.until), self.stages[-1])

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in the YAML files."""
        data = asdict(self)
        data['stages'] = list(data['stages'])
        data['data'] = self.data.to_dict()
        return data

    @classmethod
    def from_dict(cls, data: object) -> TrainConfig:
        """Inverse of ``to_dict``; raises ConfigError for anything unknown or out of range."""
        if not isinstance(data, dict):
            raise ConfigError(f'the recipe must be a table, not {data!r}')
        values = dict(data)
        sections = {'method': MethodConfig, 'augment': AugmentConfig, 'dropout': DropoutConfig,
                    'optim': OptimConfig}
        for name, section in sections.items():
            if name in values:
                values[name] = limits.read_section(section, name, values[name])
        if 'data' in values:
            values['data'] = DataConfig.from_dict(values['data'])
        if 'stages' in values:
            if not isinstance(values['stages'], list):
                raise ConfigError(f'stages must be a list, not {values["stages"]!r}')
            values['stages'] = tuple(
                limits.read_section(StageConfig, f'stages[{i}]', stage)
                for i, stage in enumerate(values['stages']))
        return limits.read_section(cls, '', values)

    @classmethod
    def from_yaml(cls, path: str | Path, overrides: tuple[str, ...] = ()) -> TrainConfig:
        """Reads a recipe, with ``key.key=value`` overrides.

        Raises:
            ConfigError: naming the file or the override and what is wrong with it.
        """
        data = read_recipe(Path(path), overrides)
        try:
            return cls.from_dict(data)
        except ConfigError as error:
            raise ConfigError(f'{path}: {error}') from None
