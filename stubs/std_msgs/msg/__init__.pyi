# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
# Written by scripts/message_stubs.py.

import builtin_interfaces.msg

class Header:
    stamp: builtin_interfaces.msg.Time
    frame_id: str
    def __init__(
        self,
        *,
        stamp: builtin_interfaces.msg.Time = ...,
        frame_id: str = ...,
    ) -> None: ...


class String:
    data: str
    def __init__(
        self,
        *,
        data: str = ...,
    ) -> None: ...
