# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the package's parts without ROS log, in the node's own log. Layer: ros."""

from __future__ import annotations

import logging

from rclpy.node import Node

_PACKAGE = logging.getLogger('anymodal_seg_ros')


class NodeLog(logging.Handler):
    """Hands the package's records to a node's logger, and so to ``/rosout``, until closed."""

    def __init__(self, node: Node) -> None:
        super().__init__(logging.INFO)
        self._logger = node.get_logger()
        self._level = _PACKAGE.level
        _PACKAGE.setLevel(logging.INFO)
        _PACKAGE.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        # rclpy wants one line of code for each severity.
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)

    def close(self) -> None:
        """Leave the log as it was."""
        _PACKAGE.removeHandler(self)
        _PACKAGE.setLevel(self._level)
        super().close()
