# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sensor faults: one implementation for the injector, the simulator, training and benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from anymodal_seg_ros.corruption.deliver import DELIVER_FAILURES
from anymodal_seg_ros.corruption.fault import SEVERITY_RANGE, Fault
from anymodal_seg_ros.corruption.schedule import FaultSchedule, ScheduledFault
from anymodal_seg_ros.corruption.stream import Outgoing, StreamFaults
from anymodal_seg_ros.corruption.table import FAULTS
from anymodal_seg_ros.samples import Sample

__all__ = ['DELIVER_FAILURES', 'FAULTS', 'SEVERITY_RANGE', 'Fault', 'FaultSchedule', 'Outgoing',
           'ScheduledFault', 'StreamFaults', 'corrupt']


def corrupt(sample: Sample, active: Sequence[ScheduledFault], seed: int) -> Sample:
    """The sample under its active content faults, in order; others are passed over.

    The same sample, faults and seed give the same result, on a vehicle and offline.
    """
    data = sample.data
    for fault in active:
        if fault.kind == 'content' and fault.modality == sample.modality:
            rng = fault.rng(seed, sample.stamp_ns)
            data = fault.row.apply(data, fault.severity, rng, sample.modality)
    return sample if data is sample.data else replace(sample, data=data)
