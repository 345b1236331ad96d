# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One sensor's queue, with tolerances to the nanosecond."""

import numpy as np
import pytest

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.samples import Sample
from anymodal_seg_ros.sync import DEFAULT_INPUTS
from anymodal_seg_ros.sync.sample_queue import SampleQueue
from anymodal_seg_ros.sync.sync_config import SyncConfig, SyncInputConfig, to_ns

MS = 1_000_000


def sample_at(stamp_ns):
    return Sample(modality='rgb', stamp_ns=stamp_ns, received_ns=stamp_ns, frame_id='camera',
                  data=np.zeros((1, 1, 3), np.uint8))


def queue_with(*stamps_ns, **settings):
    settings.setdefault('tolerance_s', 0.05)
    queue = SampleQueue('rgb', SyncInputConfig(**settings), SyncConfig())
    for stamp_ns in stamps_ns:
        queue.insert(sample_at(stamp_ns), stamp_ns)
    return queue


@pytest.mark.parametrize(('floor_ns', 'keep_reference', 'kept'), [
    (0, True, [10, 30, 40]),
    (0, False, [20, 30, 40]),
    # The oldest may be no reference any more: it goes first.
    (10, True, [20, 30, 40]),
    (10, False, [20, 30, 40]),
])
def test_the_oldest_goes_but_for_the_reference_of_an_open_set(floor_ns, keep_reference, kept):
    queue = queue_with(10, 20, 30, 40, max_queue=3)
    queue.floor_ns = floor_ns
    [evicted] = queue.evict(keep_reference=keep_reference)
    assert sorted({10, 20, 30, 40} - {evicted.stamp_ns}) == kept
    assert queue.evict(keep_reference=keep_reference) == []


@pytest.mark.parametrize(('offset_ns', 'ahead_ns', 'is_found'), [
    (-50 * MS, 0, True), (-50 * MS - 1, 0, False),
    (50 * MS, 99 * MS, True), (50 * MS + 1, 99 * MS, False),
    (20 * MS, 20 * MS, True), (20 * MS, 20 * MS - 1, False), (0, 0, True),
])
def test_a_sample_fits_up_to_its_tolerance_and_ahead_up_to_what_is_allowed(
        offset_ns, ahead_ns, is_found):
    found = queue_with(1000 * MS + offset_ns).find_fresh(1000 * MS, ahead_ns)
    assert (found is not None) == is_found


@pytest.mark.parametrize(('offset_ns', 'is_found'), [
    (-120 * MS, True), (-120 * MS - 1, False), (0, True), (1, False)])
def test_an_aged_sample_serves_up_to_its_age(offset_ns, is_found):
    queue = queue_with(1000 * MS + offset_ns, max_age_s=0.12)
    assert (queue.find_aged(1000 * MS) is not None) == is_found


@pytest.mark.parametrize('stamp_ns', [100, 200])
def test_a_set_leaves_nothing_older_behind(stamp_ns):
    queue = queue_with(50, 100, 200, 300, tolerance_s=1e-9)
    assert [sample.stamp_ns for sample in queue.settle(stamp_ns, None)] == [
        stamp for stamp in (50, 100, 200) if stamp <= stamp_ns]
    used = queue.reference
    assert queue.settle(used.stamp_ns, used) == [] and queue.last_used_ns == used.stamp_ns


@pytest.mark.parametrize(('period_ms', 'floor_ms'), [(100, 50), (60, 30), (4, 2)])
def test_without_its_own_sample_a_set_bars_references_for_half_a_period(period_ms, floor_ms):
    """Up to the tolerance, 50 ms here: what comes nearer belongs to the set that went out."""
    queue = queue_with()
    for stamp_ns in range(0, 10 * period_ms * MS, period_ms * MS):
        queue.arrival.observe(stamp_ns, stamp_ns + MS)
    queue.settle(1000 * MS, None)
    assert queue.floor_ns == (1000 + floor_ms) * MS


@pytest.mark.parametrize(('offset_ms', 'reason'), [(50, 'not_arrived'), (60, 'not_arrived'),
                                                   (61, 'no_match')])
def test_what_is_expected_may_be_off_by_the_tolerance_and_by_how_far_its_stamps_stray(
        offset_ms, reason):
    queue = queue_with()
    queue.arrival.observe(0, 0)
    queue.arrival.observe(1000 * MS, 1000 * MS)
    queue.arrival.period_slack_ns = 10 * MS
    _, said = queue.expect((2000 - offset_ms) * MS, 1000 * MS, None, 1001 * MS)
    assert said == reason


def test_a_scan_is_spread_over_its_period_and_lies_in_no_camera_s_plane():
    assert {name: config.is_camera_plane for name, config in DEFAULT_INPUTS.items()} == {
        name: name != 'lidar' for name in MODALITIES}
    scan = DEFAULT_INPUTS['lidar']
    assert (scan.tolerance_s, scan.max_age_s) == (0.055, 0.15), 'at 10 Hz'


def test_seconds_are_whole_nanoseconds():
    assert to_ns(1_000_000.123456789) == 1_000_000_123_456_789


def test_what_may_be_nothing_and_what_may_not():
    assert SyncConfig(arrival_margin_s=0.0, max_future_s=0.0)
    for name in ('max_wait_s', 'max_silence_s', 'max_past_s', 'reset_jump_s'):
        with pytest.raises(ConfigError, match=f'{name} is 0.0; allowed: 0.001 to'):
            SyncConfig(**{name: 0.0})
