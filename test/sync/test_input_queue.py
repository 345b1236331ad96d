# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a full queue gives up."""

import numpy as np
import pytest

from anymodal_seg_ros.samples import Sample
from anymodal_seg_ros.sync.config import InputConfig, SyncConfig
from anymodal_seg_ros.sync.input_queue import InputQueue


@pytest.mark.parametrize(('floor_ns', 'keep_reference', 'kept'), [
    (0, True, [10, 30, 40]),
    (0, False, [20, 30, 40]),
    # The oldest may be no reference any more: it goes first.
    (10, True, [20, 30, 40]),
    (10, False, [20, 30, 40]),
])
def test_the_oldest_goes_but_for_the_reference_of_an_open_set(floor_ns, keep_reference, kept):
    queue = InputQueue('rgb', InputConfig(tolerance_s=0.05, max_queue=3), SyncConfig())
    for stamp_ns in (10, 20, 30, 40):
        queue.insert(Sample(modality='rgb', stamp_ns=stamp_ns, received_ns=stamp_ns,
                            frame_id='camera', data=np.zeros((1, 1, 3), np.uint8)), stamp_ns)
    queue.floor_ns = floor_ns
    [evicted] = queue.evict(keep_reference=keep_reference)
    assert sorted({10, 20, 30, 40} - {evicted.stamp_ns}) == kept
    assert queue.evict(keep_reference=keep_reference) == []
