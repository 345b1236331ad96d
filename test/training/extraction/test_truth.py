# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which label image belongs to a set."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.extraction.truth import Truth

STAMPS = st.integers(1_700_000_000_000_000_000, 1_700_000_000_000_000_200)


@given(st.sets(STAMPS, max_size=8), STAMPS, st.integers(0, 100))
def test_nearest_in_time_and_of_two_the_older(stamps, stamp_ns, max_offset_ns):
    truth = Truth(folder=Path(), stamps_ns=tuple(sorted(stamps)), max_offset_ns=max_offset_ns,
                  rejected={})
    wanted = None
    if stamps:
        table = np.array(sorted(stamps))
        nearest = int(table[np.abs(table - stamp_ns).argmin()])
        wanted = nearest if abs(nearest - stamp_ns) <= max_offset_ns else None
    assert truth.nearest_ns(stamp_ns) == wanted
