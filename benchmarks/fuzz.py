# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Damaged and hostile input for every decoder, loader and reader; exits with 1 for any finding.

A finding is an error that is not the package's own, more than 0.5 s of processor time, or more
than 500 MB, for an input of less than 1 MB. Its number makes the same input again:

    python benchmarks/fuzz.py --cases 1000000 --state fuzz.json    # goes on where it was stopped
    python benchmarks/fuzz.py --case 4711                          # that one, with its traceback
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
if __name__ == '__main__':
    from anymodal_seg_ros.stopping import COMMAND_STOPPED, run_main
    sys.exit(run_main('fuzz', COMMAND_STOPPED))

import argparse
import contextlib
import faulthandler
import gc
import json
import logging
import os
import resource
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TextIO

import cv2
import numpy as np
import torch
from fuzzing import files, messages, receiving, recordings, stored, weights
from fuzzing.measure import Cost, Meter
from fuzzing.target import Read, Target
from tqdm import tqdm

from anymodal_seg_ros.errors import AnymodalError

MAX_SECONDS = 0.5
MAX_MEGABYTES = 500.0
SPARE_BYTES = 4 << 30
"""More than this may not be allocated at all: a machine with others on it must not be filled."""
ENDED_AFTER_S = 10.0
HANGS_AFTER_S = 300
"""Without a line of Python, in which a case could be ended."""
SAVED_EVERY = 1000
SHOWN_FINDINGS = 20


@dataclass(kw_only=True)
class Tally:
    """What became of one target's cases."""

    cases: int = 0
    accepted: int = 0
    refused: int = 0
    slowest_s: float = 0.0
    slowest_case: int = -1
    most_mb: float = 0.0
    largest_case: int = -1

    def add(self, case: int, cost: Cost) -> None:
        self.cases += 1
        self.accepted += cost.error is None
        self.refused += isinstance(cost.error, AnymodalError)
        if cost.seconds > self.slowest_s:
            self.slowest_s, self.slowest_case = cost.seconds, case
        if cost.megabytes > self.most_mb:
            self.most_mb, self.largest_case = cost.megabytes, case


@dataclass(kw_only=True)
class Report:
    """What is known so far; plain data, so that it can be kept between runs."""

    seed: int
    next_case: int = 0
    tallies: dict[str, Tally] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, path: Path, seed: int) -> Report:
        """What an earlier run with this seed left at ``path``, or an empty one."""
        if not path.is_file():
            return cls(seed=seed)
        data = json.loads(path.read_text(encoding='utf-8'))
        if data['seed'] != seed:
            raise SystemExit(f'{path} is of seed {data["seed"]}, not {seed}')
        data['tallies'] = {name: Tally(**tally) for name, tally in data['tallies'].items()}
        return cls(**data)

    def save(self, path: Path) -> None:
        fresh = path.with_suffix('.partial')
        fresh.write_text(json.dumps(asdict(self), indent=1), encoding='utf-8')
        fresh.replace(path)

    def table(self) -> str:
        rows = [f'{"target":<20}{"cases":>9}{"read":>9}{"refused":>9}{"slowest s":>11}'
                f'{"most MB":>9}']
        total = Tally()
        for name, tally in sorted(self.tallies.items()):
            rows.append(_row(name, tally))
            for item in ('cases', 'accepted', 'refused'):
                setattr(total, item, getattr(total, item) + getattr(tally, item))
            total.slowest_s = max(total.slowest_s, tally.slowest_s)
            total.most_mb = max(total.most_mb, tally.most_mb)
        return '\n'.join([*rows, _row('all', total), f'{len(self.findings)} findings'])


def _row(name: str, tally: Tally) -> str:
    return (f'{name:<20}{tally.cases:9d}{tally.accepted:9d}{tally.refused:9d}'
            f'{tally.slowest_s:11.3f}{tally.most_mb:9.1f}')


class Fuzzer:
    """Makes and tries cases; number and seed say which. Use in a ``with`` statement."""

    def __init__(self, seed: int, only: Sequence[str] = ()) -> None:
        self._seed = seed
        self._only = only
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Fuzzer:
        in_memory = Path('/dev/shm')
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(
            prefix='fuzz.', dir=in_memory if in_memory.is_dir() else None))
        known = [*messages.targets(), *receiving.targets(), *files.targets(Path(folder)),
                 *recordings.targets(Path(folder)), *stored.targets(Path(folder)),
                 *weights.targets(Path(folder))]
        unknown = sorted(set(self._only) - {target.name for target in known})
        if unknown:
            raise SystemExit(f'no target {unknown[0]!r}; there are '
                             f'{", ".join(target.name for target in known)}')
        targets = [target for target in known if not self._only or target.name in self._only]
        shares = np.array([target.weight for target in targets], float)
        self.targets = targets
        self._bounds = np.cumsum(shares / shares.sum())
        self._meter = Meter(ENDED_AFTER_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def make(self, case: int, target: Target | None = None) -> tuple[Target, Read]:
        """The target and the prepared input of a case; a given target is as ``--only`` it."""
        rng = np.random.default_rng([self._seed, case])
        index = int(np.searchsorted(self._bounds, rng.random(), side='right'))
        target = target or self.targets[min(index, len(self.targets) - 1)]
        with np.errstate(all='ignore'):
            return target, target.prepare(rng)

    def attempt(self, case: int) -> tuple[Target, Cost]:
        """Tries a case; one that seems too slow or too large is tried again, for the first of a
        kind pays for what is built once."""
        target, read = self.make(case)
        cost = self._meter.cost(read)
        if problem(cost) and (cost.error is None or isinstance(cost.error, AnymodalError)):
            cost = self._meter.cost(self.make(case)[1])
        return target, cost

    def run(self, report: Report, cases: Iterator[int]) -> Iterator[str]:
        """Adds cases to a report, and yields a line for each finding."""
        for case in cases:
            target, cost = self.attempt(case)
            report.tallies.setdefault(target.name, Tally()).add(case, cost)
            report.next_case = case + 1
            found = problem(cost)
            if found:
                line = f'{target.name}: {found}; --seed {self._seed} --case {case}'
                report.findings.append(line)
                yield line


def problem(cost: Cost) -> str:
    """What is wrong with what a case did; '' if nothing."""
    if cost.error is not None and not isinstance(cost.error, AnymodalError):
        text = ' '.join(str(cost.error).split())[:100]
        return f'{type(cost.error).__name__}: {text}'
    if cost.seconds > MAX_SECONDS:
        return f'{cost.seconds:.2f} s'
    if cost.megabytes > MAX_MEGABYTES:
        return f'{cost.megabytes:.0f} MB'
    return ''


def limit_process(shown: TextIO) -> None:
    """One thread, no more memory than is spare, and a traceback on ``shown`` after a crash."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    logging.disable(logging.CRITICAL)
    # Image libraries write what they think of a file past Python.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    faulthandler.enable(file=shown)
    with Path('/proc/self/statm').open() as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + SPARE_BYTES, resource.RLIM_INFINITY))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--cases', type=int, default=20_000, help='default %(default)s')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--state', type=Path, help='file to keep the result in and to go on from')
    parser.add_argument('--case', type=int, help='only this one, with its traceback')
    parser.add_argument('--only', nargs='+', default=[], metavar='TARGET',
                        help='only these; other cases than without it')
    options = parser.parse_args(arguments)
    shown = os.fdopen(os.dup(2), 'w', buffering=1)
    limit_process(shown)
    with Fuzzer(options.seed, options.only) as fuzzer:
        gc.freeze()
        if options.case is not None:
            return _show(fuzzer, options.case, shown)
        return _run(fuzzer, options, shown)


def _show(fuzzer: Fuzzer, case: int, shown: TextIO) -> int:
    target, cost = fuzzer.attempt(case)
    if cost.error is not None:
        traceback.print_exception(cost.error, file=shown)
    sys.stdout.write(f'{target.name}: {cost.seconds:.3f} s, {cost.megabytes:.1f} MB, '
                     f'{problem(cost) or "as it should be"}\n')
    return 1 if problem(cost) else 0


def _run(fuzzer: Fuzzer, options: argparse.Namespace, shown: TextIO) -> int:
    report = (Report(seed=options.seed) if options.state is None
              else Report.load(options.state, options.seed))
    bar = tqdm(total=options.cases, initial=report.next_case, unit=' cases', mininterval=1.0,
               file=shown)

    def cases() -> Iterator[int]:
        for case in range(report.next_case, options.cases):
            if case % SAVED_EVERY == 0:
                faulthandler.dump_traceback_later(HANGS_AFTER_S, exit=True, file=shown)
                if options.state is not None:
                    report.save(options.state)
            yield case
            bar.update()

    try:
        with bar:
            for line in fuzzer.run(report, cases()):
                if len(report.findings) <= SHOWN_FINDINGS:
                    bar.write(line, file=shown)
    except KeyboardInterrupt:
        shown.write(f'interrupted before case {report.next_case}\n')
    faulthandler.cancel_dump_traceback_later()
    if options.state is not None:
        report.save(options.state)
    sys.stdout.write(report.table() + '\n')
    return 1 if report.findings else 0
