# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Message classes by their type's name. Layer: ros."""

from __future__ import annotations

import importlib
from typing import Any


def message_class(msgtype: str) -> type[Any] | None:
    """The class of, say, ``'sensor_msgs/msg/Image'``; None where it is not installed."""
    package, _, name = msgtype.partition('/msg/')
    try:
        found = getattr(importlib.import_module(f'{package}.msg'), name, None)
    except ImportError:
        return None
    return found if isinstance(found, type) else None
