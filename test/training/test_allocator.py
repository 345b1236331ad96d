# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Freed memory is used again, seen by the page faults of a process of its own."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import resource
import numpy as np
from training.allocator import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(64 << 20, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = [faults() for _ in range(3)][-1]
kept = keep_freed_memory()
print(kept, before, [faults() for _ in range(3)][-1])
"""


def test_a_second_block_of_a_size_costs_no_page_faults():
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM], cwd=root, capture_output=True, text=True, check=True)
    kept, before, after = done.stdout.split()
    assert kept == 'True'
    assert int(after) < int(before) / 10
