# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""TensorBoard's event file, written by the thread that asks.

tensorboardX's own writer has a thread that a full disk ends with a traceback, and a queue that
then stops the training for ever.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.summary import Summary


class EventLog:
    """Appends curves to a new event file; every call reaches the disk.

    Args:
        folder: of the event files; made where it is missing.
        first_step: TensorBoard hides what earlier files have from this step on.

    Raises:
        OSError: from any call.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._writer = EventsWriter(str(folder / 'events'), f'.{first_step}')
        self._write(Event(step=first_step, session_log=SessionLog(status=SessionLog.START)))

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """A point of each curve."""
        self._write(Event(step=step, summary=Summary(value=[
            Summary.Value(tag=name, simple_value=value) for name, value in values.items()])))

    def close(self) -> None:
        """Close the file."""
        self._writer.close()

    def _write(self, event: Event) -> None:
        event.wall_time = time.time()
        self._writer.write_event(event)
        self._writer.flush()
