# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is attacked: a reader, and how an input for it is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Read = Callable[[], object]
"""Reads one input that is ready; returns, or raises one of the package's own errors."""
MAX_INPUT_BYTES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A reader with its inputs."""

    name: str
    weight: int
    """How often it is taken, beside the others."""
    prepare: Callable[[np.random.Generator], Read]
    """Makes an input of less than ``MAX_INPUT_BYTES``; equal generators make equal ones."""
    refuses: bool = True
    """Whether a bad input is an error; a node counts it and goes on."""
