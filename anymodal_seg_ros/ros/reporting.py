# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node's ``/diagnostics``: everything there is to say of it, in one message. Layer: ros."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from anymodal_seg_ros.extrinsics import RigKeeper
from anymodal_seg_ros.ros.advice import Advisor
from anymodal_seg_ros.ros.clock_watch import ClockPhase, ClockState
from anymodal_seg_ros.ros.conversions import header
from anymodal_seg_ros.ros.diagnostics import (
    InferenceStats,
    input_values,
    modality_status,
    receiving_status,
    synchronization_status,
)
from anymodal_seg_ros.ros.inputs import AdaptiveSubscription
from anymodal_seg_ros.ros.lifetime import OwningNode
from anymodal_seg_ros.session import Session


@dataclass(kw_only=True)
class Reporter:
    """Gathers and publishes what the parts of a node know, and warns of what keeps inputs silent.

    A part that fails in it costs its own status. It belongs to the receiving thread.

    Args:
        inputs, camera_infos, num_bad_camera_infos: by modality.
    """

    node: OwningNode
    hardware_id: str
    session: Session
    keeper: RigKeeper
    inputs: Mapping[str, AdaptiveSubscription]
    camera_infos: Mapping[str, AdaptiveSubscription]
    num_bad_camera_infos: Mapping[str, int]
    stats: InferenceStats

    def __post_init__(self) -> None:
        self.advisor = Advisor(self.node, self.inputs, self.camera_infos)
        self._publisher = self.node.create_publisher(DiagnosticArray, '/diagnostics', 10)

    def publish(self, now_ns: int, clock: ClockState) -> None:
        """One message, stamped ``now_ns`` of the node's clock, which is as ``clock`` says."""
        name, guard = self.node.get_name(), self.node.guard
        statuses: list[DiagnosticStatus] = []
        with guard.watch('diagnostics'):
            statuses += self.sensor_statuses(now_ns, clock)
        with guard.watch('diagnostics'):
            statuses.append(synchronization_status(
                name, self.hardware_id, self.session.pipeline.synchronizer.stats(), clock))
        statuses.append(self.stats.to_status(name, self.hardware_id))
        statuses.append(receiving_status(name, self.hardware_id, guard))
        self._publisher.publish(DiagnosticArray(header=header(now_ns, ''), status=statuses))

    def sensor_statuses(self, now_ns: int, clock: ClockState) -> list[DiagnosticStatus]:
        """One for each sensor of the bundle."""
        reports = self.session.pipeline.reports(now_ns)
        causes: Mapping[str, str] = {}
        with self.node.guard.watch('advice'):
            causes = self.advisor.look(reports)
            if now_ns == 0:
                self.advisor.miss_clock()
            if clock.phase is ClockPhase.UNSTEADY:
                self.advisor.tell_of_unsteady_clock()
        decoders = self.session.pipeline.decoders
        return [
            modality_status(
                self.node.get_name(), self.hardware_id, report,
                {**input_values(self.inputs[name], self.keeper,
                                self.num_bad_camera_infos.get(name, 0)),
                 **decoders[name].known()},
                self.keeper.calibration_error(name), causes.get(name, ''))
            for name, report in reports.items()
        ]
