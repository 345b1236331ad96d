# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A demo that is told to stop leaves nothing behind, wherever it is."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def commands_of_group(group):
    found = []
    for entry in Path('/proc').iterdir():
        try:
            if entry.name.isdigit() and os.getpgid(int(entry.name)) == group:
                found.append(entry.name)
        except ProcessLookupError:
            continue
    return found


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_stopping_the_street_ends_the_demo_and_its_workers(tmp_path, number):
    command = [sys.executable, '-m', 'anymodal_seg_ros.demo', '--out', str(tmp_path)]
    demo = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, start_new_session=True)
    assert demo.stdout.readline() == '1/3 the street\n'
    demo.send_signal(number)
    _, errors = demo.communicate(timeout=60)
    assert demo.returncode == 130, errors
    assert 'no process is left behind' in errors
    assert commands_of_group(demo.pid) == []
    assert not list(tmp_path.glob('street-[0-9a-f]*[0-9a-f]')), 'half a street is no street'
