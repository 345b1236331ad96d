# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The training recipe: frozen settings, strictly read from YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from anymodal_seg_ros import limits
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.inference.segmenter import AUTO_PRECISION, PRECISION_NAMES
from anymodal_seg_ros.models import DEFAULT_MODEL, MODELS, NetworkConfig
from anymodal_seg_ros.ranges import Range
from training.data_config import DataConfig
from training.losses import LOSSES
from training.methods import METHODS
from training.recipe import read_recipe
from training.settings import OneOf, Share, check_settings, read_section

DROPOUT_MODES = ('none', 'by_size', 'uniform')
SCHEDULES = ('poly', 'cosine')
CLASS_WEIGHTS = ('none', 'log')
DEVICES = ('auto', 'cpu', 'cuda')
OF_THE_DATA = ('mean', 'std')
"""Settings of a model that can be judged only beside the data set's modalities."""
SCRATCH, TEACHER = 'scratch', 'teacher'


@dataclass(frozen=True, kw_only=True)
class MethodConfig:
    """What the network is trained for."""

    name: Annotated[str, OneOf(METHODS)] = 'supervised'
    """How the network learns."""
    teacher: str = ''
    """Bundle of the teacher; methods without one leave it empty."""
    init: str = SCRATCH
    """Where the student's weights come from: 'scratch', 'teacher' or the path of a bundle."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Settings of that method alone."""

    def __post_init__(self) -> None:
        check_settings('method', self)
        method = METHODS[self.name]
        read_section(method.options, 'method.options', self.options)
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
    """Random changes of a sample, in this order; the last three are of the student alone."""

    scale_min: Annotated[float, Range(0.1, 10)] = 0.75
    """Least factor by which the scene is enlarged before the crop."""
    scale_max: Annotated[float, Range(0.1, 10)] = 1.5
    """Largest factor."""
    flip: Share = 0.5
    """Probability of a mirrored sample."""
    color: Share = 0.5
    """Probability of another brightness, contrast and saturation of the camera image."""
    blur: Share = 0.2
    """Probability of a slightly blurred camera image."""
    fault: Share = 0.15
    """Per modality: probability of a partial sensor fault."""
    random_missing: Share = 0.0
    """Probability that a sample's images lose single elements (as the RMM benchmark does)."""
    noise: Share = 0.0
    """Probability of salt-and-pepper and Gaussian noise (as the NM benchmark does)."""
    block: Share = 0.0
    """Probability that a sample's images lose cells of an 8 x 8 grid."""

    def __post_init__(self) -> None:
        check_settings('augment', self)
        limits.number('augment.scale_max', self.scale_max, self.scale_min, 10)


@dataclass(frozen=True, kw_only=True)
class DropoutConfig:
    """Which sensors a training sample keeps; drawn anew for every sample."""

    mode: Annotated[str, OneOf(DROPOUT_MODES)] = 'by_size'
    """'none': all of them; 'by_size': a number of sensors, then a set of that number (AnySeg);
    'uniform': any set alike."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """{'rgb+lidar': weight}; when not empty, only these sets occur, in these proportions."""

    def __post_init__(self) -> None:
        check_settings('dropout', self)
        for name, weight in self.weights.items():
            limits.text('the name of a set in dropout.weights', name)
            limits.number(f'dropout.weights[{name!r}]', weight, 1e-9, 1e9)


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """AdamW; norms, biases and other 1-D parameters are not decayed."""

    lr: Annotated[float, Range(1e-9, 1)] = 6e-4
    """Learning rate after the warm-up."""
    weight_decay: Share = 0.01
    """Share of a weight that a step at rate 1 takes away."""
    warmup: Annotated[float, Range(0, 0.9)] = 0.03
    """Share of the run in which the rate rises linearly from a tenth."""
    schedule: Annotated[str, OneOf(SCHEDULES)] = 'poly'
    """How the rate falls to 0 after the warm-up: as (1 - t) to a power, or as half a cosine."""
    power: Annotated[float, Range(0, 10)] = 0.9
    """Of 'poly'."""
    clip_norm: Annotated[float, Range(1e-6, 1e6)] = 1.0
    """Gradients of a larger norm are scaled down to it."""
    ema: Annotated[float, Range(0, 0.999999)] = 0.999
    """Decay of the weight average that is exported; 0 exports the last weights."""
    accumulate: Annotated[int, Range(1, 4096)] = 1
    """Batches whose gradients one step adds up."""

    def __post_init__(self) -> None:
        check_settings('optim', self)


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """Crop and batch size up to a share of the run."""

    until: Annotated[float, Range(1e-6, 1)]
    """Share of the run at which the next stage begins; the last one ends at 1."""
    crop_px: Annotated[int, Range(32, 4096)]
    """Side of the square that a sample is, a multiple of 32."""
    batch: Annotated[int, Range(1, 4096)]
    """Samples of each process."""

    def __post_init__(self) -> None:
        check_settings('stages', self)
        if self.crop_px % 32:
            raise ConfigError(f'stages.crop_px {self.crop_px} is no multiple of 32')


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One run. The bundle's provenance holds it whole."""

    output: str = ''
    """Folder of the run."""
    seed: Annotated[int, Range(0, 2**31)] = 0
    """Of all that is drawn; the same seed on the same host gives the same run."""
    epochs: Annotated[float, Range(1e-3, 1e6)] = 40
    """How often each training frame is seen."""
    max_minutes: Annotated[float, Range(0, 1e6)] = 0
    """The schedule is compressed so that the run ends by then; 0 sets no limit."""
    model: Annotated[str, OneOf(MODELS)] = DEFAULT_MODEL
    """The network."""
    model_config: Mapping[str, Any] = field(default_factory=dict)
    """Settings of that network alone."""
    loss: Annotated[str, OneOf(LOSSES)] = 'ce'
    """Against the labels: 'ce' is cross-entropy, 'ohem' that over the hardest pixels."""
    class_weights: Annotated[str, OneOf(CLASS_WEIGHTS)] = 'log'
    """'log' makes rare classes count more, by the logarithm of their share of the pixels."""
    precision: Annotated[str, OneOf((AUTO_PRECISION, *PRECISION_NAMES))] = AUTO_PRECISION
    """Number format; 'auto' takes bf16 where the hardware computes it."""
    device: Annotated[str, OneOf(DEVICES)] = 'auto'
    """'auto' takes CUDA where there is one."""
    deterministic: bool = False
    """Only operations that give the same bits each time; slower on a GPU."""
    pretrained: str = ''
    """Local file or folder with ImageNet weights of the encoder, or a bundle, whose encoder is
    taken; empty starts from scratch."""
    guide: str = ''
    """Folder with what guides the network: for segrgbx the ``guide`` that ``training.ma_clip``
    writes. Empty where the bundle that ``method.init`` names has it."""
    checkpoint_minutes: Annotated[float, Range(0, 1e6)] = 5
    """Minutes from one saved state to the next."""
    checkpoint_steps: Annotated[int, Range(0, 10**9)] = 0
    """Also save every so many steps; 0 goes by the clock alone."""
    log_steps: Annotated[int, Range(1, 10**6)] = 10
    """Steps from one line of metrics.csv to the next."""
    gradient_steps: Annotated[int, Range(0, 10**9)] = 0
    """Every so many steps each loss term's pull is measured, for a backward pass each: the norm of
    its weighted gradient, and its cosine to that of the supervised term; 0 never does."""
    val_epochs: Annotated[int, Range(0, 10**6)] = 0
    """Score the full set and each single sensor every so many epochs; 0 only at the end."""
    val_frames: Annotated[int, Range(1, 10**9)] = 100
    """At most so many validation frames then, spread over the split; of several data sets as many
    of each as of any other, and one at least."""
    score_frames: Annotated[int, Range(0, 10**9)] = 0
    """The same for the scores at the end; 0 takes all."""
    method: MethodConfig = field(default_factory=MethodConfig)
    """What the network is trained for."""
    data: DataConfig = field(default_factory=DataConfig)
    """Which frames to train on."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Random changes of a sample."""
    dropout: DropoutConfig = field(default_factory=DropoutConfig)
    """Which sensors a sample keeps."""
    optim: OptimConfig = field(default_factory=OptimConfig)
    """Steps and rates."""
    stages: tuple[StageConfig, ...] = field(
        default_factory=lambda: (StageConfig(until=1.0, crop_px=256, batch=8),))
    """Crops and batches, one stage after the other."""

    def __post_init__(self) -> None:
        check_settings('', self)
        self._check_model_config()
        METHODS[self.method.name].check_network(self.method.name, self.model)
        self._check_loss()
        batches = [stage.batch for stage in self.stages]
        if self.data.same_sensors and any(a % b for a, b in pairwise(batches)):
            raise ConfigError(f'stages have batches of {", ".join(map(str, batches))}; with '
                              'data.same_sensors each must divide the one before')
        ends = [stage.until for stage in self.stages]
        if not ends or ends != sorted(set(ends)) or ends[-1] != 1.0:
            raise ConfigError(f'stages.until must rise and end at 1.0, not {ends}')

    def _check_model_config(self) -> None:
        if self.method.init != SCRATCH:
            return  # The bundle to start from has the rest of the settings.
        try:
            self.network_config()
        except ConfigError as error:
            raise ConfigError(f'model_config: {error}') from None

    def _check_loss(self) -> None:
        method = self.method.name
        if not METHODS[method].own_classes:
            return
        for key, value, allowed in (('loss', self.loss, 'ce'),
                                    ('class_weights', self.class_weights, 'none')):
            if value != allowed:
                raise ConfigError(f'{key} is {value!r}; allowed with method {method}, which takes '
                                  f'labels of several data sets: {allowed}')

    def network_config(self) -> NetworkConfig:
        """Settings of a network from scratch, without what the data says; raises ConfigError."""
        given = {name: value for name, value in self.model_config.items()
                 if name not in OF_THE_DATA}
        return MODELS[self.model].config.from_dict(given)

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
        if isinstance(data, Mapping) and 'data' in data:
            data = {**data, 'data': DataConfig.from_dict(data['data'])}
        return read_section(cls, '', data)

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
