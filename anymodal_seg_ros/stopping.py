# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How a command ends: by SIGINT and SIGTERM from its first line to its last, and by an error.
Layer: ground, nothing heavy.

A module that can be run starts itself by ``run_main`` before its own imports: those take seconds,
and a signal must end the command quietly in the midst of them, too.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from types import FrameType
from typing import ParamSpec

from anymodal_seg_ros.errors import AnymodalError

P = ParamSpec('P')
SIGNALS = (signal.SIGINT, signal.SIGTERM)
NODE_STOPPED = 0
COMMAND_STOPPED = 130


def run_main(module: str, stopped_code: int) -> int:
    """Import ``module``, run its ``main()`` and return the exit code.

    While the import runs, a signal ends the process at once with ``stopped_code``: nothing has
    begun, and libraries would swallow or disguise an exception. Then the first signal raises
    KeyboardInterrupt, and later ones, as a terminal and a launch both send one, change nothing.

    NumPy's BLAS gets one thread, here and in child processes, unless OPENBLAS_NUM_THREADS says
    otherwise.
    """
    # More of them wait for each other by spinning: where the cores are busy, a product of
    # matrices takes twenty times as long.
    os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')
    handler = _Handler(lambda: os._exit(stopped_code))
    for number in SIGNALS:
        signal.signal(number, handler)
    main: Callable[[], int] = importlib.import_module(module).main
    try:
        try:
            handler.act = handler.interrupt_once
            return main()
        finally:
            handler.act = _ignore
    except KeyboardInterrupt:
        return stopped_code
    finally:
        # The interpreter's end takes Python's handlers away and would die of a late signal.
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        # Its search for cycles among the libraries' objects takes a second on an idle machine,
        # and on a busy one longer than a launch waits before it kills.
        gc.freeze()


def errors_in_a_line(main: Callable[P, int]) -> Callable[P, int]:
    """A command's ``main`` that says what went wrong in one line and returns 1; when it is
    interrupted, ``COMMAND_STOPPED``."""
    @wraps(main)
    def run(*args: P.args, **options: P.kwargs) -> int:
        try:
            return main(*args, **options)
        except (AnymodalError, OSError) as error:
            sys.stderr.write(f'error: {error}\n')
            return 1
        except KeyboardInterrupt:
            return COMMAND_STOPPED

    return run


def ends_at_once(stopped_code: int) -> AbstractContextManager[None]:
    """For imports that a command puts off until its arguments are known to be right: as in
    ``run_main``, a signal within ends the process at once."""
    return signals_to(lambda number, frame: os._exit(stopped_code))


@contextmanager
def signals_to(handler: Callable[[int, FrameType | None], None]) -> Generator[None, None, None]:
    """SIGINT and SIGTERM come to ``handler`` within, and to whom they came before afterwards."""
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


class _Handler:
    """One signal handler for the whole run: to change ``act`` takes no time without a handler."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.act = act

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.act()

    def interrupt_once(self) -> None:
        self.act = _ignore
        raise KeyboardInterrupt


def _ignore() -> None:
    pass


@contextmanager
def shielded_children() -> Generator[None, None, None]:
    """Processes that are started within never see a signal: who started them kills them.

    A terminal signals the whole group, and Python's worker processes answer with tracebacks.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
