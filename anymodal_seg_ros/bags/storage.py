# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every file format of rosbag2 gives, whole or damaged. Layer: bags."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """The messages of one topic and type in one file."""

    id: int
    topic: str
    msgtype: str
    serialization: str
    """``'cdr'`` in ROS 2."""
    definition: str
    """Text of the message definition; '' where the file has none."""
    definition_format: str
    """``'ros2msg'`` or ``'ros2idl'``."""


class StoredMessage(NamedTuple):
    """One serialized message of a file."""

    recorded_ns: int
    channel_id: int
    data: bytes


Say = Callable[[str], None]
"""Is told what is missing or broken, a line each, when it is found: on opening or in reading."""


class Storage(Protocol):
    """One open file of a recording; damage in it costs the messages it lies in, and no others."""

    @property
    def channels(self) -> Sequence[Channel]:
        """Everything that was recorded here."""

    @property
    def counts(self) -> Mapping[int, int]:
        """Channel id to number of messages."""

    @property
    def span_ns(self) -> tuple[int, int] | None:
        """Recorded time of the first and the last message; None without messages."""

    def messages(self, channel_ids: Collection[int], start_ns: int) -> Iterator[StoredMessage]:
        """Those of the channels in recorded order, from ``start_ns`` on."""

    def close(self) -> None:
        """Give the file back."""
