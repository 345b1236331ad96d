# ruff: noqa: T201
# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Prints how many samples per second the synchronizer takes on one core."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import numpy as np

from anymodal_seg_ros.samples import Sample
from anymodal_seg_ros.sync import Synchronizer, SyncInputConfig

INPUTS = {
    'rgb': SyncInputConfig(tolerance_s=0.015),
    'depth': SyncInputConfig(tolerance_s=0.02),
    'lidar': SyncInputConfig(tolerance_s=0.05, max_age_s=0.2, is_camera_plane=False),
    'event': SyncInputConfig(tolerance_s=0.02),
}
RATE_HZ = {'rgb': 30.0, 'depth': 15.0, 'lidar': 10.0, 'event': 30.0}
LATENCY_S = {'rgb': 0.02, 'depth': 0.03, 'lidar': 0.06, 'event': 0.005}


def make_stream(duration_s: float, seed: int = 0) -> list[tuple[int, Sample]]:
    """(arrival in ns, sample) by arrival: jittered stamps and latencies, 2 % lost."""
    rng = random.Random(seed)
    stream = []
    for modality, rate_hz in RATE_HZ.items():
        phase_s = rng.random() / rate_hz
        for index in range(int(duration_s * rate_hz)):
            if rng.random() < 0.02:
                continue
            stamp_s = phase_s + index / rate_hz + rng.gauss(0, 0.001)
            arrival_s = stamp_s + LATENCY_S[modality] + rng.expovariate(500)
            sample = Sample(
                modality=modality,
                stamp_ns=round((stamp_s + 1) * 1e9),
                received_ns=round((arrival_s + 1) * 1e9),
                frame_id=modality,
                data=np.empty(0),
            )
            stream.append((sample.received_ns, sample))
    return sorted(stream, key=lambda item: item[0])


def replay(stream: list[tuple[int, Sample]]) -> tuple[float, Synchronizer, list[float]]:
    """Run the stream as an event loop does; returns CPU s, synchronizer, set delays in ms."""
    sync = Synchronizer(INPUTS)
    delays_ms = []
    start_s = time.process_time()
    for arrival_ns, sample in stream:
        due_ns = sync.next_deadline()
        while due_ns is not None and due_ns <= arrival_ns:
            for sample_set in sync.expire(due_ns):
                reference = sample_set.samples[sample_set.reference]
                delays_ms.append((due_ns - reference.received_ns) / 1e6)
            due_ns = sync.next_deadline()
        for sample_set in sync.add(sample, arrival_ns):
            reference = sample_set.samples[sample_set.reference]
            delays_ms.append((arrival_ns - reference.received_ns) / 1e6)
    return time.process_time() - start_s, sync, delays_ms


def steps() -> dict[str, Callable[[], object]]:
    """Half a minute of a drive."""
    stream = make_stream(duration_s=30)
    return {'30 s': lambda: replay(stream)}


def main() -> None:
    stream = make_stream(duration_s=600)
    seconds, sync, delays_ms = min((replay(stream) for _ in range(3)), key=lambda run: run[0])
    stats = sync.stats()
    rates = ', '.join(f'{name} {rate:g} Hz' for name, rate in RATE_HZ.items())
    print(f'inputs: {rates}; 2 % lost, jittered')
    print(f'{len(stream) / seconds:,.0f} samples/s on one core ({len(stream):,} samples)')
    print(f'{stats.sets:,} sets, {stats.complete_sets:,} complete')
    print(f'sets by reference: {stats.sets_by_reference}')
    print(f'delay p50 {np.percentile(delays_ms, 50):.1f} ms, max {max(delays_ms):.1f} ms')
    for name, counts in stats.inputs.items():
        print(f'  {name}: used {counts.used}, reused {counts.reused}, dropped {counts.dropped}')


if __name__ == '__main__':
    main()
