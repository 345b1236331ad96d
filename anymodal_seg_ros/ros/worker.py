# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One thread that works on the newest item only, so that a slow network never queues up work."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from anymodal_seg_ros.defects import DefectLog

T = TypeVar('T')


class LatestSlot(Generic[T]):
    """Holds at most one item; a newer one replaces it. Safe between threads."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._item: T | None = None
        self._closed = False

    def put(self, item: T) -> T | None:
        """Store ``item``; returns the older one that nobody took, or None."""
        with self._condition:
            dropped, self._item = self._item, item
            self._condition.notify()
        return dropped

    def take(self) -> T | None:
        """Wait for an item and remove it; None once the slot is closed."""
        with self._condition:
            self._condition.wait_for(lambda: self._closed or self._item is not None)
            if self._closed:
                return None
            item, self._item = self._item, None
        return item

    def clear(self) -> T | None:
        """Remove and return what is waiting, if anything."""
        with self._condition:
            item, self._item = self._item, None
        return item

    def close(self) -> None:
        """Wake ``take`` for good."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()


class LatestWorker(Generic[T]):
    """Runs ``work(item)`` for the newest submitted item in a thread of its own.

    Args:
        work: called in the thread, one item at a time.
        on_error: called in the thread with what ``work`` raised, whatever it is: a thread that
            ends without a word leaves a node that looks alive and labels nothing.
    """

    def __init__(
        self, name: str, work: Callable[[T], None], on_error: Callable[[Exception], None]
    ) -> None:
        self._work = work
        self._on_error = on_error
        self._slot: LatestSlot[T] = LatestSlot()
        self._log = DefectLog(logging.getLogger(__name__).error)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, item: T) -> T | None:
        """Hand over ``item`` at once; returns an older one that is dropped, or None."""
        return self._slot.put(item)

    def discard(self) -> T | None:
        """Take back what has not been started yet."""
        return self._slot.clear()

    def stop(self, timeout_s: float) -> bool:
        """End the thread after its present item; False when it has not ended in time."""
        self._slot.close()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (item := self._slot.take()) is not None:
            try:
                self._work(item)
            except Exception as error:  # noqa: BLE001 - it is handed on
                self._log.add(self._thread.name, error)
                self._on_error(error)
