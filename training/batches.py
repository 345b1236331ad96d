# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training batches, made ahead in a background thread. Every batch depends on the seed and its
position alone, so a resumed run sees what an uninterrupted one would have seen."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.augment import augment, draw_subset, presence_row
from training.config import StageConfig, TrainConfig
from training.datasets import Frame, FrameCache

QUEUE_LENGTH = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """What one optimiser step sees."""

    images: dict[str, Tensor]
    """Modality to uint8 [B, 3, H, W]; black where a sample lacks it."""
    labels: Tensor
    """int64 [B, H, W], 255 unlabelled."""
    present: Tensor
    """bool [B, M], in the order of the model's modalities."""
    end: int
    """Samples seen by all ranks when this batch is done."""


class BatchMaker:
    """Makes the batch of any position in the endless stream of shuffled epochs."""

    def __init__(
        self, frames: FrameCache, config: TrainConfig, modalities: Sequence[str], rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self._frames = frames
        self._config = config
        self._modalities = tuple(modalities)
        self._rank = rank
        self._world_size = world_size

    def frame_index(self, position: int) -> int:
        """Every frame once in each epoch, in an order that depends on seed and epoch."""
        epoch, offset = divmod(position, len(self._frames))
        return int(_permutation(len(self._frames), self._config.seed, epoch)[offset])

    def make(self, position: int, stage: StageConfig) -> Batch:
        """This rank's batch of the ``world_size`` batches that begin at ``position``."""
        first = position + self._rank * stage.batch
        frames = [self._sample(p, stage.crop_px) for p in range(first, first + stage.batch)]
        blank = np.zeros((stage.crop_px, stage.crop_px, 3), np.uint8)
        images = {}
        for name in self._modalities:
            if any(name in frame.images for frame in frames):
                stack = np.stack([frame.images.get(name, blank) for frame in frames])
                images[name] = torch.from_numpy(stack).permute(0, 3, 1, 2)
        labels = np.stack([frame.labels for frame in frames]).astype(np.int64)
        present = np.stack([presence_row(tuple(f.images), self._modalities) for f in frames])
        return Batch(
            images=images, labels=torch.from_numpy(labels),
            present=torch.from_numpy(present), end=self.end(position, stage))

    def end(self, position: int, stage: StageConfig) -> int:
        """The position after the batches of all ranks."""
        return position + stage.batch * self._world_size

    def _sample(self, position: int, crop_px: int) -> Frame:
        rng = np.random.default_rng([self._config.seed, 1, position])
        frame = self._frames[self.frame_index(position)]
        available = [name for name in self._modalities if name in frame.images]
        kept = draw_subset(available, self._config.dropout, rng)
        frame = Frame(id=frame.id, condition=frame.condition, failure=frame.failure,
                      images={name: frame.images[name] for name in kept}, labels=frame.labels)
        return augment(frame, self._config.augment, crop_px, rng)


def stream(
    maker: BatchMaker, config: TrainConfig, start: int, progress: Callable[[int], float]
) -> Iterator[Batch]:
    """Batches from position ``start`` until ``progress(position)`` reaches 1."""
    with ThreadPoolExecutor(1, thread_name_prefix='batches') as pool:
        pending: deque[Future[Batch]] = deque()
        position = start
        try:
            while True:
                while len(pending) < QUEUE_LENGTH and progress(position) < 1.0:
                    stage = config.stage_at(progress(position))
                    pending.append(pool.submit(maker.make, position, stage))
                    position = maker.end(position, stage)
                if not pending:
                    return
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


@lru_cache(maxsize=2)
def _permutation(length: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng([seed, 0, epoch]).permutation(length)
