# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Errors that nobody meant to raise: shown once each, with their traceback. Layer: ground."""

from __future__ import annotations

import traceback
from collections.abc import Callable


def one_line(error: BaseException) -> str:
    """Its type and the first line of what it says."""
    lines = str(error).splitlines()
    return f'{type(error).__name__}: {lines[0] if lines else ""}'


class DefectLog:
    """Says the first error of each kind: a source, a type and the line that raised it.

    Args:
        say: what logs a text, which has several lines.
    """

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._said: set[tuple[str, type[Exception], str, int | None]] = set()

    def add(self, source: str, error: Exception) -> None:
        place = traceback.extract_tb(error.__traceback__)[-1:]
        file, line = (place[0].filename, place[0].lineno) if place else ('', None)
        kind = source, type(error), file, line
        if kind not in self._said:
            self._said.add(kind)
            trace = ''.join(traceback.format_exception(error)).rstrip()
            self._say(f'a defect, please report it; it costs what was being done: {source}: '
                      f'{one_line(error)}\n{trace}')
