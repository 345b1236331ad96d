# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What compares labels holds on other processors, as far as this one can pass for them.

The kernels of lesser ones are chosen before a library is loaded, so each runs in a process of its
own. bfloat16 runs anywhere, slowly where the processor lacks it.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).resolve().parent
SUBSETS = str(HERE / 'training' / 'test_subset_network.py')
PARITY = str(HERE / 'training' / 'extraction' / 'test_parity.py')
PROCESSORS = {
    # Without bfloat16, which takes minutes there.
    'the simplest kernels': (
        {'ATEN_CPU_CAPABILITY': 'default', 'ONEDNN_MAX_CPU_ISA': 'SSE41',
         'IMITATED_CPU_FLAGS': 'sse4_1'},
        [SUBSETS, '-k', 'not bf16']),
    'bfloat16 on one thread': (
        {'OMP_NUM_THREADS': '1', 'IMITATED_CPU_FLAGS': 'avx512_bf16'}, [SUBSETS, PARITY]),
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize('processor', PROCESSORS)
def test_what_compares_labels(processor):
    environment, tests = PROCESSORS[processor]
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-q', '-x', '-p', 'no:cacheprovider', *tests],
        # Threads that spin while they wait are slow where they have no core of their own.
        cwd=HERE.parent, env={**os.environ, 'OMP_WAIT_POLICY': 'PASSIVE', **environment},
        check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
