# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of a data set for scoring: read and brought to size ahead by threads, in batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import TypeVar

import numpy as np

from anymodal_seg_ros import limits
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.modalities import network_size
from training.datasets import Frame, Frames, resize_frame

MAX_WORKERS, MAX_BATCH = 256, 4096
QUEUE_LENGTH = 1
"""Results that wait beside those that the threads are at."""
LABEL_SIZES = ('native', 'network')
"""Labels are scored as they are stored, or resized (nearest) with the images, as published tables
do."""

Item = TypeVar('Item')
Result = TypeVar('Result')


class Workers(ExitStack):
    """Threads that work ahead of whoever consumes their results. Use with ``with``.

    Args:
        count: threads; with 0 the consumer works itself, when it asks.

    Raises:
        ConfigError: ``count`` is not allowed.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        limits.whole('workers', count, 0, MAX_WORKERS)
        self._ahead = count + QUEUE_LENGTH
        self._pool = ThreadPoolExecutor(count, 'reading') if count else None
        if self._pool is not None:
            self.callback(self._pool.shutdown, cancel_futures=True)

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Results in the order of the items, whatever the number of threads; an error of
        ``function`` comes where its result would."""
        if self._pool is None:
            yield from map(function, items)
            return
        pending: deque[Future[Result]] = deque()
        for item in items:
            pending.append(self._pool.submit(function, item))
            if len(pending) > self._ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def read_batches(
    frames: Frames, indices: Sequence[int], short_side_px: int, workers: Workers, *,
    batch_size: int, label_size: str = 'native',
    on_unreadable: Callable[[str], None] | None = None,
) -> Iterator[list[Frame]]:
    """Neighbours of one size with the same sensors, ``batch_size`` at most, images at network
    size.

    Args:
        on_unreadable: gets what is wrong with a frame that cannot be read, which is then left
            out; None raises it.

    Raises:
        ConfigError: an argument that is not allowed, or a frame that cannot be read.
    """
    limits.whole('batch size', batch_size, 1, MAX_BATCH)
    limits.one_of('label size', label_size, LABEL_SIZES)

    def read(index: int) -> Frame | None:
        try:
            frame = frames[index]
        except ConfigError as error:
            if on_unreadable is None:
                raise
            on_unreadable(f'frame {index} is not scored: {error}')
            return None
        size_hw = network_size(frame.size_hw, short_side_px)
        return resize_frame(frame, size_hw, labels_too=label_size == 'network')

    read_ahead = workers.map(read, indices)
    yield from alike((frame for frame in read_ahead if frame is not None), batch_size)


def alike(frames: Iterable[Frame], batch_size: int) -> Iterator[list[Frame]]:
    """Neighbours of one size with the same sensors, ``batch_size`` at most."""
    batch: list[Frame] = []
    for frame in frames:
        if batch and (len(batch) == batch_size or _kind(frame) != _kind(batch[0])):
            yield batch
            batch = []
        batch.append(frame)
    if batch:
        yield batch


def _kind(frame: Frame) -> tuple[tuple[int, int], dict[str, np.dtype[np.generic]]]:
    return frame.size_hw, {name: image.dtype for name, image in frame.images.items()}
