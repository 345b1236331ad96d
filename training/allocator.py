# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Memory of a training step that is used again by the next one.

glibc gives freed blocks of 32 MiB and more back to the system at once. Activations of a batch are
of that size, and on a CPU the page faults of getting them anew take a sixth of a step.
"""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
LARGEST_INT = 2**31 - 1


def keep_freed_memory() -> bool:
    """Tell glibc to keep what the process frees; False where the C library is another one.

    Holds for the rest of the process, which then occupies what its largest step needed.
    """
    if not sys.platform.startswith('linux'):
        return False
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is None:
        return False
    settings = (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD)
    return all(mallopt(setting, LARGEST_INT) == 1 for setting in settings)
