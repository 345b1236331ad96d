# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From process start to exit code, the same for every node. Layer: ros."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar

import rclpy
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidHandle, NameValidationException, ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from rclpy.subscription import Subscription
from rclpy.timer import Timer

from anymodal_seg_ros.errors import AnymodalError
from anymodal_seg_ros.ros.guard import Guard
from anymodal_seg_ros.ros.node_log import NodeLog
from anymodal_seg_ros.ros.shared_memory import shared_memory_problem

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

EXIT_FAILED = 1
EXIT_BAD_USAGE = 2
STOP_POLL_S = 0.2
"""How long a signal may wait for a node in which nothing happens."""
HOPELESS_ROW = 100
"""So many errors of the executor itself, with nothing done in between, end the node."""


class Finished(Exception):  # noqa: N818 - the way out, not an error
    """Raised by a callback to end its node with ``exit_code``."""

    def __init__(self, exit_code: int = 0) -> None:
        super().__init__(f'finished with exit code {exit_code}')
        self.exit_code = exit_code


class OwningNode(Node):
    """A node that outlives its callbacks' errors, and gives back what it holds in the end.

    What the constructor acquires goes onto ``closing`` at once: rclpy also destroys a node whose
    constructor was interrupted or failed, and that lacks the attributes that come later. What the
    package logs meanwhile is in the node's log.

    Every subscription, its transport events, every timer and every parameter callback runs under
    ``guard``, also those that rclpy makes for itself.
    """

    ends_by: ClassVar[tuple[type[Exception], ...]] = ()
    """Errors of a callback that end this node with one line, beside ``Finished``."""

    def __init__(self, name: str, **node_options: Any) -> None:  # noqa: ANN401 - as in rclpy
        self.guard = Guard(self, (Finished, ExternalShutdownException, *self.ends_by))
        self.closing = ExitStack()
        super().__init__(name, **node_options)
        self.closing.callback(NodeLog(self).close)

    def create_subscription(
        self, msg_type: type[Any], topic: str, callback: Callable[..., Any],
        *args: Any, event_callbacks: Any = None, **kwargs: Any,  # noqa: ANN401 - as in rclpy
    ) -> Subscription[Any]:
        events = {} if event_callbacks is None else dict(vars(event_callbacks))
        for name, on_event in events.items():
            if callable(on_event):
                setattr(event_callbacks, name, self.guard.wrap(f'{topic} {name}', on_event))
        return super().create_subscription(
            msg_type, topic, self.guard.wrap(topic, callback), *args,
            event_callbacks=event_callbacks, **kwargs)

    def create_timer(  # type: ignore[override]
        self, timer_period_sec: float, callback: Callable[..., Any],
        *args: Any, **kwargs: Any,  # noqa: ANN401
    ) -> Timer:
        source = getattr(callback, '__name__', 'timer').strip('_')
        return super().create_timer(
            timer_period_sec, self.guard.wrap(source, callback), *args, **kwargs)

    def add_on_set_parameters_callback(
        self, callback: Callable[[list[Parameter[Any]]], SetParametersResult]
    ) -> None:
        def guarded(parameters: list[Parameter[Any]]) -> SetParametersResult:
            with self.guard.watch('parameters'):
                return callback(parameters)
            return SetParametersResult(successful=False, reason=self.guard.last)

        super().add_on_set_parameters_callback(guarded)

    def destroy_node(self) -> None:
        """Close what is on ``closing``, last first, then the node."""
        if self.guard.counts:
            numbers = ', '.join(f'{source} {n}' for source, n in self.guard.counts.items())
            self.get_logger().error(f'defects, by what they were met in: {numbers}')
            self.guard.counts.clear()
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


def run_node(factory: Callable[[], OwningNode], args: Sequence[str] | None = None) -> int:
    """Initialise ROS, build the node, spin it on one thread and clean up; returns the exit code.

    - 0 after SIGINT, SIGTERM, a shutdown from outside, or ``Finished()``;
    - 2 when ``factory`` raises one of this package's errors or a parameter is refused, with one
      line on standard error;
    - 1 when a callback raises what its node names in ``ends_by``, or the clean-up one of this
      package's errors, with one line; other exceptions of the clean-up are defects and propagate.

    Must be called on the main thread. A signal interrupts ``factory`` wherever it is, so threads
    should be started by what it returns or be daemons, and are to be ended in ``destroy_node``:
    see ``OwningNode``.
    """
    stop = _StopRequest()
    with stop.installed():
        node: OwningNode | None = None
        try:
            try:
                with stop.interrupting():
                    _initialise(args)
                    node = factory()
                _spare_what_is_built()
                if problem := shared_memory_problem():
                    node.get_logger().warning(problem)
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
                _shut_down(is_half_made=node is None and stop.received)


def _spare_what_is_built() -> None:
    """Take all there is so far out of Python's search for garbage.

    The libraries alone are 200 000 objects; to go through them takes a tenth of a second or three,
    every few minutes, and no callback runs meanwhile.
    """
    gc.collect()
    gc.freeze()


def _shut_down(*, is_half_made: bool) -> None:
    """End ROS, and with it a node that is still there.

    One that a signal caught between two lines of rclpy cannot be taken apart in order, and is not
    rclpy's any more after the first try.
    """
    try:
        rclpy.try_shutdown()
    except Exception:
        if not is_half_made:
            raise
        rclpy.try_shutdown()


def _initialise(args: Sequence[str] | None) -> None:
    try:
        rclpy.init(args=None if args is None else list(args),
                   signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:
        # rcl reports unknown arguments and parameter files that it cannot parse this way.
        raise AnymodalError(str(error)) from None


def _spin(node: OwningNode, stop: _StopRequest) -> int:
    # The wait inside rcl is not ended by a Python signal handler; this timer ends it.
    heartbeat = node.create_timer(STOP_POLL_S, _nothing,
                                  clock=Clock(clock_type=ClockType.STEADY_TIME))
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    num_failed = 0
    try:
        while not stop.received and rclpy.ok():
            with node.guard.watch('executor'):
                executor.spin_once()
                num_failed = 0
                continue
            num_failed += 1
            if num_failed >= HOPELESS_ROW:
                raise RuntimeError(f'nothing works any more: {node.guard.last}')
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
