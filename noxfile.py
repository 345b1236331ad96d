# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The quick tests on every Python and NumPy that the package is for; ``make matrix`` runs it.

Each cell has an environment of its own. One whose interpreter is not installed is skipped, and
said to be.
"""

from __future__ import annotations

import os
from pathlib import Path

import nox

PYTHONS = ('3.10', '3.11', '3.12')
NUMPYS = ('1.26', '2')
EXTRAS = os.environ.get('EXTRAS', 'torch,ros,sim,train,test')
TESTS = os.environ.get('TESTS', '').split()
NUMPY_2_ONLY = ('numpy', 'opencv-python-headless')
"""Pins that no environment with NumPy 1.26 can keep; an older OpenCV reads and writes the same."""
ROOT = Path(__file__).parent

nox.options.envdir = '.venv-matrix'
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = False
nox.options.stop_on_first_error = False


@nox.session(python=PYTHONS, venv_backend='venv')
@nox.parametrize('numpy', NUMPYS)
def quick(session: nox.Session, numpy: str) -> None:
    """Set one cell up and run its tests."""
    constraints = Path(session.create_tmp()) / 'constraints.txt'
    constraints.write_text(pins(numpy), encoding='utf-8')
    # First and alone, as in the Makefile: its file depends on the index and the GPU.
    if 'torch' in EXTRAS.split(','):
        session.install('-c', str(constraints), 'torch')
    session.install('-c', str(constraints), '-e', f'.[{EXTRAS}]')
    session.run('python', '-m', 'pytest', '-p', 'no:cacheprovider', '-n', 'auto',
                '--dist', 'worksteal', '-m', 'not slow', *TESTS)


def pins(numpy: str) -> str:
    """constraints.txt, for one NumPy."""
    lines = (ROOT / 'constraints.txt').read_text(encoding='utf-8').splitlines()
    if numpy == '2':
        return '\n'.join(lines)
    kept = [line for line in lines if line.partition('==')[0] not in NUMPY_2_ONLY]
    return '\n'.join([f'numpy=={numpy}.*', *kept])
