# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether something is at a path. Layer: ground.

A name that no file can have (too long, with a zero in it) and a place that may not be looked into
hold nothing, where ``pathlib`` raises OSError before Python 3.14. Such names come from files as
much as from users.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def exists(path: Path) -> bool:
    """Whether anything is there."""
    return _ask(path.exists)


def is_file(path: Path) -> bool:
    """Whether a file is there."""
    return _ask(path.is_file)


def is_dir(path: Path) -> bool:
    """Whether a folder is there."""
    return _ask(path.is_dir)


def _ask(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except (OSError, ValueError):
        return False
