# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Commands in processes: how many at a time, in which order, and that none is left behind."""

import sys
import time

import pytest

from anymodal_seg_ros.errors import ConfigError
from training.tables.jobs import Job, run_jobs

NOTE = ("import sys, time; open(sys.argv[1], 'a').write('+' + sys.argv[2]); time.sleep(0.3); "
        "open(sys.argv[1], 'a').write('-' + sys.argv[2])")


def note(tmp_path, name, needs=(), **changes):
    command = [sys.executable, '-c', NOTE, str(tmp_path / 'notes'), name]
    return Job(name=name, needs=needs, **{'commands': [command], 'log': tmp_path / f'{name}.log',
                                          **changes})


@pytest.mark.slow
def test_one_at_a_time_in_the_order_given(tmp_path):
    run_jobs([note(tmp_path, 'a'), note(tmp_path, 'b'), note(tmp_path, 'c')], 1)
    assert (tmp_path / 'notes').read_text() == '+a-a+b-b+c-c'


def test_what_needs_nothing_does_not_wait(tmp_path):
    """b waits for a; c has the second process meanwhile."""
    run_jobs([note(tmp_path, 'a'), note(tmp_path, 'b', ('a',)), note(tmp_path, 'c')], 2)
    notes = (tmp_path / 'notes').read_text()
    assert notes.index('-a') < notes.index('+b')
    assert notes.index('+c') < notes.index('+b')


@pytest.mark.slow
def test_all_commands_of_a_job_run_before_what_needs_it_and_then_it_is_finished(tmp_path):
    finished = []
    first = note(tmp_path, 'a')
    twice = note(tmp_path, 'a', commands=[*first.commands, *first.commands],
                 finish=lambda: finished.append('a'))
    empty = note(tmp_path, 'd', commands=[], finish=lambda: finished.append('d'))
    run_jobs([empty, twice, note(tmp_path, 'b', ('a', 'd'))], 4)
    assert (tmp_path / 'notes').read_text() == '+a-a+a-a+b-b'
    assert finished == ['d', 'a']


def test_the_last_line_that_a_command_printed_is_its_error(tmp_path):
    job = Job(name='a', needs=(), log=tmp_path / 'a.log', commands=[
        [sys.executable, '-c', 'print("half of it"); raise SystemExit("error: no disk")']])
    finished = []
    with pytest.raises(ConfigError, match=r'a: error: no disk \(all of it: .*a\.log\)'):
        run_jobs([job, note(tmp_path, 'b'), note(tmp_path, 'c', ('b', 'a'),
                                                 finish=lambda: finished.append('c'))], 1)
    assert (tmp_path / 'notes').read_text() == '+b-b'
    assert not finished
    assert 'half of it' in (tmp_path / 'a.log').read_text()


def test_an_interrupted_table_asks_its_commands_to_stop_and_waits_for_them(tmp_path):
    """As a training does, the command ends in its own time after SIGTERM."""
    slow = ("import signal, sys, time; stopped = []; "
            "signal.signal(signal.SIGTERM, lambda *_: stopped.append(1)); "
            "open(sys.argv[1], 'w').close()\nwhile not stopped: time.sleep(0.01)\n"
            "time.sleep(0.3); open(sys.argv[2], 'w').close()")
    begun, ended = tmp_path / 'begun', tmp_path / 'ended'

    def interrupt():
        deadline = time.monotonic() + 30
        while not begun.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        raise KeyboardInterrupt

    long = Job(name='a', needs=(), log=tmp_path / 'a.log',
               commands=[[sys.executable, '-c', slow, str(begun), str(ended)]])
    with pytest.raises(KeyboardInterrupt):
        run_jobs([long, note(tmp_path, 'b', commands=[], finish=interrupt)], 2)
    assert ended.exists()
