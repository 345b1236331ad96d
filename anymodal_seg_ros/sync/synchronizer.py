# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Forms time-aligned sets of samples in which any sensor may be absent. Layer: sync."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.samples import Sample, SampleSet
from anymodal_seg_ros.sync.arrival import NEVER_NS
from anymodal_seg_ros.sync.sample_queue import SampleQueue, SampleQueueStats
from anymodal_seg_ros.sync.sync_config import SyncConfig, SyncInputConfig, to_ns

logger = logging.getLogger(__name__)

SAME_RATE = 1.25
"""Sensors whose periods differ by less than this factor count as equally fast."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncStats:
    """Counts since construction. Every received sample is used, queued or dropped."""

    inputs: Mapping[str, SampleQueueStats]
    sets: int
    complete_sets: int
    sets_by_reference: Mapping[str, int]
    resets: int


class Synchronizer:
    """One set for each sample of the reference sensor, as soon as nothing more is expected.

    The **reference** is the fastest trusted camera-plane sensor, among equals the first in
    ``inputs``; without one, the fastest other sensor. When its next sample is overdue, the
    next sensor's sample leads a set, so that sets keep coming while any sensor speaks.

    A **member** is its sensor's sample nearest to the reference, but a sample that will be
    nearer to the next reference (newer by more than half its period) is left to that one.

    A set **goes out** as soon as every trusted sensor has a sample within its tolerance of the
    reference's stamp, or none can be expected any more: each sensor's period and latency are
    learnt, so that a dead sensor costs no wait. It never waits longer than ``max_wait_s`` after
    the reference sample arrived, provided that ``expire`` is called when due. A set is
    ``complete`` when every trusted sensor that ever spoke is in it.

    Reasons in ``SampleSet.absent``: ``untrusted``, ``never_received``, ``silent`` (several
    samples overdue), ``not_arrived`` (one expected and overdue), ``no_match`` (none due near
    the stamp). Every sample enters a set or is dropped, with a reason:

    - ``future``, ``stale``: the stamp is absurd.
    - ``rewound``: the stamp ran far back while other sensors' did not.
    - ``untrusted``: its sensor may not enter sets.
    - ``duplicate``: same stamp as a newer arrival, or as one already in a set.
    - ``late``: its set has gone out.
    - ``superseded``: a nearer one of its sensor entered the set.
    - ``no_match``: no set came near it.
    - ``overflow``, ``reset``, ``flushed``.

    Times are integer ns of one clock that the caller reads; stamps are in the same clock. A
    clock or all speaking sensors running back by more than ``reset_jump_s`` (bag loop,
    simulator restart) is a reset: queues and all that was learnt are forgotten, trust is not.
    Stamps of sets strictly increase between resets.

    Not thread-safe: where callbacks run in several threads, hold a lock around each call, and use
    the sets outside it. Raises ConfigError for an unknown modality.
    """

    def __init__(
        self,
        inputs: Mapping[str, SyncInputConfig],
        config: SyncConfig | None = None,
    ) -> None:
        if not inputs:
            raise ConfigError('inputs is empty; at least one modality is needed')
        config = config or SyncConfig()
        self._inputs = {
            name: SampleQueue(name, settings, config) for name, settings in inputs.items()
        }
        self._apply(config)
        self._sets_by_reference = dict.fromkeys(inputs, 0)
        self._complete_sets = self._resets = 0
        self._now_ns = self._last_set_ns = NEVER_NS
        self._open: SampleQueue | None = None
        self._wake_ns: int | None = None

    def add(self, sample: Sample, now_ns: int) -> list[SampleSet]:
        """Take in a sample that arrived at ``now_ns``; returns the sets that it completed."""
        queue = self._inputs.get(sample.modality)
        if queue is None:
            raise ConfigError.of('modality', sample.modality, list(self._inputs))
        self._observe_clock(now_ns)
        reason = self._refuse(queue, sample, now_ns)
        queue.received += 1
        if reason:
            self._drop([sample], reason)
        else:
            replaced = queue.insert(sample, now_ns)
            if replaced is not None:
                self._drop([replaced], 'duplicate')
            self._drop(queue.evict(keep_reference=queue is self._open), 'overflow')
        return self._form_sets(now_ns)

    def next_deadline(self) -> int | None:
        """When ``expire`` must be called unless a sample comes first; None when never."""
        return self._wake_ns

    def expire(self, now_ns: int) -> list[SampleSet]:
        """Close the sets whose deadline has passed."""
        self._observe_clock(now_ns)
        return self._form_sets(now_ns)

    def flush(self, now_ns: int) -> list[SampleSet]:
        """Close all sets now, as at the end of a recording; no sample stays behind."""
        self._observe_clock(now_ns)
        sets = self._form_sets(now_ns, is_last=True)
        for queue in self._inputs.values():
            self._drop(queue.clear(), 'flushed')
        return sets

    def reset(self, reason: str) -> None:
        """Drop all samples, forget all that was learnt; stamps of sets may start again."""
        logger.debug('synchronizer reset: %s', reason)
        self._reset()

    def reconfigure(
        self, inputs: Mapping[str, SyncInputConfig], config: SyncConfig, now_ns: int
    ) -> list[SampleSet]:
        """Go on with other settings; returns the sets that are due by them.

        Samples that wait, what was learnt, trust and counts stay. Raises ConfigError when
        ``inputs`` are not the modalities from before.
        """
        if inputs.keys() != self._inputs.keys():
            raise ConfigError(f'inputs are {list(inputs)}; allowed: {list(self._inputs)}')
        self._observe_clock(now_ns)
        self._apply(config)
        for name, queue in self._inputs.items():
            queue.reconfigure(inputs[name], config)
            while evicted := queue.evict(keep_reference=queue is self._open):
                self._drop(evicted, 'overflow')
        waiting = [q.reference_arrival_ns for q in self._inputs.values() if q.has_reference]
        if self._wake_ns is not None and waiting:
            # A shorter wait sends sets out at once: it is not the samples that are late.
            self._wake_ns = min(self._wake_ns, min(waiting) + self._max_wait_ns)
        return self._form_sets(now_ns)

    def set_trusted(self, modalities: frozenset[str], now_ns: int) -> list[SampleSet]:
        """Name the sensors that may enter sets; returns the sets that waited for another."""
        unknown = modalities - self._inputs.keys()
        if unknown:
            raise ConfigError(f'modalities has {sorted(unknown)}; allowed: {list(self._inputs)}')
        self._observe_clock(now_ns)
        for name, queue in self._inputs.items():
            if queue.is_trusted and name not in modalities:
                self._drop(queue.clear(), 'untrusted')
                if queue is self._open:
                    self._open = None
            queue.is_trusted = name in modalities
        return self._form_sets(now_ns)

    def stats(self) -> SyncStats:
        """A snapshot of all counts."""
        return SyncStats(
            inputs={name: queue.stats() for name, queue in self._inputs.items()},
            sets=sum(self._sets_by_reference.values()),
            complete_sets=self._complete_sets,
            sets_by_reference=dict(self._sets_by_reference),
            resets=self._resets,
        )

    def _apply(self, config: SyncConfig) -> None:
        self._max_wait_ns = to_ns(config.max_wait_s)
        self._max_silence_ns = to_ns(config.max_silence_s)
        self._max_future_ns = to_ns(config.max_future_s)
        self._max_past_ns = to_ns(config.max_past_s)
        self._reset_jump_ns = to_ns(config.reset_jump_s)

    def _observe_clock(self, now_ns: int) -> None:
        """Reset when the clock ran back; calls by several threads are small steps back."""
        if self._now_ns - now_ns > self._reset_jump_ns:
            self._restart(f'the clock went back by {(self._now_ns - now_ns) / 1e9:.3f} s')
        self._now_ns = now_ns

    def _refuse(self, queue: SampleQueue, sample: Sample, now_ns: int) -> str:
        """The reason for not queueing the sample, or ''. Learns its timing."""
        stamp_ns = sample.stamp_ns
        if stamp_ns > now_ns + self._max_future_ns:
            return 'future'
        if stamp_ns < now_ns - self._max_past_ns:
            return 'stale'
        if self._is_rewound(queue, stamp_ns, now_ns):
            return 'rewound'
        if stamp_ns == queue.last_used_ns:
            return 'duplicate'
        queue.arrival.observe(stamp_ns, now_ns)
        if not queue.is_trusted:
            return 'untrusted'
        is_late = stamp_ns <= self._last_set_ns - queue.max_age_ns
        return 'late' if is_late or stamp_ns < queue.last_used_ns else ''

    def _is_rewound(self, queue: SampleQueue, stamp_ns: int, now_ns: int) -> bool:
        """Whether this sensor's stamps alone ran back; resets when all that speak did."""
        if queue.arrival.last_stamp_ns - stamp_ns <= self._reset_jump_ns:
            queue.is_rewound = False
            return False
        queue.is_rewound = True
        for other in self._inputs.values():
            is_speaking = other.is_trusted and now_ns < other.arrival.silent_ns
            if is_speaking and not other.is_rewound:
                return True
        self._restart(f'stamps of {queue.name} went back')
        return False

    def _form_sets(self, now_ns: int, *, is_last: bool = False) -> list[SampleSet]:
        """Send all sets that are due and note when the next one is."""
        sets: list[SampleSet] = []
        due_ns = now_ns if self._wake_ns is None else self._wake_ns
        while True:
            if self._open is None:
                self._open, self._wake_ns = self._choose_reference(now_ns, due_ns, is_last)
            if self._open is None:
                return sets
            sample_set, self._wake_ns = self._try_set(self._open, now_ns, is_last)
            if sample_set is None:
                return sets
            self._settle(sample_set)
            sets.append(sample_set)

    def _choose_reference(
        self, now_ns: int, due_ns: int, is_last: bool
    ) -> tuple[SampleQueue | None, int | None]:
        """The input whose oldest sample leads the next set, else when to choose again.

        Samples that were kept to join another reference's set and were already too old to lead
        one when that was due are dropped: they would break the deadline.
        """
        while True:
            candidates = [
                queue
                for queue in self._inputs.values()
                if queue.has_reference or (not is_last and self._awaits(queue, now_ns))
            ]
            if not any(queue.has_reference for queue in candidates):
                return None, None
            leader = _leader(candidates)
            if not leader.has_reference:
                return None, leader.arrival.overdue_ns
            if is_last:
                return leader, None
            oldest_ns = min(now_ns, due_ns) - self._max_wait_ns
            self._drop(leader.remove_arrived_before(oldest_ns), 'late')
            if leader.has_reference:
                return leader, None

    def _awaits(self, queue: SampleQueue, now_ns: int) -> bool:
        """Whether to leave the next set to this sensor, of which no sample waits.

        Not when it lags so far behind the sets that went out that catching up is a long gap.
        """
        arrival = queue.arrival
        if not queue.is_trusted or now_ns >= arrival.overdue_ns:
            return False
        next_stamp_ns = arrival.last_stamp_ns + arrival.period_ns
        return next_stamp_ns > self._last_set_ns - self._max_silence_ns

    def _try_set(
        self, leader: SampleQueue, now_ns: int, is_last: bool
    ) -> tuple[SampleSet | None, int | None]:
        """The leader's oldest set when it is due, else the time when it will be."""
        reference = leader.reference
        stamp_ns = reference.stamp_ns
        ahead_ns = leader.arrival.period_ns // 2
        members: dict[str, Sample] = {}
        absent: dict[str, str] = {}
        wait_until_ns = NEVER_NS
        is_complete = True
        for name, queue in self._inputs.items():
            sample = reference if queue is leader else queue.find_fresh(stamp_ns, ahead_ns)
            if sample is not None:
                members[name] = sample
            elif not queue.is_trusted:
                absent[name] = 'untrusted'
            elif not queue.arrival.has_spoken:
                absent[name] = 'never_received'
            else:
                aged = queue.find_aged(stamp_ns) if _is_slower(queue, leader) else None
                until_ns, reason = queue.expect(stamp_ns, ahead_ns, aged, now_ns)
                wait_until_ns = max(wait_until_ns, until_ns)
                if aged is not None:
                    members[name] = aged
                else:
                    absent[name] = reason
                    is_complete = False
        deadline_ns = min(wait_until_ns, leader.reference_arrival_ns + self._max_wait_ns)
        if now_ns < deadline_ns and not is_last:
            return None, deadline_ns
        sample_set = SampleSet(
            stamp_ns=stamp_ns,
            reference=leader.name,
            samples=members,
            complete=is_complete,
            absent=absent,
        )
        return sample_set, None

    def _settle(self, sample_set: SampleSet) -> None:
        """Account for a set that goes out."""
        self._last_set_ns = sample_set.stamp_ns
        self._open = None
        self._sets_by_reference[sample_set.reference] += 1
        self._complete_sets += sample_set.complete
        for name, queue in self._inputs.items():
            used = sample_set.samples.get(name)
            left = queue.settle(sample_set.stamp_ns, used)
            self._drop(left, 'no_match' if used is None else 'superseded')

    def _restart(self, reason: str) -> None:
        logger.info('synchronizer reset: %s', reason)
        self._reset()

    def _reset(self) -> None:
        self._resets += 1
        self._now_ns = self._last_set_ns = NEVER_NS
        self._open = self._wake_ns = None
        for queue in self._inputs.values():
            self._drop(queue.forget(), 'reset')

    def _drop(self, samples: Iterable[Sample], reason: str) -> None:
        for sample in samples:
            self._inputs[sample.modality].dropped[reason] += 1


def _is_slower(queue: SampleQueue, leader: SampleQueue) -> bool:
    """Whether one sample has to serve several sets of that leader."""
    return queue.arrival.period_ns > SAME_RATE * leader.arrival.period_ns


def _leader(queues: list[SampleQueue]) -> SampleQueue:
    """The first of the fastest, camera-plane sensors before all others."""
    group = [queue for queue in queues if queue.is_camera_plane] or queues
    fastest_ns = min(queue.arrival.period_ns for queue in group)
    return next(q for q in group if q.arrival.period_ns <= SAME_RATE * fastest_ns)
