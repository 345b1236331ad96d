# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a long run does about a single frame that cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anymodal_seg_ros import limits
from anymodal_seg_ros.errors import ConfigError
from training.datasets.frames import Frame, FrameSource

UNREADABLE_POLICIES = ('error', 'skip')


class ReadableFrames:
    """A data set in which the next readable frame stands in for one that cannot be read.

    The same indices give the same frames in every run. For training only: in a score the frame
    that stands in would count twice.

    Args:
        source: the data set.
        report: gets one line for each such frame, at its first reading.
    """

    def __init__(self, source: FrameSource, report: Callable[[str], None]) -> None:
        self._source = source
        self._report = report
        self.skipped: dict[int, str] = {}
        """Index to problem of the frames that could not be read so far."""

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Frame:
        """Raises ConfigError when no frame at all can be read."""
        length = len(self._source)
        for offset in range(length):
            candidate = (index + offset) % length
            if candidate in self.skipped:
                continue
            try:
                return self._source[candidate]
            except ConfigError as error:
                self.skipped[candidate] = str(error)
                self._report(f'frame {candidate} is skipped, the next one stands in: {error}')
        problem = next(iter(self.skipped.values()), 'there is none')
        raise ConfigError(f'none of {length} frames can be read; the first problem: {problem}')

    def describe(self) -> dict[str, Any]:
        """The source's description and what was skipped so far."""
        return {**self._source.describe(), 'unreadable': 'skip',
                'skipped': [self.skipped[i] for i in sorted(self.skipped)]}


def with_policy(source: FrameSource, policy: str, report: Callable[[str], None]) -> FrameSource:
    """The source as it is for 'error' (an unreadable frame ends the run), else ReadableFrames.

    Raises:
        ConfigError: an unknown policy.
    """
    limits.one_of('unreadable', policy, UNREADABLE_POLICIES)
    return source if policy == 'error' else ReadableFrames(source, report)
