# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a command leaves to the interpreter's end."""

import os
import subprocess
import sys

import pytest

MAIN = """
import atexit, weakref
class Held: pass
def main():
    atexit.register(lambda: print('atexit ran', flush=True))
    held = Held(); held.itself = held
    weakref.finalize(held, print, 'collected').atexit = False
    {ending}
"""
RUN = """
import gc, sys
from anymodal_seg_ros.stopping import run_main
gc.disable()
code = run_main('command', 130)
gc.collect()
sys.exit(code)
"""


@pytest.mark.parametrize(('ending', 'code'), [
    ('return 0', 0), ('return 2', 2), ('raise KeyboardInterrupt', 130)])
def test_the_end_looks_for_no_garbage(tmp_path, ending, code):
    """A cycle that ``main`` left is not found any more; what is registered still runs."""
    (tmp_path / 'command.py').write_text(MAIN.format(ending=ending))
    run = subprocess.run(
        [sys.executable, '-c', RUN], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join([str(tmp_path), *sys.path])})
    assert run.returncode == code, run.stderr
    assert 'collected' not in run.stdout
    assert run.stdout.splitlines()[-1] == 'atexit ran'
