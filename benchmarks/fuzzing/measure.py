# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What one call costs: processor time, and memory above what was in use before. Linux."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

PAGE_BYTES = os.sysconf('SC_PAGE_SIZE')


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one call."""

    seconds: float
    """Of all processors; what others do on the machine does not count."""
    megabytes: float
    """Most memory in use at a time, less what was in use before."""
    error: BaseException | None


class HangError(Exception):
    """A call went on for too long and was ended."""


class Meter:
    """Measures calls of this process's main thread, and ends those of more than ``limit_s``."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        signal.signal(signal.SIGPROF, self._end)
        self._reset = os.open('/proc/self/clear_refs', os.O_WRONLY)
        self._in_use = os.open('/proc/self/statm', os.O_RDONLY)
        self._status = os.open('/proc/self/status', os.O_RDONLY)

    def cost(self, call: Callable[[], object]) -> Cost:
        """Runs ``call``; whatever it raises is part of the answer."""
        os.write(self._reset, b'5')
        before = int(os.pread(self._in_use, 200, 0).split()[1]) * PAGE_BYTES
        error: BaseException | None = None
        begun_ns = time.process_time_ns()
        try:
            signal.setitimer(signal.ITIMER_PROF, self._limit_s)
            call()
        except Exception as raised:  # noqa: BLE001 - what may be raised is the caller's question
            error = raised
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        seconds = (time.process_time_ns() - begun_ns) / 1e9
        return Cost(seconds, max(self._peak_bytes() - before, 0) / 1e6, error)

    def _end(self, *_: object) -> None:
        raise HangError(f'ended after {self._limit_s} s')

    def _peak_bytes(self) -> int:
        status = os.pread(self._status, 4096, 0)
        at = status.index(b'VmHWM:') + 6
        return int(status[at:at + 40].split()[0]) * 1024
