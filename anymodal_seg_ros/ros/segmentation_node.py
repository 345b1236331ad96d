# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node ``anymodal_seg``: sensor topics in, label images out.

The executor's thread receives messages, judges them and forms sets; one thread of its own runs
the network on the newest set; nothing waits for the network.
"""

from __future__ import annotations

import sys

from anymodal_seg_ros.stopping import NODE_STOPPED, run_main

if __name__ == '__main__':
    sys.exit(run_main('anymodal_seg_ros.ros.segmentation_node', NODE_STOPPED))

import platform
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType, JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.parameter import Parameter

from anymodal_seg_ros.bags import read_rig
from anymodal_seg_ros.errors import BadMessageError, ConfigError
from anymodal_seg_ros.extrinsics import RigKeeper
from anymodal_seg_ros.inference import build_segmenter
from anymodal_seg_ros.pipeline import output_hw
from anymodal_seg_ros.ros.clock_watch import ClockPhase, ClockState, ClockWatch
from anymodal_seg_ros.ros.conversions import NS_PER_S, RosMessage, decode_sample
from anymodal_seg_ros.ros.deadline import DeadlineTimer
from anymodal_seg_ros.ros.declaration import declare
from anymodal_seg_ros.ros.diagnostics import InferenceStats
from anymodal_seg_ros.ros.inputs import build_camera_info_inputs, build_inputs
from anymodal_seg_ros.ros.labelling import Labelling
from anymodal_seg_ros.ros.lifetime import OwningNode, run_node
from anymodal_seg_ros.ros.outputs import OutputPublishers
from anymodal_seg_ros.ros.params import AREAS, parameter_specs, settings_from_values
from anymodal_seg_ros.ros.reporting import Reporter
from anymodal_seg_ros.ros.state_log import StateLog
from anymodal_seg_ros.ros.transforms import tf_lookup
from anymodal_seg_ros.samples import SampleSet
from anymodal_seg_ros.session import Session

NODE_NAME = 'anymodal_seg'
STOP_TIMEOUT_S = 5.0


class SegmentationNode(OwningNode):
    """See the module. Raises ConfigError or BundleError for what it cannot start with."""

    def __init__(self, **node_options: object) -> None:
        super().__init__(NODE_NAME, **node_options)
        self._values = declare(self, parameter_specs(), AREAS)
        self._settings = settings_from_values(self._values)
        segmenter = build_segmenter(
            self._settings.bundle_path,
            **{name: self._values[f'model.{name}']
               for name in ('backend', 'device', 'precision', 'num_threads',
                            'guidance_frames')},
        )
        self._reported: set[tuple[str, str]] = set()
        self._keeper = self._build_keeper(segmenter.bundle.modalities)
        self._session = Session(
            segmenter, self._keeper, settings=self._settings.session,
            decoding=self._settings.decoding, on_refused=self._on_refused)
        self._stats = InferenceStats()
        self._num_bad_camera_infos: Counter[str] = Counter()
        self._clock_watch = ClockWatch(self._steady_ns())
        self._last_report_ns = 0
        self._outputs = OutputPublishers(
            self, segmenter.bundle.label_space, self._settings.overlay_alpha)
        self._labelling = Labelling(self, self._session, self._outputs, self._stats)
        self.closing.callback(self._stop_labelling)
        if self._values['model.warm_up']:
            self._labelling.warm_up(output_hw(self._keeper.rig))
        self._labelling.start()
        self._start_receiving()
        self.get_logger().info(
            f'bundle {self._settings.bundle_path}: {", ".join(self._session.modalities)}; ready'
        )

    def _stop_labelling(self) -> None:
        if not self._labelling.stop(STOP_TIMEOUT_S):
            self.get_logger().warning(f'inference has not ended within {STOP_TIMEOUT_S} s')

    # Start-up

    def _build_keeper(self, modalities: Sequence[str]) -> RigKeeper:
        recording = self._values['extrinsics_bag']
        return RigKeeper(
            camera_frame=self._settings.camera_frame,
            base_frame=self._settings.base_frame,
            lookup=tf_lookup(self),
            extrinsics=self._settings.extrinsics,
            cameras=self._settings.cameras,
            recording=read_rig(recording, modalities=modalities) if recording else None,
        )

    def _start_receiving(self) -> None:
        modalities = self._session.modalities
        forms = {name: self._settings.forms[name] for name in modalities}
        self._camera_infos = build_camera_info_inputs(self, modalities, self._on_camera_info)
        self._inputs = build_inputs(
            self, forms, self._settings.qos, self._on_message, self._on_lost)
        self._state_log = StateLog(self.get_logger())
        self._reporter = Reporter(
            node=self, hardware_id=self._values['diagnostics.hardware_id'] or platform.node(),
            session=self._session, keeper=self._keeper, inputs=self._inputs,
            camera_infos=self._camera_infos, num_bad_camera_infos=self._num_bad_camera_infos,
            stats=self._stats)
        for camera_info in self._camera_infos.values():
            camera_info.set_active(True)
        for name, source in self._inputs.items():
            source.set_active(self._settings.is_enabled(name))
        self._jump_handle = self.get_clock().create_jump_callback(
            JumpThreshold(
                min_forward=Duration(seconds=self._values['clock_jump_s']),
                min_backward=Duration(nanoseconds=-1),
                on_clock_change=True,
            ),
            post_callback=self.guard.wrap('clock jump', self._on_clock_jump),
        )
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._deadline = DeadlineTimer(self, steady, self._on_deadline)
        self.create_timer(1.0 / self._values['diagnostics.tick_hz'], self._tick, clock=steady)
        self.add_on_set_parameters_callback(self._on_parameters)

    # The receiving thread

    def _on_camera_info(self, modality: str, msg: RosMessage) -> None:
        source = f'{modality} camera info'
        with self.guard.watch(source):
            try:
                self._keeper.on_camera_info(modality, msg)
                return
            except BadMessageError as error:
                self._on_refused(source, error.field, str(error))
        self._num_bad_camera_infos[modality] += 1

    def _on_message(self, modality: str, msg: RosMessage) -> None:
        now_ns = self._now_ns()
        if now_ns == 0:
            self._stats.count('before_clock')
            return
        read = partial(
            decode_sample, modality, msg, now_ns, received_steady_ns=self._steady_ns())
        with self.guard.watch(modality):
            self._forward(self._session.receive(modality, read, now_ns), now_ns)
            return
        # Whatever it was, it costs this message of this sensor, and its health says so.
        self._forward(self._session.reject(modality, 'defect', now_ns, 'defect'), now_ns)

    def _on_lost(self, modality: str, number: int) -> None:
        if now_ns := self._now_ns():
            self._session.pipeline.health.note_lost(modality, number, now_ns)

    def _on_refused(self, source: str, reason: str, text: str) -> None:
        """Log each kind of unusable message once; the diagnostics have the counts."""
        if (source, reason) not in self._reported:
            self._reported.add((source, reason))
            self.get_logger().warning(f'{source}: dropped a message: {text}')

    def _forward(self, sets: Sequence[SampleSet], now_ns: int) -> None:
        """Each set to the inference thread, a defect costs the set in which it is met; and the
        timer to the next deadline."""
        for sample_set in sets:
            placed = None
            with self.guard.watch('set'):
                placed = self._session.place(sample_set, now_ns)
            if placed is None:
                self._stats.count('sets_discarded')
            else:
                self._labelling.submit(placed)
        self._deadline.arm(self._session.next_deadline(), now_ns)

    def _on_deadline(self) -> None:
        now_ns = self._now_ns()
        self._forward(self._session.poll(now_ns, self._steady_ns()), now_ns)

    def _tick(self) -> None:
        now_ns, steady_ns = self._now_ns(), self._steady_ns()
        self._clock_watch.look(now_ns, steady_ns)
        if now_ns:
            with self.guard.watch('poll'):
                self._forward(self._session.poll(now_ns, steady_ns), now_ns)
        transitions = self._session.pipeline.health.drain_transitions()
        with self.guard.watch('state log'):
            self._state_log.write(transitions, steady_ns)
        if not transitions:
            period_ns = NS_PER_S / self._values['diagnostics.rate_hz']
            if steady_ns - self._last_report_ns < period_ns:
                return
            self._once_in_a_while()
        self._last_report_ns = steady_ns
        self._reporter.publish(now_ns, self._clock_state(steady_ns))

    def _once_in_a_while(self) -> None:
        with self.guard.watch('once in a while'):
            for source in (*self._inputs.values(), *self._camera_infos.values()):
                source.adapt()
            self._keeper.refresh()

    def _on_clock_jump(self, jump: TimeJump) -> None:
        now_ns = self._now_ns()
        if now_ns == jump.delta.nanoseconds:
            # Simulated time begins: nothing was taken in before, but its grace times begin too.
            self._session.pipeline.health.reset(now_ns)
            return
        steady_ns = self._steady_ns()
        self._clock_watch.jump(jump.delta.nanoseconds, steady_ns)
        reason = f'the clock jumped by {jump.delta.nanoseconds / NS_PER_S:.3f} s'
        # Where that does not end, the advice says so once.
        if self._clock_state(steady_ns).phase is not ClockPhase.UNSTEADY:
            self._state_log.restart(reason)
        self._session.restart(now_ns, reason)
        self._labelling.discard()

    def _on_parameters(self, parameters: Sequence[Parameter[Any]]) -> SetParametersResult:
        given = {p.name: p.value for p in parameters if p.name in self._values}
        if not given:
            # A new subscription declares its QoS overrides, while settings are being taken over.
            return SetParametersResult(successful=True)
        specs = {spec.name: spec for spec in parameter_specs()}
        values = {**self._values, **given}
        try:
            for name, value in given.items():
                specs[name].check(value)
            settings = settings_from_values(values)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self._outputs.overlay_alpha = settings.overlay_alpha
        now_ns = self._now_ns()
        sets = self._session.reconfigure(settings.session, now_ns)
        for name, source in self._inputs.items():
            source.set_active(settings.is_enabled(name))
        self._forward(sets, now_ns)
        self._values, self._settings = values, settings
        return SetParametersResult(successful=True)

    def _clock_state(self, steady_ns: int) -> ClockState:
        return self._clock_watch.state(steady_ns, self.count_publishers('/clock'))

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _steady_ns(self) -> int:
        return time.monotonic_ns()


def main(args: Sequence[str] | None = None) -> int:
    """Entry point ``segmentation_node``; returns the exit code."""
    return run_node(SegmentationNode, args)
