# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From process start to exit code, the same for every node. Layer: ros."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidHandle, NameValidationException, ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from anymodal_seg_ros.errors import AnymodalError
from anymodal_seg_ros.ros.node_log import NodeLog

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

EXIT_FAILED = 1
EXIT_BAD_USAGE = 2
STOP_POLL_S = 0.2
"""How long a signal may wait for a node in which nothing happens."""


class Finished(Exception):  # noqa: N818 - the way out, not an error
    """Raised by a callback to end its node with ``exit_code``."""

    def __init__(self, exit_code: int = 0) -> None:
        super().__init__(f'finished with exit code {exit_code}')
        self.exit_code = exit_code


class OwningNode(Node):
    """A node that gives back what it holds, however far its construction came.

    What the constructor acquires goes onto ``closing`` at once: rclpy also destroys a node whose
    constructor was interrupted or failed, and that lacks the attributes that come later. What the
    package logs meanwhile is in the node's log.
    """

    def __init__(self, name: str, **node_options: object) -> None:
        self.closing = ExitStack()
        super().__init__(name, **node_options)
        self.closing.callback(NodeLog(self).close)

    def destroy_node(self) -> None:
        """Close what is on ``closing``, last first, then the node."""
        try:
            self.closing.close()
        finally:
            super().destroy_node()


class _StopRequest:
    """SIGINT and SIGTERM: interrupt the start-up at once, else be noted and change nothing.

    A terminal's Ctrl-C reaches a launched node twice, so clean-up must not be interruptible.
    """

    def __init__(self) -> None:
        self.received = False
        self._interrupt = False

    @contextmanager
    def interrupting(self) -> Generator[None, None, None]:
        """Within this block a signal raises KeyboardInterrupt, once, at its end at the latest."""
        previous = sys.unraisablehook
        sys.unraisablehook = self._on_unraisable
        self._interrupt = True
        try:
            if self.received:
                raise KeyboardInterrupt
            yield
            if self.received:
                raise KeyboardInterrupt
        finally:
            self._interrupt = False
            sys.unraisablehook = previous

    @contextmanager
    def installed(self) -> Generator[None, None, None]:
        previous = {number: signal.signal(number, self._note)
                    for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _on_unraisable(self, unraisable: UnraisableHookArgs) -> None:
        """A destructor swallows the interruption that falls into it: the next signal is heard."""
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            self._interrupt = True
        else:
            sys.__unraisablehook__(unraisable)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = True
        if self._interrupt:
            self._interrupt = False
            raise KeyboardInterrupt


def run_node(factory: Callable[[], Node], args: Sequence[str] | None = None) -> int:
    """Initialise ROS, build the node, spin it on one thread and clean up; returns the exit code.

    - 0 after SIGINT, SIGTERM, a shutdown from outside, or ``Finished()``;
    - 2 when ``factory`` raises one of this package's errors or a parameter is refused, with one
      line on standard error;
    - 1 when a callback or the clean-up raises one of this package's errors, with one line; other
      exceptions are defects and propagate after the clean-up.

    Must be called on the main thread. A signal interrupts ``factory`` wherever it is, so threads
    should be started by what it returns or be daemons, and are to be ended in ``destroy_node``:
    see ``OwningNode``.
    """
    stop = _StopRequest()
    with stop.installed():
        node: Node | None = None
        try:
            try:
                with stop.interrupting():
                    _initialise(args)
                    node = factory()
                return _spin(node, stop)
            finally:
                # A shutdown from outside may have destroyed the handles already.
                if node is not None:
                    with suppress(InvalidHandle, RuntimeError):
                        node.destroy_node()
        except (KeyboardInterrupt, ExternalShutdownException):
            return 0
        except (AnymodalError, ParameterException, NameValidationException) as error:
            _complain(error)
            return EXIT_BAD_USAGE if node is None else EXIT_FAILED
        except Exception:
            # Compiled libraries turn the interruption into errors of their own.
            if stop.received and node is None:
                return 0
            raise
        finally:
            with suppress(RuntimeError):
                rclpy.try_shutdown()


def _initialise(args: Sequence[str] | None) -> None:
    try:
        rclpy.init(args=None if args is None else list(args),
                   signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:
        # rcl reports unknown arguments and parameter files that it cannot parse this way.
        raise AnymodalError(str(error)) from None


def _spin(node: Node, stop: _StopRequest) -> int:
    # The wait inside rcl is not ended by a Python signal handler; this timer ends it.
    heartbeat = node.create_timer(STOP_POLL_S, _nothing,
                                  clock=Clock(clock_type=ClockType.STEADY_TIME))
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        while not stop.received and rclpy.ok():
            executor.spin_once()
    except Finished as finished:
        return finished.exit_code
    finally:
        with suppress(InvalidHandle, RuntimeError):
            node.destroy_timer(heartbeat)
            executor.shutdown(timeout_sec=1.0)
    return 0


def _nothing() -> None:
    pass


def _complain(error: Exception) -> None:
    text = ' '.join(str(error).split()) or type(error).__name__
    sys.stderr.write(f'{Path(sys.argv[0]).stem}: {text}\n')
    sys.stderr.flush()
