# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a change costs: the steps of the benchmarks in this tree and in an earlier revision.

    python benchmarks/before_after.py main
    python benchmarks/before_after.py HEAD~5 --only segmenter encoders

The two take turns, step by step, on one core in one thread each, so that other load and a clock
that changes meet both alike; a ratio is the median over pairs of turns of the processor time after
by that before. A process is faster or slower than its like by where its memory happens to lie, so
this is done again in new processes. Exits with 1 when a step is slower by more than ``--allowed``
in each round.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from tqdm import tqdm

TREE = Path(__file__).resolve().parents[1]
WORKER = Path(__file__).parent / 'turns' / 'worker.py'
NAMES = ('segmenter', 'encoders', 'synchronizer', 'conversions', 'rvl', 'calibrations',
         'distillation_step')
ONE_THREAD = {'OMP_NUM_THREADS': '1', 'OPENBLAS_NUM_THREADS': '1'}

Figures = tuple[float, float, float]


class Worker:
    """The benchmarks of one tree in a process of their own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.steps: list[str] = json.loads(self._answer())

    def do(self, step: str) -> float:
        """Milliseconds of processor time."""
        assert self._process.stdin is not None
        self._process.stdin.write(f'{step}\n')
        self._process.stdin.flush()
        return float(self._answer())

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f'a worker ended with status {self._process.wait()}')
        return line


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('revision', help='what to compare with: a commit, branch or tag')
    parser.add_argument('--only', nargs='+', default=NAMES, choices=NAMES, metavar='NAME',
                        help=f'of {", ".join(NAMES)}')
    parser.add_argument('--rounds', type=int, default=3, help='of new processes (default 3)')
    parser.add_argument('--seconds', type=float, default=5,
                        help='for each step in each round (default 5)')
    parser.add_argument('--allowed', type=float, default=0.03,
                        help='share by which a step may be slower (default 0.03)')
    args = parser.parse_args()
    if args.rounds < 1:
        parser.error(f'--rounds is {args.rounds}; allowed: 1 and more')
    with tree_of(args.revision) as earlier:
        rounds = []
        for number in range(args.rounds):
            with started(earlier, args.only) as before, started(TREE, args.only) as after:
                if not number:
                    name_others(before, after)
                rounds.append(compare(before, after, args.seconds, number + 1))
    slower = judged(rounds, args.allowed)
    for step in slower:
        sys.stderr.write(f'slower by more than {100 * args.allowed:g} %: {step}\n')
    return 1 if slower else 0


@contextmanager
def tree_of(revision: str) -> Iterator[Path]:
    """The files of a revision, in a folder that goes again."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / 'tree'
        git = ['git', '-C', str(TREE), 'worktree']
        subprocess.run([*git, 'add', '--quiet', '--detach', str(tree), revision], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, 'remove', '--force', str(tree)], check=True)


@contextmanager
def started(tree: Path, names: list[str]) -> Iterator[Worker]:
    """A worker on the last core that this process may use."""
    core = max(os.sched_getaffinity(0))
    environment = {**os.environ, **ONE_THREAD, 'PYTHONPATH': str(tree)}
    command = ['taskset', '-c', str(core), sys.executable, str(WORKER), str(tree), *names]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          env=environment) as process:
        try:
            yield Worker(process)
        finally:
            process.kill()


def name_others(before: Worker, after: Worker) -> None:
    """Says which steps cannot be compared."""
    for step in sorted({*before.steps} ^ {*after.steps}):
        sys.stdout.write(f'only {"before" if step in before.steps else "after"}: {step}\n')


def compare(before: Worker, after: Worker, seconds: float, number: int) -> dict[str, Figures]:
    """The figures of each step that both have, in one round."""
    common = [step for step in after.steps if step in before.steps]
    if not common:
        raise SystemExit('nothing can be compared: the two have no step in common')
    return {step: figures(*turns(before, after, step, seconds))
            for step in tqdm(common, desc=f'round {number}', unit='step')}


def figures(befores: Sequence[float], afters: Sequence[float]) -> Figures:
    """Milliseconds before and after, and the ratio of pairs; medians."""
    ratios = [late / early for early, late in zip(befores, afters, strict=True)]
    return median(befores), median(afters), median(ratios)


def judged(rounds: Sequence[Mapping[str, Figures]], allowed: float) -> list[str]:
    """Prints a row for each step; returns those that are slower in each round."""
    sys.stdout.write(f'{"step":<44}{"before, ms":>12}{"after, ms":>11}{"after / before":>16}'
                     '  of each round\n')
    slower = []
    for step in rounds[0]:
        befores, afters, ratios = zip(*(each[step] for each in rounds), strict=True)
        each = ' '.join(f'{ratio:.3f}' for ratio in ratios)
        sys.stdout.write(f'{step:<44}{median(befores):>12.3f}{median(afters):>11.3f}'
                         f'{median(ratios):>16.3f}  {each}\n')
        if min(ratios) > 1 + allowed:
            slower.append(step)
    return slower


def turns(
    before: Worker, after: Worker, step: str, seconds: float
) -> tuple[list[float], list[float]]:
    """Milliseconds of each turn, after one that does not count; the first of a pair changes."""
    after.do(step)
    usual_ms = max(before.do(step), 0.01)
    pairs = min(max(round(seconds * 1e3 / usual_ms / 2), 15), 300)
    befores, afters = [], []
    for pair in range(pairs):
        if pair % 2:
            befores.append(before.do(step))
            afters.append(after.do(step))
        else:
            afters.append(after.do(step))
            befores.append(before.do(step))
    return befores, afters


if __name__ == '__main__':
    sys.exit(main())
