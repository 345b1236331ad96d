# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether one sensor keeps to one rate, whatever is usual of it. Health layer."""

from __future__ import annotations

import statistics
from collections import deque

SETTLED_NS = 30_000_000_000
SETTLED_COUNT = 20
MAX_STRAYS = 2
EVENNESS = 1.25


class Settling:
    """Watches the intervals of a sensor's stamps for a rate that it has settled at.

    A driver that was set to another rate sends evenly; a sensor that loses messages on its way
    leaves gaps of one, two or seven periods. So a rate counts as chosen when it was kept for 30 s:
    of any 20 intervals in a row all but two within a factor of 1.25 of their median.
    """

    def __init__(self) -> None:
        self._recent: deque[int] = deque(maxlen=SETTLED_COUNT)
        self._kept_ns = 0

    def add(self, interval_ns: int) -> int | None:
        """Returns the period in ns that has been kept for long enough, or None."""
        self._recent.append(interval_ns)
        period_ns = int(statistics.median(self._recent))
        strays = sum(not period_ns / EVENNESS <= one <= period_ns * EVENNESS
                     for one in self._recent)
        if strays > MAX_STRAYS or len(self._recent) < SETTLED_COUNT:
            self._kept_ns = 0
            return None
        # An outage is no time in which a rate was kept.
        self._kept_ns += min(interval_ns, 2 * period_ns)
        return period_ns if self._kept_ns >= SETTLED_NS else None
