# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A recording read by a thread of its own, as far ahead as memory is given for it. Layer: bags."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable

from anymodal_seg_ros.bags.reading import BagMessage

MAX_BYTES = 2**28
"""Of messages that wait; a single one may be larger."""


class ReadAhead:
    """Iterates over messages that another thread takes from their source, in the same order.

    At most ``max_messages`` and ``MAX_BYTES`` wait. What ended the source is raised where it is
    iterated over. ``stop`` ends the thread, also in the midst.
    """

    def __init__(self, source: Iterable[BagMessage], max_messages: int) -> None:
        self._source = source
        self._max_messages = max_messages
        self._changed = threading.Condition()
        self._waiting: deque[BagMessage] = deque()
        self._num_bytes = 0
        self._error: Exception | None = None
        self._is_over = False
        self._stopped = False
        self._thread = threading.Thread(target=self._read, name='bag_reader', daemon=True)
        self._thread.start()

    def __iter__(self) -> ReadAhead:
        return self

    def __next__(self) -> BagMessage:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_over)
            if self._waiting:
                message = self._waiting.popleft()
                self._num_bytes -= len(message.cdr)
                self._changed.notify_all()
                return message
        if self._error is not None:
            raise self._error
        raise StopIteration

    def stop(self) -> None:
        """End the thread; it ends with the message that it reads."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join()

    def _read(self) -> None:
        try:
            for message in self._source:
                if not self._put(message):
                    break
        except Exception as error:  # noqa: BLE001 - who iterates raises it again
            self._error = error
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def _put(self, message: BagMessage) -> bool:
        """Whether it was taken: False when told to stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._has_room_for(message))
            if self._stopped:
                return False
            self._waiting.append(message)
            self._num_bytes += len(message.cdr)
            self._changed.notify_all()
            return True

    def _has_room_for(self, message: BagMessage) -> bool:
        return not self._waiting or (
            len(self._waiting) < self._max_messages
            and self._num_bytes + len(message.cdr) <= MAX_BYTES)
