# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
# Written by scripts/message_stubs.py.

import builtin_interfaces.msg

class Clock:
    clock: builtin_interfaces.msg.Time
    def __init__(
        self,
        *,
        clock: builtin_interfaces.msg.Time = ...,
    ) -> None: ...
