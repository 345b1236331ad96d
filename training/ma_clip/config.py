# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The recipe of MA-CLIP's training: frozen settings, strictly read from YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.inference.segmenter import AUTO_PRECISION, PRECISION_NAMES
from anymodal_seg_ros.models.segrgbx.clip_sizes import MAX_RANK, RANK
from anymodal_seg_ros.ranges import Range
from training.datasets import DATASETS
from training.recipe import read_recipe
from training.settings import OneOf, Share, check_settings, read_section
from training.train_config import DEVICES

NO_SPLIT = 'none'
MASK, POSITIVE, KEEP = 'mask', 'positive', 'keep'
FALSE_NEGATIVES = (MASK, POSITIVE, KEEP)
CAMERA = 'rgb'


@dataclass(frozen=True, kw_only=True)
class CaptionedSetConfig:
    """One data set, with captions; sets.0.root is the folder of the first."""

    name: Annotated[str, OneOf(DATASETS)] = 'deliver'
    """Its layout."""
    root: str = ''
    """Folder of the data set."""
    captions: str = ''
    """JSON file; empty takes captions.json in the folder."""
    modalities: tuple[str, ...] = ()
    """Sensors beside rgb, each of which gets an adapter; empty takes all that it has."""
    weight: Annotated[float, Range(1e-3, 1e3)] = 1.0
    """How often each of its frames comes in an epoch, on average."""
    conditions: tuple[str, ...] = ()
    """Frames of these conditions only, such as night; empty takes all."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Settings of that data set alone, such as DELIVER's depth_folder."""

    def __post_init__(self) -> None:
        check_settings('sets', self)
        read_section(DATASETS[self.name].OPTIONS, 'sets.options', self.options)
        if CAMERA in self.modalities:
            raise ConfigError.of('sets.modalities', list(self.modalities),
                                 f'sensors beside {CAMERA}, which goes with each of them')


@dataclass(frozen=True, kw_only=True)
class MaClipConfig:
    """One run: an adapter for each sensor beside the camera."""

    output: str = ''
    """Folder of the run."""
    clip: str = ''
    """Folder of a CLIP in the form of Hugging Face: config.json, model.safetensors, tokenizer."""
    sets: tuple[CaptionedSetConfig, ...] = (CaptionedSetConfig(),)
    """What to train on; one at least."""
    seed: Annotated[int, Range(0, 2**31)] = 0
    """Of all that is drawn."""
    epochs: Annotated[float, Range(1e-3, 1e6)] = 15
    """How often each pair of a camera's image and another sensor's is seen."""
    batch: Annotated[int, Range(2, 1 << 16)] = 128
    """Pairs of a step, all with the same sensor; the more, the more wrong answers to tell from."""
    rank: Annotated[int, Range(1, MAX_RANK)] = RANK
    """Of the adapters."""
    lr: Annotated[float, Range(1e-9, 1)] = 1e-4
    """Learning rate of AdamW after the warm-up; it falls to 0 as half a cosine."""
    weight_decay: Share = 0.01
    """Share of a weight that a step at rate 1 takes away."""
    warmup: Annotated[float, Range(0, 0.9)] = 0.05
    """Share of the run in which the rate rises linearly from a tenth."""
    clip_norm: Annotated[float, Range(1e-6, 1e6)] = 1.0
    """Gradients of a larger norm are scaled down to it."""
    literal: bool = False
    """One softmax over both images of a scene and its text twice, as the paper writes it, instead
    of the mean of two losses."""
    false_negatives: Annotated[str, OneOf(FALSE_NEGATIVES)] = MASK
    """Another scene with the same caption is no answer ('mask'), as right a one ('positive'), or a
    wrong one ('keep', as CLIP does)."""
    flip: Share = 0.5
    """Probability of a mirrored pair."""
    cache: bool = True
    """Keep the images in memory, at CLIP's size, once they are read."""
    workers: Annotated[int, Range(1, 256)] = 1
    """Threads that make batches ahead; their number changes no result."""
    score_split: str = 'val'
    """The split on which adapters are compared with CLIP at the end; 'none' compares nothing."""
    score_frames: Annotated[int, Range(0, 10**9)] = 500
    """At most so many frames of each data set then; 0 takes all."""
    precision: Annotated[str, OneOf((AUTO_PRECISION, *PRECISION_NAMES))] = AUTO_PRECISION
    """Number format; 'auto' takes bf16 where the hardware computes it."""
    device: Annotated[str, OneOf(DEVICES)] = 'auto'
    """'auto' takes CUDA where there is one."""
    checkpoint_minutes: Annotated[float, Range(0, 1e6)] = 5
    """Minutes from one saved state to the next."""
    checkpoint_steps: Annotated[int, Range(0, 10**9)] = 0
    """Also save every so many steps; 0 goes by the clock alone."""
    log_steps: Annotated[int, Range(1, 10**6)] = 10
    """Steps from one line of metrics.csv to the next."""

    def __post_init__(self) -> None:
        check_settings('', self)
        if not self.sets:
            raise ConfigError('sets is empty; allowed: one data set at least')

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in the YAML files."""
        sets = [{**asdict(each), 'modalities': list(each.modalities),
                 'conditions': list(each.conditions)} for each in self.sets]
        return {**asdict(self), 'sets': sets}

    @classmethod
    def from_yaml(cls, path: str | Path, overrides: tuple[str, ...] = ()) -> MaClipConfig:
        """Reads a recipe, with ``key=value`` overrides.

        Raises:
            ConfigError: naming the file or the override and what is wrong with it.
        """
        data = read_recipe(Path(path), overrides)
        try:
            return read_section(cls, '', data)
        except ConfigError as error:
            raise ConfigError(f'{path}: {error}') from None
