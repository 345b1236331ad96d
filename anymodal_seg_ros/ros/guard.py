# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The last guard around every callback: a defect costs what was being done, not the node."""

from __future__ import annotations

import functools
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from rclpy.exceptions import InvalidHandle
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from anymodal_seg_ros.defects import DefectLog, one_line

P = ParamSpec('P')
R = TypeVar('R')
RECENT_NS = 5_000_000_000


class Guard:
    """Counts by source what callbacks raise by accident, logs each kind once, and lets go on.

    Not thread-safe: it belongs to the thread of the executor.

    Args:
        passing: errors on purpose, which go through.
    """

    def __init__(self, node: Node, passing: tuple[type[Exception], ...]) -> None:
        self.counts: Counter[str] = Counter()
        self.last = ''
        """Source and text of the newest error."""
        self._node = node
        self._passing = passing
        self._last_ns = 0
        self._log = DefectLog(lambda text: node.get_logger().error(text))

    def is_happening(self) -> bool:
        """Whether the newest error is younger than five seconds."""
        return bool(self.counts) and time.monotonic_ns() - self._last_ns < RECENT_NS

    def wrap(self, source: str, callback: Callable[P, R]) -> Callable[P, R | None]:
        """The callback under guard; it returns None where it would have raised."""
        @functools.wraps(callback)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R | None:
            with self.watch(source):
                return callback(*args, **kwargs)
            return None

        return guarded

    @contextmanager
    def watch(self, source: str) -> Generator[None, None, None]:
        """A block that ends where it raises; what comes after it is done all the same."""
        try:
            yield
        except self._passing:
            raise
        except Exception as error:
            if isinstance(error, (InvalidHandle, RuntimeError)) and not self._node.context.ok():
                # Publishing fails so once ROS was shut down from outside.
                raise ExternalShutdownException from error
            self._note(source, error)

    def _note(self, source: str, error: Exception) -> None:
        self.counts[source] += 1
        self.last = f'{source}: {one_line(error)}'
        self._last_ns = time.monotonic_ns()
        self._log.add(source, error)
