# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The libraries that draw, which the vehicle does not need. Layer: pages."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

from anymodal_seg_ros.errors import MissingDependencyError


def check_libraries() -> None:
    """To be called before the work whose end is a report.

    Raises:
        MissingDependencyError: matplotlib or Jinja2 is not installed.
    """
    load_library('matplotlib.figure')
    load_library('jinja2')


def load_library(module: str) -> Any:  # noqa: ANN401 - a module
    """A module of matplotlib or Jinja2.

    Raises:
        MissingDependencyError: it is not installed.
    """
    log = logging.getLogger('matplotlib')
    level = log.level
    # It warns of a home that cannot be written, though a folder for a while serves as well.
    log.setLevel(logging.ERROR)
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f'reports need matplotlib and Jinja2 ({error}); install them with: '
            'pip install matplotlib Jinja2') from None
    finally:
        log.setLevel(level)
