# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
# Written by scripts/message_stubs.py.

from typing import ClassVar

import std_msgs.msg

class DiagnosticArray:
    header: std_msgs.msg.Header
    status: list[DiagnosticStatus]
    def __init__(
        self,
        *,
        header: std_msgs.msg.Header = ...,
        status: list[DiagnosticStatus] = ...,
    ) -> None: ...


class DiagnosticStatus:
    OK: ClassVar[bytes]
    WARN: ClassVar[bytes]
    ERROR: ClassVar[bytes]
    STALE: ClassVar[bytes]
    level: bytes
    name: str
    message: str
    hardware_id: str
    values: list[KeyValue]
    def __init__(
        self,
        *,
        level: bytes = ...,
        name: str = ...,
        message: str = ...,
        hardware_id: str = ...,
        values: list[KeyValue] = ...,
    ) -> None: ...


class KeyValue:
    key: str
    value: str
    def __init__(
        self,
        *,
        key: str = ...,
        value: str = ...,
    ) -> None: ...
