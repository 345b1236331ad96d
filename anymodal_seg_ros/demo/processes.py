# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Starts nodes as processes of their own and leaves none behind. Layer: demo."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from anymodal_seg_ros.errors import AnymodalError
from anymodal_seg_ros.resources import resource_path

STOP_TIMEOUT_S = 10.0
POLL_S = 0.1


class ProcessError(AnymodalError):
    """A node ended or did not become ready. The message ends with the last lines of its log."""


def private_ros_environment() -> dict[str, str]:
    """This process's environment on a domain of its own, with large shared-memory segments."""
    return {
        # Threads that spin while they wait would take the cores from the other processes.
        'OMP_WAIT_POLICY': 'PASSIVE',
        **os.environ,
        'ROS_DOMAIN_ID': str(1 + os.getpid() % 100),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'FASTDDS_DEFAULT_PROFILES_FILE': str(resource_path('config') / 'fastdds_shm.xml'),
        'PYTHONUNBUFFERED': '1',
    }


class Processes:
    """Named node processes; leaving the context ends all of them, whatever happened.

    Every process leads a group of its own, so that a terminal's Ctrl-C reaches them only through
    this class, once.
    """

    def __init__(self, log_dir: Path) -> None:
        self._log_dir = log_dir
        self._environment = private_ros_environment()
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Processes:
        self._log_dir.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.stop(*self._running)

    def start_node(self, name: str, module: str, parameters: Mapping[str, object],
                   remaps: Mapping[str, str] | None = None) -> None:
        """Start ``python -m anymodal_seg_ros.ros.<module>``; its output goes to a log file."""
        command = [sys.executable, '-m', f'anymodal_seg_ros.ros.{module}', '--ros-args']
        for key, value in parameters.items():
            command += ['-p', f'{key}:={_yaml(value)}']
        for source, target in (remaps or {}).items():
            command += ['-r', f'{source}:={target}']
        with self._log_path(name).open('wb') as log:
            self._running[name] = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                env=self._environment, start_new_session=True)

    def wait_for_line(self, name: str, text: str, timeout_s: float) -> None:
        """Wait until a node has said ``text``; ProcessError when it ends or takes longer."""
        deadline_s = time.monotonic() + timeout_s
        while text not in self._log(name):
            self.check()
            if time.monotonic() > deadline_s:
                raise self._error(name, f'did not say {text!r} within {timeout_s:.0f} s')
            time.sleep(POLL_S)

    def has_ended(self, name: str) -> bool:
        """Whether a node ended by itself with exit code 0; ProcessError for any other code."""
        code = self._running[name].poll()
        if code:
            raise self._error(name, f'ended with exit code {code}')
        return code == 0

    def check(self) -> None:
        """Raise ProcessError if any node failed."""
        for name in self._running:
            self.has_ended(name)

    def stop(self, *names: str) -> None:
        """End nodes with SIGINT, in this order; those that do not listen are killed."""
        for name in names:
            process = self._running.pop(name)
            if process.poll() is None:
                _signal_group(process, signal.SIGINT)
                try:
                    process.wait(STOP_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    _signal_group(process, signal.SIGKILL)
                    process.wait()

    def _log_path(self, name: str) -> Path:
        return self._log_dir / f'{name}.log'

    def _log(self, name: str) -> str:
        return self._log_path(name).read_text(encoding='utf-8', errors='replace')

    def _error(self, name: str, problem: str) -> ProcessError:
        lines = self._log(name).strip().splitlines()[-5:]
        return ProcessError('\n  '.join([f'{name} {problem}; {self._log_path(name)} ends:',
                                         *lines]))


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def _yaml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return '[' + ', '.join(_yaml(item) for item in value) + ']'
    if isinstance(value, (str, Path)):
        return "'" + str(value).replace("'", "''") + "'"
    return str(value)
