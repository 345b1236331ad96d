# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SIGINT and SIGTERM as a request to stop between two steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from anymodal_seg_ros.stopping import signals_to


@contextmanager
def stopped_by_signals() -> Iterator[Callable[[], bool]]:
    """Says whether SIGINT or SIGTERM came; the run then ends between two steps."""
    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        if stopped:
            raise KeyboardInterrupt
        stopped = True

    with signals_to(stop):
        yield lambda: stopped
