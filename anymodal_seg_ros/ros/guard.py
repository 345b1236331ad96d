# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The last guard around every callback: a defect costs what was being done, not the node."""

from __future__ import annotations

import functools
import time
import traceback
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from rclpy.exceptions import InvalidHandle
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

P = ParamSpec('P')
R = TypeVar('R')
RECENT_NS = 5_000_000_000


def one_line(error: BaseException) -> str:
    """Its type and the first line of what it says."""
    lines = str(error).splitlines()
    return f'{type(error).__name__}: {lines[0] if lines else ""}'


class Guard:
    """Counts by source what callbacks raise by accident, logs each kind once, and lets go on.

    A kind is a source, a type and the line that raised; its first one is logged with its
    traceback. Not thread-safe: it belongs to the thread of the executor.

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
        self._logged: set[tuple[str, type[Exception], str, int | None]] = set()

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
        place = traceback.extract_tb(error.__traceback__)[-1:]
        file, line = (place[0].filename, place[0].lineno) if place else ('', None)
        kind = source, type(error), file, line
        if kind not in self._logged:
            self._logged.add(kind)
            trace = ''.join(traceback.format_exception(error)).rstrip()
            self._node.get_logger().error(
                f'a defect, please report it; it costs what was being done: {self.last}\n{trace}')
