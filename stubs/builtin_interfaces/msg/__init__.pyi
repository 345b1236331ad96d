# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
# Written by scripts/message_stubs.py.


class Time:
    sec: int
    nanosec: int
    def __init__(
        self,
        *,
        sec: int = ...,
        nanosec: int = ...,
    ) -> None: ...
