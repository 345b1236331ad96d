# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The synchronizer behind the message_filters protocol, for several threads. Layer: sync."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.samples import Sample, SampleSet
from anymodal_seg_ros.sync.config import InputConfig, SyncConfig
from anymodal_seg_ros.sync.synchronizer import Synchronizer, SyncStats

logger = logging.getLogger(__name__)


class MessageFilter(Protocol):
    """Anything that message_filters calls a filter, for example a Subscriber."""

    def registerCallback(self, cb: Callable[..., Any], *args: Any) -> Any:  # noqa: ANN401
        """Have ``cb(message, *args)`` called for every message."""


class SynchronizerFilter:
    """Feeds a Synchronizer from message_filters subscribers and passes its sets on.

    ``decode(modality, message, received_ns)`` makes the Sample; a BadMessageError from it is
    counted and logged. ``now_ns()`` reads the clock of the stamps. The caller's timer calls
    ``expire`` when ``next_deadline`` says so.

    Every method may be called from any thread. Decoding, the callbacks and the synchronizer's
    ``on_drop`` run outside the lock; sets reach the callbacks in order and one at a time, so
    that a callback may call any method here. A raising callback is logged and counted.
    """

    def __init__(
        self,
        sync: Synchronizer,
        inputs: Sequence[tuple[str, MessageFilter]],
        decode: Callable[[str, Any, int], Sample],
        now_ns: Callable[[], int],
    ) -> None:
        self._sync = sync
        self._decode = decode
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._on_drop = sync.on_drop
        sync.on_drop = self._enqueue_drop
        self._callbacks: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        self._outbox: deque[SampleSet | tuple[Sample, str]] = deque()
        self._is_delivering = False
        self.num_bad_messages = 0
        self.num_callback_errors = 0
        """Times that a callback or ``on_drop`` raised."""
        for modality, message_filter in inputs:
            message_filter.registerCallback(self._receive, modality)

    def registerCallback(self, cb: Callable[..., Any], *args: Any) -> int:  # noqa: ANN401
        """Have ``cb(sample_set, *args)`` called for every set; returns the connection's index."""
        with self._lock:
            self._callbacks = [*self._callbacks, (cb, args)]
            return len(self._callbacks) - 1

    def next_deadline(self) -> int | None:
        """See Synchronizer.next_deadline."""
        with self._lock:
            return self._sync.next_deadline()

    def expire(self) -> None:
        """Pass on the sets whose deadline has passed."""
        self._run(self._sync.expire)

    def flush(self) -> None:
        """Pass on all open sets and drop the other samples."""
        self._run(self._sync.flush)

    def set_trusted(self, modalities: frozenset[str]) -> None:
        """See Synchronizer.set_trusted."""
        self._run(lambda now_ns: self._sync.set_trusted(modalities, now_ns))

    def reconfigure(self, inputs: Mapping[str, InputConfig], config: SyncConfig) -> None:
        """See Synchronizer.reconfigure."""
        self._run(lambda now_ns: self._sync.reconfigure(inputs, config, now_ns))

    def reset(self, reason: str) -> None:
        """See Synchronizer.reset."""
        with self._lock:
            self._sync.reset(reason)
        self._deliver()

    def stats(self) -> SyncStats:
        """See Synchronizer.stats."""
        with self._lock:
            return self._sync.stats()

    def _receive(self, message: Any, modality: str) -> None:  # noqa: ANN401
        received_ns = self._now_ns()
        try:
            sample = self._decode(modality, message, received_ns)
        except BadMessageError as error:
            with self._lock:
                self.num_bad_messages += 1
            logger.warning('%s message dropped: %s', modality, error)
            return
        self._run(lambda now_ns: self._sync.add(sample, now_ns))

    def _run(self, operation: Callable[[int], list[SampleSet]]) -> None:
        now_ns = self._now_ns()
        with self._lock:
            self._outbox.extend(operation(now_ns))
        self._deliver()

    def _enqueue_drop(self, sample: Sample, reason: str) -> None:
        if self._on_drop is not None:
            self._outbox.append((sample, reason))

    def _deliver(self) -> None:
        """Empty the outbox, unless another thread or an outer call is at it already."""
        while True:
            with self._lock:
                if self._is_delivering or not self._outbox:
                    return
                self._is_delivering = True
                item = self._outbox.popleft()
                callbacks = self._callbacks
            try:
                if isinstance(item, SampleSet):
                    for callback, args in callbacks:
                        self._call(callback, item, *args)
                elif self._on_drop is not None:
                    self._call(self._on_drop, *item)
            finally:
                with self._lock:
                    self._is_delivering = False

    def _call(self, callback: Callable[..., Any], *args: Any) -> None:  # noqa: ANN401
        try:
            callback(*args)
        except Exception:
            with self._lock:
                self.num_callback_errors += 1
            logger.exception('a callback of the synchronizer raised')
