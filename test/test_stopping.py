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


@pytest.mark.parametrize(('given', 'expected'), [({}, '1'), ({'OPENBLAS_NUM_THREADS': '3'}, '3')])
def test_numpy_gets_one_thread_unless_told_otherwise(tmp_path, given, expected):
    """Known before the command's own imports, of which NumPy is one."""
    (tmp_path / 'command.py').write_text(
        "import os, sys\nassert 'numpy' not in sys.modules\n"
        "found = os.environ['OPENBLAS_NUM_THREADS']\n"
        'def main():\n    print(found)\n    return 0\n')
    code = "from anymodal_seg_ros.stopping import run_main; run_main('command', 130)"
    environment = {name: value for name, value in os.environ.items()
                   if name != 'OPENBLAS_NUM_THREADS'}
    run = subprocess.run(
        [sys.executable, '-c', code], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**environment, **given,
             'PYTHONPATH': os.pathsep.join([str(tmp_path), *sys.path])})
    assert run.stdout.strip() == expected
