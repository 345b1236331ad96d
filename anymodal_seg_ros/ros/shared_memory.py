# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether Fast DDS got the shared memory that this package's profile asks for. Layer: ros.

It goes on without, loses images, and says in its own words that the platform has no shared
memory; mostly a container has too little.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from rclpy.utilities import get_rmw_implementation_identifier

PROFILE_VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
PROFILE = 'fastdds_shm.xml'
SEGMENT_BYTES = 64 * 2**20
"""As the profile has it."""
FOLDER = Path('/dev/shm')
MAPPED_FILES = Path('/proc/self/maps')
_MB = 1e6


def shared_memory_problem() -> str:
    """'' if all is well, to be asked once a node exists; else what is wrong and what to do."""
    profiles = {Path(os.environ.get(name, '')).name for name in PROFILE_VARIABLES}
    if PROFILE not in profiles or 'fastrtps' not in get_rmw_implementation_identifier():
        return ''
    try:
        if _largest_segment() >= SEGMENT_BYTES:
            return ''
        usage = shutil.disk_usage(FOLDER)
    except OSError:
        return ''
    return (f'Fast DDS did not get its shared memory, so large images will be lost: {FOLDER} has '
            f'{usage.free / _MB:.0f} of {usage.total / _MB:.0f} MB free, and each process wants '
            f'{SEGMENT_BYTES / _MB:.0f}. Start a container with --shm-size=1g or --ipc=host; '
            '`fastdds shm clean` removes what killed processes left')


def _largest_segment() -> int:
    """Bytes of Fast DDS's largest segment that this process has mapped; without any 0."""
    sizes = [0]
    for line in MAPPED_FILES.read_text(encoding='utf-8', errors='replace').splitlines():
        addresses, _, rest = line.partition(' ')
        if f' {FOLDER}/fastdds_' in rest:
            start, _, end = addresses.partition('-')
            sizes.append(int(end, 16) - int(start, 16))
    return max(sizes)
