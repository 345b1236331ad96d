# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Batches of MA-CLIP: the camera's image, another sensor's, and the caption of their scene."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models.segrgbx.clip_tower import whole_square
from training.datasets import Frame, FrameSource, JoinedFrames
from training.datasets.frames import Image
from training.frame_batches import Workers
from training.ma_clip.config import CAMERA, MaClipConfig
from training.sampling import EpochSampler

UInt8 = npt.NDArray[np.uint8]


class SquareFrames:
    """A data set's frames as CLIP sees them, without labels, kept once they are read.

    Args:
        source: the data set.
        side_px: of the squares that its images become.
        keep: False reads every frame anew.
    """

    def __init__(self, source: FrameSource, side_px: int, *, keep: bool) -> None:
        self._source = source
        self._side_px = side_px
        self._keep = keep
        self._frames: dict[int, Frame] = {}

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Frame:
        found = self._frames.get(index)
        if found is None:
            frame = self._source[index]
            images: dict[str, Image] = {name: _square(image, self._side_px)
                                        for name, image in frame.images.items()}
            found = replace(frame, images=images, labels=np.empty((0, 0), np.uint8))
            if self._keep:
                self._frames[index] = found
        return found


@dataclass(frozen=True, kw_only=True)
class CaptionedFrames:
    """A data set, and of which of all texts each of its frames is."""

    frames: SquareFrames
    captions: Mapping[str, int]
    """Frame id to the number of a text."""
    modalities: tuple[str, ...]
    """Beside the camera."""
    weight: float
    description: Mapping[str, Any]
    """Of the data set, for the provenance."""

    def caption(self, frame: Frame) -> int:
        """Raises ConfigError for a frame without one."""
        if frame.id not in self.captions:
            raise ConfigError(f'frame {frame.id!r} has no caption; {len(self.captions)} others '
                              'have one')
        return self.captions[frame.id]


@dataclass(frozen=True, kw_only=True)
class PairBatch:
    """Pairs of one sensor."""

    modality: str
    images: dict[str, Tensor]
    """uint8 [B, 3, S, S] of the camera and of that sensor."""
    caption_B: Tensor
    """int64, numbers of texts."""


class PairMaker:
    """The batch of any step, by the seed and the step's number alone.

    In an epoch every sensor has as many steps as its pairs fill, in an order that is drawn anew.

    Raises:
        ConfigError: no data set has another sensor beside the camera.
    """

    def __init__(self, sets: Sequence[CaptionedFrames], config: MaClipConfig) -> None:
        self._config = config
        self.modalities = tuple(dict.fromkeys(m for each in sets for m in each.modalities))
        if not self.modalities:
            raise ConfigError(f'no sensor beside {CAMERA}; allowed: one at least')
        self._sets = {m: [each for each in sets if m in each.modalities] for m in self.modalities}
        self._joined = {m: JoinedFrames([each.frames for each in chosen])
                        for m, chosen in self._sets.items()}
        self._samplers = {m: EpochSampler(self._joined[m].lengths, [s.weight for s in chosen],
                                          config.seed) for m, chosen in self._sets.items()}
        self._steps = tuple(-(-self._samplers[m].samples_per_epoch // config.batch)
                            for m in self.modalities)

    @property
    def steps_per_epoch(self) -> int:
        """Of all sensors together."""
        return sum(self._steps)

    def stream(self, start: int, end: int) -> Iterator[PairBatch]:
        """The batches of steps ``start`` to ``end``, made ahead."""
        with Workers(self._config.workers) as workers:
            yield from workers.map(self.make, range(start, end))

    def make(self, step: int) -> PairBatch:
        """The batch of one step."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = _order(self._steps, self._config.seed, epoch)
        number = order[place]
        modality = self.modalities[number]
        before = epoch * self._steps[number] + int((order[:place] == number).sum())
        pairs = [self._pair(modality, before * self._config.batch + i)
                 for i in range(self._config.batch)]
        return PairBatch(
            modality=modality,
            images={name: torch.from_numpy(np.stack([images[name] for images, _ in pairs]))
                    for name in (CAMERA, modality)},
            caption_B=torch.tensor([caption for _, caption in pairs]))

    def _pair(self, modality: str, position: int) -> tuple[dict[str, UInt8], int]:
        joined = self._joined[modality]
        index = self._samplers[modality].frame_index(position)
        for offset in range(len(joined)):
            candidate = (index + offset) % len(joined)
            frame = joined[candidate]
            # In a recording a sensor may be missing from single frames.
            if CAMERA in frame.images and modality in frame.images:
                break
        else:
            raise ConfigError(f'no frame has both {CAMERA} and {modality}')
        caption = self._sets[modality][joined.source_of(candidate)].caption(frame)
        images = {name: frame.images[name] for name in (CAMERA, modality)}
        if np.random.default_rng([self._config.seed, 4, position]).random() < self._config.flip:
            images = {name: image[:, :, ::-1] for name, image in images.items()}
        return images, caption


@lru_cache(maxsize=2)
def _order(steps: tuple[int, ...], seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """Which sensor each step of an epoch is of."""
    order: npt.NDArray[np.int64] = np.random.default_rng([seed, 3, epoch]).permutation(
        np.repeat(np.arange(len(steps)), steps))
    return order


def _square(image: Image, side_px: int) -> UInt8:
    """uint8 [3, S, S] of [H, W, 3] in 0..255."""
    x_1CHW = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
    square: UInt8 = whole_square(x_1CHW, side_px)[0].round().to(torch.uint8).numpy()
    return square
