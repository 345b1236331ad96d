# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a data set fits into memory."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from anymodal_seg_ros.errors import ConfigError
from training.datasets import Frame, Frames

MAX_SHARE = 0.8
"""Of the available memory; the rest is for the network and its batches."""
MEMINFO = Path('/proc/meminfo')
_GIB = 1 << 30


def check_cache(caches: Sequence[Frames]) -> None:
    """Check that the processes of this machine can keep all frames.

    Args:
        caches: of each data set, with frames at the size in which they are kept.

    Raises:
        ConfigError: they would take more than ``MAX_SHARE`` of the available memory.
    """
    available = available_bytes()
    if available is None:
        return
    processes = int(os.environ.get('LOCAL_WORLD_SIZE', '1'))
    num_frames = sum(len(frames) for frames in caches)
    needed = sum(_num_bytes(frames[0]) * len(frames) for frames in caches) * processes
    if needed > MAX_SHARE * available:
        times = f' in each of {processes} processes' if processes > 1 else ''
        raise ConfigError(f'data.cache: {needed / _GIB:.1f} GiB for {num_frames} frames{times}, '
                          f'{available / _GIB:.1f} GiB free; set data.cache=false')


def _num_bytes(frame: Frame) -> int:
    return sum(array.nbytes for array in (frame.labels, *frame.images.values()))


def available_bytes() -> int | None:
    """What can be had without swapping; None where the system does not say."""
    try:
        # Not SC_AVPHYS_PAGES: it takes the files that Linux keeps in spare memory for used.
        found = re.search(r'^MemAvailable:\s+(\d+) kB', MEMINFO.read_text(encoding='ascii'), re.M)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None
