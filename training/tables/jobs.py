# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Commands that wait for each other, run by a few processes of one thread each."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.unfinished import write_errors

POLL_S = 0.1
ONE_THREAD = dict.fromkeys(('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS'), '1')


@dataclass(frozen=True, kw_only=True)
class Job:
    """Commands, one after the other."""

    name: str
    needs: tuple[str, ...]
    """Names of the jobs that end before it begins."""
    commands: Sequence[Sequence[str]]
    """None for what is done already."""
    log: Path
    """Gets what the commands print."""
    finish: Callable[[], None] = field(default=lambda: None)
    """Called here after the last of them."""


def run_jobs(jobs: Sequence[Job], processes: int) -> None:
    """Run all jobs, at most ``processes`` at a time, in the order given as far as they can.

    A job that fails takes those with it that need it; the others go on. When this ends early, the
    commands are asked to stop by SIGTERM and waited for.

    Raises:
        ConfigError: a command failed, naming each job and the last line that it printed.
        WriteError: a log cannot be written.
    """
    waiting, running, failed = list(jobs), list[_Running](), dict[str, str]()
    done: set[str] = set()
    try:
        while waiting or running:
            for job in [job for job in waiting if set(job.needs) & set(failed)]:
                waiting.remove(job)
                failed[job.name] = f'needs {" and ".join(set(job.needs) & set(failed))}'
            ready = [job for job in waiting if set(job.needs) <= done]
            for job in ready[:processes - len(running)]:
                waiting.remove(job)
                running.append(_Running(job))
            for each in [each for each in running if each.has_ended()]:
                running.remove(each)
                if each.error:
                    failed[each.job.name] = each.error
                else:
                    each.job.finish()
                    done.add(each.job.name)
            time.sleep(POLL_S)
    finally:
        for each in running:
            each.ask_to_stop()
        for each in running:
            each.wait()
    if failed:
        raise ConfigError('; '.join(f'{name}: {error}' for name, error in failed.items()))


class _Running:
    """A job's commands; ``error`` is what was wrong with one."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.error = ''
        self._left = list(job.commands)
        self._process: subprocess.Popen[bytes] | None = None

    def has_ended(self) -> bool:
        """Goes on with the next command where one has ended."""
        if self._process is not None:
            status = self._process.poll()
            if status is None:
                return False
            self._process = None
            if status:
                self.error = f'{_last_line(self.job.log)} (all of it: {self.job.log})'
                return True
        if not self._left:
            return True
        self._start(self._left.pop(0))
        return False

    def ask_to_stop(self) -> None:
        if self._process is not None:
            self._process.terminate()

    def wait(self) -> None:
        if self._process is not None:
            self._process.wait()

    def _start(self, command: Sequence[str]) -> None:
        tqdm.write(f'{self.job.name}: {Path(command[1]).name}, log in {self.job.log}')
        with write_errors(self.job.log):
            self.job.log.parent.mkdir(parents=True, exist_ok=True)
            with self.job.log.open('ab') as log:
                # In a session of its own: a terminal's Ctrl-C would come beside our SIGTERM, and
                # a second signal ends a training at once, without its checkpoint.
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    env={**os.environ, **ONE_THREAD}, start_new_session=True)


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding='utf-8', errors='replace').split('\n')
    return next((line for line in reversed(lines) if line.strip()), 'no word')
