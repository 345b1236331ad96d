# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Message classes and their types' names. Layer: ros."""

from __future__ import annotations

import importlib
from typing import Any

from anymodal_seg_ros.errors import ConfigError


def message_class(msgtype: str) -> type[Any]:
    """The class of, say, ``'sensor_msgs/msg/Image'``.

    Raises:
        ConfigError: it is not installed.
    """
    package, _, name = msgtype.partition('/msg/')
    try:
        found = getattr(importlib.import_module(f'{package}.msg'), name, None)
    except ImportError:
        found = None
    if not isinstance(found, type):
        raise ConfigError(f'the message type {msgtype} is not installed')
    return found


def is_installed(msgtype: str) -> bool:
    try:
        message_class(msgtype)
    except ConfigError:
        return False
    return True


def type_name(message_class: type[Any]) -> str:
    """``'sensor_msgs/msg/Image'`` and so on."""
    return f'{message_class.__module__.partition(".")[0]}/msg/{message_class.__name__}'
