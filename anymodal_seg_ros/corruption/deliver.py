# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The five sensor failures of the DELIVER data set, as rows of the table of faults.

Source: Zhang et al., Delivering Arbitrary-Modal Semantic Segmentation, CVPR 2023, section 3.
"""

from __future__ import annotations

from collections.abc import Mapping

DELIVER_FAILURES: Mapping[str, tuple[str, str, float]] = {
    'motionblur': ('rgb', 'motion_blur', .7),
    'overexposure': ('rgb', 'overexposure', .3),
    'underexposure': ('rgb', 'underexposure', .5),
    'lidarjitter': ('lidar', 'jitter', .8),
    'eventlowres': ('event', 'low_resolution', 1.0),
}
"""By DELIVER's name: the sensor that fails, the fault, and the severity that looks like it."""
