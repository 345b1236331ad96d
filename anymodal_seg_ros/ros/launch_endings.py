# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How a launch ends: with the process it is about, and as a failure if that failed."""

from __future__ import annotations

import signal

from launch import LaunchContext
from launch.actions import EmitEvent, ExecuteProcess, RegisterEventHandler
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited

STOPPED = (0, -signal.SIGINT, -signal.SIGTERM)
"""A process that is signalled before Python can listen ends by the signal."""


class ProcessFailedError(RuntimeError):
    """Out of an event handler it ends the launch with exit code 1."""


def ends_with(process: ExecuteProcess, name: str) -> RegisterEventHandler:
    """The launch ends when ``process`` does, with exit code 1 if that failed."""
    def on_exit(event: ProcessExited, context: LaunchContext) -> list[EmitEvent]:
        if context.is_shutdown:
            return []
        check_exit(event, name)
        return [EmitEvent(event=Shutdown(reason=f'{name} has ended'))]

    return RegisterEventHandler(OnProcessExit(target_action=process, on_exit=on_exit))


def check_exit(event: ProcessExited, name: str) -> None:
    """Raises ProcessFailedError for a process that failed rather than ended or was stopped."""
    if event.returncode not in STOPPED:
        raise ProcessFailedError(f'{name} failed (exit code {event.returncode}); what it said is '
                                 'above')
