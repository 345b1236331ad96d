# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Random faults on a running node for minutes, over real topics: gaps, memory, order of labels.

At any time at least one sensor is clean, so a label is always possible. Exits with 1 if none came
for longer than a second, if stamps went back, or if the node ended. Run it on an idle machine:

    python benchmarks/soak.py                           # 12 minutes, 360 faults
    python benchmarks/soak.py --minutes 1 --faults 30
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from ros_streams.fault_run import FaultRun, running_node
from ros_streams.scene import MODALITIES, Stream
from ros_streams.tiny_bundle import write_tiny_bundle
from tqdm import tqdm

MAX_GAP_S = 1.0
SHOWN_GAP_S = 0.5
AROUND_GAP_S = 0.5
LONGEST_FAULT_S = 3.0
TICK_S = 1.0 / os.sysconf('SC_CLK_TCK')
PAGE_MB = os.sysconf('SC_PAGE_SIZE') / 2**20
NUM_CORES = os.cpu_count() or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFault:
    """A fault from ``start_s`` to ``end_s``, in seconds from the start of the soak."""

    modality: str
    fault: str
    start_s: float
    end_s: float


@dataclass(slots=True, kw_only=True)
class Load:
    """Processor seconds up to a moment: of the node, of the streams, of all cores."""

    at_s: float
    node_s: float
    streams_s: float
    busy_s: float
    stolen_s: float
    memory_mb: float


@dataclass(kw_only=True)
class Soak:
    """What was seen."""

    loads: list[Load] = field(default_factory=list)
    faults: list[tuple[float, float, PlannedFault]] = field(default_factory=list)
    """(start, end, fault) by the steady clock."""
    ended_early: bool = False


def plan(num_faults: int, duration_s: float, seed: int) -> list[PlannedFault]:
    """Random faults at random times: never two on a sensor, nor one on every sensor."""
    rng = random.Random(seed)
    faults: list[PlannedFault] = []
    busy_until_s = dict.fromkeys(MODALITIES, 0.0)
    period_s = duration_s / num_faults
    for number in range(num_faults):
        start_s = (number + rng.random() * 0.5) * period_s
        length_s = rng.uniform(0.2, LONGEST_FAULT_S)
        free = [name for name, until_s in busy_until_s.items() if until_s <= start_s]
        if len(free) < 2:
            # Wait for a second one to become free, so that one stays clean.
            start_s = sorted(busy_until_s.values())[1]
            free = [name for name, until_s in busy_until_s.items() if until_s <= start_s]
        modality = rng.choice(free)
        busy_until_s[modality] = start_s + length_s
        faults.append(PlannedFault(modality=modality, fault=rng.choice(Stream.FAULTS),
                                   start_s=start_s, end_s=start_s + length_s))
    return faults


def changes(faults: list[PlannedFault]) -> Iterator[tuple[float, str, str | None]]:
    """(time, sensor, fault or None), in order of time; an end before a start of the same time."""
    events: list[tuple[float, str, str | None]] = []
    for fault in faults:
        events += [(fault.start_s, fault.modality, fault.fault),
                   (fault.end_s, fault.modality, None)]
    return iter(sorted(events, key=lambda event: (event[0], event[2] is not None)))


def load_of(pid: int) -> Load:
    """Of a process that this one started and has not waited for."""
    stat = Path(f'/proc/{pid}/stat').read_text(encoding='ascii').rpartition(')')[2].split()
    cores = [int(v) for v in Path('/proc/stat').read_text(encoding='ascii').split('\n')[0]
             .split()[1:]]
    own = os.times()
    return Load(
        at_s=time.monotonic(), node_s=(int(stat[11]) + int(stat[12])) * TICK_S,
        streams_s=own.user + own.system,
        busy_s=(sum(cores[:3]) + sum(cores[5:7])) * TICK_S, stolen_s=cores[7] * TICK_S,
        memory_mb=int(stat[21]) * PAGE_MB)


def drive(run: FaultRun, node: subprocess.Popen[bytes], faults: list[PlannedFault],
          duration_s: float) -> Soak:
    """Let the streams run under the faults."""
    soak = Soak()
    start_s = time.monotonic()
    soak.faults = [(start_s + f.start_s, start_s + f.end_s, f) for f in faults]
    events = list(changes(faults))
    with tqdm(total=round(duration_s), unit='s', disable=None) as bar:
        while (elapsed_s := time.monotonic() - start_s) < duration_s:
            while events and events[0][0] <= elapsed_s:
                _, modality, fault = events.pop(0)
                run.streams[modality].fault = fault
            run.step()
            if not soak.loads or time.monotonic() - soak.loads[-1].at_s > 0.05:
                if node.poll() is not None:
                    soak.ended_early = True
                    break
                soak.loads.append(load_of(node.pid))
                bar.update(min(round(elapsed_s), bar.total) - bar.n)
    return soak


def report(run: FaultRun, soak: Soak) -> tuple[str, bool]:
    """The figures, and whether all is as it should be."""
    first_s, last_s = soak.loads[0].at_s, soak.loads[-1].at_s
    labels = [(at_s, stamp) for at_s, stamp in run.labels if first_s <= at_s <= last_s]
    gaps = sorted(((b - a, a, b) for (a, _), (b, _) in
                   pairwise([(first_s, 0), *labels, (last_s, 0)])), reverse=True)
    backwards = sum(b <= a for (_, a), (_, b) in pairwise(labels))
    # One that has ended counts no memory any more.
    memory_mb = [load.memory_mb for load in soak.loads if load.memory_mb]
    num_faults = sum(start_s <= last_s for start_s, _, _ in soak.faults)
    lines = [
        f'{num_faults} faults in {last_s - first_s:.0f} s: {len(labels)} label images, '
        f'{len(labels) / (last_s - first_s):.2f} Hz; stamps that went back: {backwards}',
        'gaps above 0.2, 0.5, 1 s: '
        + ', '.join(str(sum(gap > limit for gap, *_ in gaps)) for limit in (0.2, 0.5, 1.0))
        + f'; longest {gaps[0][0]:.2f} s',
        f'memory of the node: {memory_mb[0]:.1f} MB at first, {memory_mb[-1]:.1f} MB at last, '
        f'{max(memory_mb):.1f} MB at most',
        _share('all the time', soak.loads[0], soak.loads[-1]),
    ]
    for gap_s, from_s, to_s in gaps[:10]:
        if gap_s > SHOWN_GAP_S or gap_s == gaps[0][0]:
            active = ', '.join(f'{f.fault} of {f.modality}' for a, b, f in soak.faults
                               if a < to_s and b > from_s)
            before = [x for x in soak.loads if x.at_s <= from_s][-1:] or soak.loads[:1]
            after = [x for x in soak.loads if x.at_s >= to_s][:1] or soak.loads[-1:]
            lines.append(_share(f'{gap_s:.2f} s without a label at {from_s - first_s:.1f} s '
                                f'({active or "no fault"})', before[0], after[0]))
            lines += [f'    {what}' for what in _during(run, soak, from_s, to_s)]
    if soak.ended_early:
        lines.append('the node ended')
    fine = gaps[0][0] <= MAX_GAP_S and not backwards and not soak.ended_early
    return '\n'.join(lines), fine


def _during(run: FaultRun, soak: Soak, from_s: float, to_s: float) -> Iterator[str]:
    """Whether the streams were sent in that time, and what the node said of them around it."""
    pause_s, pause_at_s = max(
        (b.at_s - a.at_s, a.at_s) for a, b in pairwise(soak.loads)
        if a.at_s < to_s and b.at_s > from_s)
    yield f'the streams sent nothing for {pause_s:.2f} s from {pause_at_s - from_s:+.2f} s on'
    for at_s, modality, state, reason in run.changes:
        if from_s - AROUND_GAP_S <= at_s <= to_s + AROUND_GAP_S:
            yield f'{at_s - from_s:+.2f} s: {modality} {state} {reason}'.rstrip()


def _share(what: str, a: Load, b: Load) -> str:
    seconds = (b.at_s - a.at_s) or 1e-9
    others_s = max(b.busy_s - a.busy_s - (b.node_s - a.node_s) - (b.streams_s - a.streams_s), 0.0)
    return (f'{what}: processors used by the node {(b.node_s - a.node_s) / seconds:.2f}, by the '
            f'streams {(b.streams_s - a.streams_s) / seconds:.2f}, by others '
            f'{others_s / seconds:.2f}, stolen {(b.stolen_s - a.stolen_s) / seconds:.2f}, '
            f'of {NUM_CORES}')


def soak_node(bundle: Path, options: argparse.Namespace) -> bool:
    duration_s = options.minutes * 60.0
    with tempfile.NamedTemporaryFile('w+', suffix='.log') as log:
        with running_node(bundle, options.domain, log) as (run, node):
            # A search for garbage among all objects of torch would hold up the streams.
            gc.collect()
            gc.freeze()
            soak = drive(run, node, plan(options.faults, duration_s, options.seed), duration_s)
        text, fine = report(run, soak)
        sys.stdout.write(f'{text}\nexit code of the node: {node.returncode}\n')
        if soak.ended_early:
            sys.stdout.write(Path(log.name).read_text(errors='replace')[-3000:])
    return fine and node.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--minutes', type=float, default=12.0, help='default %(default)s')
    parser.add_argument('--faults', type=int, default=360, help='default %(default)s')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--bundle', type=Path, help='bundle to run instead of random weights')
    parser.add_argument('--domain', type=int, default=96, help='ROS domain to use')
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bundle = options.bundle or write_tiny_bundle(Path(folder) / 'bundle')
        return 0 if soak_node(bundle, options) else 1


if __name__ == '__main__':
    sys.exit(main())
