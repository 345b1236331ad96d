# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""DELIVER's five sensor failures, as rows of the table of faults. Simulation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.corruption import FAULTS

FAILURES: Mapping[str, tuple[str, str, float]] = {
    'motionblur': ('rgb', 'motion_blur', .7),
    'overexposure': ('rgb', 'overexposure', .3),
    'underexposure': ('rgb', 'underexposure', .5),
    'lidarjitter': ('lidar', 'jitter', .8),
    'eventlowres': ('event', 'low_resolution', 1.0),
}
"""By DELIVER's name: the sensor that fails, the fault and its severity."""


def failed(failure: str, modality: str, data: npt.NDArray[Any],
           rng: np.random.Generator) -> npt.NDArray[Any]:
    """``data`` of one sensor under a failure of ``FAILURES``, or under none ('')."""
    if not failure or FAILURES[failure][0] != modality:
        return data
    _, fault, severity = FAILURES[failure]
    return FAULTS[fault].apply(data, severity, rng, modality)
