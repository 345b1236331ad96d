# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Does the steps of one tree's benchmarks when asked: ``worker.py TREE NAME...``.

Prints the names of all steps as one line of JSON, then the milliseconds of processor time for each
step that a line of its input names.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable

import cv2
import torch

LEAST_MS = 1.0


def steps_of(names: list[str]) -> dict[str, Callable[[], object]]:
    """Of the benchmarks that have some, each under its benchmark's name."""
    found = {}
    for name in names:
        steps = getattr(importlib.import_module(name), 'steps', dict)
        found.update({f'{name}: {step}': work for step, work in steps().items()})
    return found


def processor_ms(work: Callable[[], object]) -> float:
    """Of one call; short work is done again until there is something to measure."""
    begun_ns, calls, elapsed_ms = time.process_time_ns(), 0, 0.0
    while elapsed_ms < LEAST_MS:
        work()
        calls += 1
        elapsed_ms = (time.process_time_ns() - begun_ns) / 1e6
    return elapsed_ms / calls


def main(tree: str, names: list[str]) -> None:
    os.chdir(tree)
    sys.path[:1] = [f'{tree}/benchmarks', tree]
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    answers, sys.stdout = sys.stdout, sys.stderr
    steps = steps_of(names)
    answers.write(json.dumps(list(steps)) + '\n')
    answers.flush()
    for line in sys.stdin:
        work = steps[line.rstrip('\n')]
        answers.write(f'{processor_ms(work)}\n')
        answers.flush()


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2:])
