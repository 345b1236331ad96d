# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One input of the synchronizer: its waiting samples, its timing and its counts. Layer: sync."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from anymodal_seg_ros.samples import Sample
from anymodal_seg_ros.sync.arrival import NEVER_NS, UNKNOWN_PERIOD_NS, ArrivalModel
from anymodal_seg_ros.sync.sync_config import SyncConfig, SyncInputConfig, to_ns

FAR_NS = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleQueueStats:
    """One input's counts since construction and what is learnt of it since the last reset."""

    received: int
    used: int
    """Distinct samples that entered a set."""
    reused: int
    """Times a sample entered a further set."""
    queued: int
    dropped: Mapping[str, int]
    """Samples that entered no set, by reason code."""
    period_ms: float
    """NaN while unknown."""
    latency_ms: float
    """Arrival minus stamp; NaN before the first sample."""


class SampleQueue:
    """Samples of one sensor in order of their stamps, none of them used yet.

    The queue itself never drops: every method that removes samples returns them.
    """

    def __init__(self, name: str, config: SyncInputConfig, sync_config: SyncConfig) -> None:
        self.name = name
        self.arrival = ArrivalModel(sync_config)
        self.is_trusted = True
        self.received = self.used = self.reused = 0
        self.dropped: Counter[str] = Counter()
        self._stamps: list[int] = []
        self._samples: list[Sample] = []
        self._arrivals: list[int] = []
        self.forget()
        self.reconfigure(config, sync_config)

    def reconfigure(self, config: SyncInputConfig, sync_config: SyncConfig) -> None:
        """Go on with other settings; all samples stay, also more than ``max_queue``."""
        self.is_camera_plane = config.is_camera_plane
        self.tolerance_ns = to_ns(config.tolerance_s)
        self.max_age_ns = to_ns(config.max_age_s)
        self.max_queue = config.max_queue
        self.arrival.reconfigure(sync_config)

    def forget(self) -> list[Sample]:
        """Back to the state of a sensor that never spoke; trust and counts stay."""
        self.arrival.reset()
        self.is_rewound = False
        """Its stamps went back by more than a late message would."""
        self.floor_ns = NEVER_NS
        """Only samples newer than this may be a set's reference."""
        return self.clear()

    def clear(self) -> list[Sample]:
        """Remove all samples, also the one kept for reuse."""
        self._last_used: Sample | None = None
        return self._remove(0, len(self._stamps))

    def __len__(self) -> int:
        return len(self._stamps)

    @property
    def last_used_ns(self) -> int:
        """Stamp of the last sample that entered a set."""
        return NEVER_NS if self._last_used is None else self._last_used.stamp_ns

    @property
    def has_reference(self) -> bool:
        """Whether a sample waits that may be a set's reference."""
        return bool(self._stamps) and self._stamps[-1] > self.floor_ns

    @property
    def reference(self) -> Sample:
        """The oldest sample that may be a set's reference."""
        return self._samples[bisect_right(self._stamps, self.floor_ns)]

    @property
    def reference_arrival_ns(self) -> int:
        """Earliest arrival among the samples that may be references."""
        return min(self._arrivals[bisect_right(self._stamps, self.floor_ns) :])

    def insert(self, sample: Sample, now_ns: int) -> Sample | None:
        """Take in a sample; returns the one with the same stamp that it replaces.

        The earlier arrival is kept: repeated stamps must not put off a deadline.
        """
        index = bisect_left(self._stamps, sample.stamp_ns)
        if index < len(self._stamps) and self._stamps[index] == sample.stamp_ns:
            replaced = self._samples[index]
            self._samples[index] = sample
            self._arrivals[index] = min(self._arrivals[index], now_ns)
            return replaced
        self._stamps.insert(index, sample.stamp_ns)
        self._samples.insert(index, sample)
        self._arrivals.insert(index, now_ns)
        return None

    def evict(self, *, keep_reference: bool) -> list[Sample]:
        """Remove the oldest sample when there are too many.

        The reference of an open set is kept: a fast reference would else starve every set.
        """
        if len(self._stamps) <= self.max_queue:
            return []
        index = int(keep_reference and self._stamps[0] > self.floor_ns)
        return self._remove(index, index + 1)

    def remove_arrived_before(self, arrival_ns: int) -> list[Sample]:
        """Remove the samples that arrived before that time."""
        removed = []
        for index in reversed(range(len(self._stamps))):
            if self._arrivals[index] < arrival_ns:
                removed += self._remove(index, index + 1)
        return removed

    def find_fresh(self, stamp_ns: int, ahead_ns: int) -> Sample | None:
        """The nearest unused sample within the tolerance and at most ``ahead_ns`` newer."""
        index = bisect_right(self._stamps, stamp_ns)
        older_ns = stamp_ns - self._stamps[index - 1] if index else FAR_NS
        newer_ns = self._stamps[index] - stamp_ns if index < len(self._stamps) else FAR_NS
        if newer_ns < older_ns and newer_ns <= min(self.tolerance_ns, ahead_ns):
            return self._samples[index]
        return self._samples[index - 1] if older_ns <= self.tolerance_ns else None

    def find_aged(self, stamp_ns: int) -> Sample | None:
        """The newest sample, used or not, that is older than the stamp and may still serve."""
        index = bisect_right(self._stamps, stamp_ns)
        sample = self._samples[index - 1] if index else self._last_used
        if sample is None or self.max_age_ns == 0:
            return None
        if not -self.tolerance_ns <= stamp_ns - sample.stamp_ns <= self.max_age_ns:
            return None
        return sample

    def expect(
        self, stamp_ns: int, ahead_ns: int, aged: Sample | None, now_ns: int
    ) -> tuple[int, str]:
        """Until when to wait for a sample for that stamp, and why there is none if not.

        The time is not after ``now_ns`` where waiting is useless: nothing better than
        ``aged`` would come.
        """
        arrival = self.arrival
        if now_ns >= arrival.silent_ns:
            return now_ns, 'silent'
        if arrival.period_ns == UNKNOWN_PERIOD_NS:
            return now_ns if aged is not None else arrival.overdue_ns, 'not_arrived'
        expected_ns = arrival.expected_stamp_ns(stamp_ns)
        offset_ns = expected_ns - stamp_ns
        reach_ns = self.tolerance_ns if offset_ns < 0 else min(self.tolerance_ns, ahead_ns)
        if abs(offset_ns) > reach_ns + arrival.period_slack_ns:
            return now_ns, 'no_match'
        if aged is not None and abs(offset_ns) >= abs(aged.stamp_ns - stamp_ns):
            return now_ns, 'not_arrived'
        return expected_ns + arrival.latest_ns, 'not_arrived'

    def settle(self, stamp_ns: int, used: Sample | None) -> list[Sample]:
        """Account for a set that went out; returns the samples that it left behind."""
        if used is None:
            distance_ns = min(self.tolerance_ns, self.arrival.period_ns // 2)
            self.floor_ns = stamp_ns + distance_ns
            return self._remove(0, bisect_right(self._stamps, stamp_ns))
        self.floor_ns = stamp_ns
        if used is self._last_used:
            self.reused += 1
        else:
            self.used += 1
        self._last_used = used
        left = self._remove(0, bisect_right(self._stamps, max(stamp_ns, used.stamp_ns)))
        return [sample for sample in left if sample is not used]

    def stats(self) -> SampleQueueStats:
        """A snapshot of counts and learnt timing."""
        arrival = self.arrival
        is_known = arrival.period_ns != UNKNOWN_PERIOD_NS
        return SampleQueueStats(
            received=self.received,
            used=self.used,
            reused=self.reused,
            queued=len(self._stamps),
            dropped=dict(self.dropped),
            period_ms=arrival.period_ns / 1e6 if is_known else float('nan'),
            latency_ms=arrival.latency_ns / 1e6 if arrival.has_spoken else float('nan'),
        )

    def _remove(self, start: int, stop: int) -> list[Sample]:
        removed = self._samples[start:stop]
        if removed:
            del self._stamps[start:stop], self._samples[start:stop], self._arrivals[start:stop]
        return removed
