# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training batches, made ahead in background threads. Every batch depends on the seed and its
position alone, so a resumed run sees what an uninterrupted one would have seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from anymodal_seg_ros.models import NetworkConfig
from training.augment import augment, degrade, draw_subset
from training.batch import Batch
from training.datasets import Frame, JoinedFrames
from training.frame_batches import Workers
from training.sampling import build_sampler
from training.train_config import StageConfig, TrainConfig


class BatchMaker:
    """Makes the batch of any position in the endless stream of shuffled epochs.

    Args:
        frames: decoded frames of the data sets that the recipe names.
        config: the recipe.
        network: whose input the images are.
        with_teacher: also make the images of a teacher that sees every sensor.
        rank, world_size: of the processes that share the stream.
    """

    def __init__(
        self, frames: JoinedFrames, config: TrainConfig, network: NetworkConfig, *,
        with_teacher: bool = False, rank: int = 0, world_size: int = 1,
    ) -> None:
        self._frames = frames
        self._config = config
        self.sampler = build_sampler(config, frames, network.modalities)
        self._modalities, self._mean = network.modalities, network.mean
        self._with_teacher = with_teacher
        self._rank = rank
        self._world_size = world_size
        self.guidance: Tensor | None = None
        """float32 [N, G, D] by the frame's index, for a network that wants one."""

    def make(self, position: int, stage: StageConfig) -> Batch:
        """This rank's batch of the ``world_size`` batches that begin at ``position``."""
        first = position + self._rank * stage.batch
        positions = range(first, first + stage.batch)
        pairs = [self._sample(p, stage.crop_px) for p in positions]
        students = [student for student, _ in pairs]
        teachers = [teacher for _, teacher in pairs] if self._with_teacher else students
        labels = np.stack([frame.labels for frame in students]).astype(np.int64)
        return Batch(
            images=self._stacked(students, stage.crop_px),
            labels=torch.from_numpy(labels),
            present=self._presence(students),
            teacher_images=self._stacked(teachers, stage.crop_px) if self._with_teacher else {},
            available=self._presence(teachers),
            source=torch.tensor([self._frames.source_of(self.sampler.frame_index(p))
                                 for p in positions]),
            guidance=self._guidance_at(positions),
            end=self.end(position, stage))

    def _guidance_at(self, positions: Sequence[int]) -> Tensor | None:
        if self.guidance is None:
            return None
        return self.guidance[[self.sampler.frame_index(p) for p in positions]]

    def end(self, position: int, stage: StageConfig) -> int:
        """The position after the batches of all ranks."""
        return position + stage.batch * self._world_size

    def _sample(self, position: int, crop_px: int) -> tuple[Frame, Frame]:
        """The student's sample, and the same crop with every sensor."""
        rng = np.random.default_rng([self._config.seed, 1, position])
        frame = self._frames[self.sampler.frame_index(position)]
        available = [name for name in self._modalities if name in frame.images]
        kept = available
        if self._config.dropout.mode != 'none' or self._config.dropout.weights:
            kept = list(draw_subset(available, self._config.dropout, rng))
        # Without a teacher nobody sees the dropped ones: they need not be augmented.
        wanted = available if self._with_teacher else kept
        whole = augment(_only(frame, wanted), self._config.augment, crop_px, rng)
        student = degrade(_only(whole, kept), self._config.augment, rng, self._mean)
        return student, whole

    def _stacked(self, frames: Sequence[Frame], crop_px: int) -> dict[str, Tensor]:
        stacked = {}
        for name in self._modalities:
            given = [frame.images.get(name) for frame in frames]
            example = next((image for image in given if image is not None), None)
            if example is not None:
                blank = np.zeros((crop_px, crop_px, 3), example.dtype)
                stack = np.stack([blank if image is None else image for image in given])
                stacked[name] = torch.from_numpy(stack).permute(0, 3, 1, 2)
        return stacked

    def _presence(self, frames: Sequence[Frame]) -> Tensor:
        return torch.tensor([[name in frame.images for name in self._modalities]
                             for frame in frames])


def _only(frame: Frame, names: Sequence[str]) -> Frame:
    return replace(frame, images={name: frame.images[name] for name in names})


def stream(
    maker: BatchMaker, config: TrainConfig, start: int, progress: Callable[[int], float]
) -> Iterator[Batch]:
    """Batches from position ``start`` until ``progress(position)`` reaches 1."""
    def places() -> Iterator[tuple[int, StageConfig]]:
        position = start
        while (done := progress(position)) < 1.0:
            stage = config.stage_at(done)
            yield position, stage
            position = maker.end(position, stage)

    with Workers(config.data.workers) as workers:
        yield from workers.map(lambda place: maker.make(*place), places())
