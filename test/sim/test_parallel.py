# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Worker processes end with the process that they work for."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SLEEPERS = """
import os, time
from anymodal_seg_ros.sim.parallel import worker_processes
if __name__ == '__main__':
    with worker_processes(2) as pool:
        pids = {pool.submit(os.getpid).result() for _ in range(8)}
        for _ in range(8):
            pool.submit(time.sleep, 60)
        print(*pids, flush=True)
        time.sleep(60)
"""


def is_running(pid):
    """Not gone, and no zombie that nobody has asked for."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.slow
def test_workers_do_not_outlive_a_parent_that_is_killed(tmp_path):
    script = tmp_path / 'sleepers.py'
    script.write_text(SLEEPERS)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True,
                          env={**os.environ, 'PYTHONPATH': str(ROOT)}) as parent:
        try:
            pids = [int(word) for word in parent.stdout.readline().split()]
            assert pids and all(map(is_running, pids))
        finally:
            parent.kill()
    deadline_s = time.monotonic() + 20
    while any(map(is_running, pids)):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
