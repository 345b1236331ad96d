# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""DELIVER's five sensor failures, as rows of the table of faults. Simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.corruption import DELIVER_FAILURES, FAULTS

FAILURES = DELIVER_FAILURES
"""By DELIVER's name: the sensor that fails, the fault and its severity."""


def failed(failure: str, modality: str, data: npt.NDArray[Any],
           rng: np.random.Generator) -> npt.NDArray[Any]:
    """``data`` of one sensor under a failure of ``FAILURES``, or under none ('')."""
    if not failure or FAILURES[failure][0] != modality:
        return data
    _, fault, severity = FAILURES[failure]
    return FAULTS[fault].apply(data, severity, rng, modality)
