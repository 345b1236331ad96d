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
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType, JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.parameter import Parameter

from anymodal_seg_ros.bags import read_rig
from anymodal_seg_ros.errors import BadMessageError, ConfigError
from anymodal_seg_ros.extrinsics import RigKeeper
from anymodal_seg_ros.inference import build_segmenter
from anymodal_seg_ros.pipeline import Pipeline
from anymodal_seg_ros.ros.advice import Advisor
from anymodal_seg_ros.ros.clock_watch import ClockPhase, ClockState, ClockWatch
from anymodal_seg_ros.ros.conversions import NS_PER_S, RosMessage, decode_sample, header
from anymodal_seg_ros.ros.declaration import declare
from anymodal_seg_ros.ros.diagnostics import (
    InferenceStats,
    input_values,
    modality_status,
    receiving_status,
    synchronization_status,
)
from anymodal_seg_ros.ros.inputs import build_camera_info_inputs, build_inputs
from anymodal_seg_ros.ros.labelling import Labelling, Work
from anymodal_seg_ros.ros.lifetime import OwningNode, run_node
from anymodal_seg_ros.ros.outputs import OutputPublishers
from anymodal_seg_ros.ros.params import AREAS, parameter_specs, settings_from_values
from anymodal_seg_ros.ros.state_log import StateLog
from anymodal_seg_ros.ros.transforms import tf_lookup
from anymodal_seg_ros.samples import SampleSet

NODE_NAME = 'anymodal_seg'
REMEMBERED_ARRIVALS = 512
STOP_TIMEOUT_S = 5.0
Config = TypeVar('Config')


class SegmentationNode(OwningNode):
    """See the module. Raises ConfigError or BundleError for what it cannot start with."""

    def __init__(self, **node_options: object) -> None:
        super().__init__(NODE_NAME, **node_options)
        self._values = declare(self, parameter_specs(), AREAS)
        self._settings = settings_from_values(self._values)
        self._hardware_id = self._values['diagnostics.hardware_id'] or platform.node()
        self._segmenter = build_segmenter(
            self._settings.bundle_path,
            **{name: self._values[f'model.{name}']
               for name in ('backend', 'device', 'precision', 'num_threads')},
        )
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._rig = self._build_rig()
        self._pipeline = self._build_pipeline()
        self._stats = InferenceStats()
        self._arrivals: OrderedDict[tuple[str, int], int] = OrderedDict()
        self._reported: set[tuple[str, str]] = set()
        self._bad_camera_infos: Counter[str] = Counter()
        self._clock_watch = ClockWatch(self._steady_ns())
        self._last_diagnostics_ns = 0
        self._outputs = OutputPublishers(
            self, self._segmenter.bundle.label_space, self._settings.overlay_alpha)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._labelling = Labelling(self, self._pipeline, self._outputs, self._stats)
        self.closing.callback(self._stop_labelling)
        if self._values['model.warm_up']:
            self._labelling.warm_up(self._pipeline.output_hw())
        self._labelling.start()
        self._start_receiving()
        self.get_logger().info(
            f'bundle {self._settings.bundle_path}: {", ".join(self._pipeline.modalities)}; ready'
        )

    def _stop_labelling(self) -> None:
        if not self._labelling.stop(STOP_TIMEOUT_S):
            self.get_logger().warning(f'inference has not ended within {STOP_TIMEOUT_S} s')

    # Start-up

    def _build_rig(self) -> RigKeeper:
        recording = self._values['extrinsics_bag']
        return RigKeeper(
            camera_frame=self._settings.camera_frame,
            base_frame=self._settings.base_frame,
            lookup=tf_lookup(self),
            extrinsics=self._settings.extrinsics,
            cameras=self._settings.cameras,
            recording=read_rig(recording) if recording else None,
        )

    def _build_pipeline(self) -> Pipeline:
        settings = self._settings
        pipeline = Pipeline(
            self._segmenter, self._rig.rig, sync=settings.sync,
            inputs=self._of_bundle(settings.inputs), health=self._of_bundle(settings.health),
            decoding=settings.decoding)
        for name in pipeline.modalities:
            if not settings.enabled[name]:
                pipeline.set_enabled(name, False, self._now_ns())
        return pipeline

    def _of_bundle(self, configs: Mapping[str, Config]) -> dict[str, Config]:
        known = self._segmenter.bundle.encoders
        return {name: config for name, config in configs.items() if name in known}

    def _start_receiving(self) -> None:
        modalities = self._pipeline.modalities
        forms = {name: self._settings.forms[name] for name in modalities}
        self._camera_infos = build_camera_info_inputs(self, modalities, self._on_camera_info)
        self._inputs = build_inputs(
            self, forms, self._settings.qos, self._on_message, self._on_lost)
        self._advisor = Advisor(self, self._inputs, self._camera_infos)
        self._state_log = StateLog(self.get_logger())
        for camera_info in self._camera_infos.values():
            camera_info.set_active(True)
        for name, source in self._inputs.items():
            source.set_active(self._settings.enabled[name])
        self._jump_handle = self.get_clock().create_jump_callback(
            JumpThreshold(
                min_forward=Duration(seconds=self._values['clock_jump_s']),
                min_backward=Duration(nanoseconds=-1),
                on_clock_change=True,
            ),
            post_callback=self.guard.wrap('clock jump', self._on_clock_jump),
        )
        self._deadline_timer = self.create_timer(
            1.0, self._on_deadline, clock=self._steady, autostart=False
        )
        self.create_timer(1.0 / self._values['diagnostics.tick_hz'], self._tick,
                          clock=self._steady)
        self.add_on_set_parameters_callback(self._on_parameters)

    # The receiving thread

    def _on_camera_info(self, modality: str, msg: RosMessage) -> None:
        source = f'{modality} camera info'
        with self.guard.watch(source):
            try:
                self._rig.on_camera_info(modality, msg)
                return
            except BadMessageError as error:
                self._report_bad(source, error.field, str(error))
        self._bad_camera_infos[modality] += 1

    def _on_message(self, modality: str, msg: RosMessage) -> None:
        now_ns, steady_ns = self._now_ns(), self._steady_ns()
        if now_ns == 0:
            self._stats.count('before_clock')
            return
        with self.guard.watch(modality):
            try:
                sets = self._take_in(modality, msg, now_ns, steady_ns)
            except BadMessageError as error:
                self._report_bad(modality, f'bad_{error.field}', str(error))
                sets = self._pipeline.reject(modality, f'bad_{error.field}', now_ns)
            self._forward(sets, now_ns)
            return
        # Whatever it was, it costs this message of this sensor, and its health says so.
        self._forward(self._pipeline.reject(modality, 'defect', now_ns, 'defect'), now_ns)

    def _take_in(
        self, modality: str, msg: RosMessage, now_ns: int, steady_ns: int
    ) -> list[SampleSet]:
        """The sets that are ready because of a message; BadMessageError for a malformed one."""
        sample = decode_sample(modality, msg, now_ns, self._pipeline.decoders[modality])
        problem = ''
        # Health refuses a sample of another frame or size below; nothing is learnt from it.
        if not self._pipeline.health.mismatch(sample):
            self._rig.on_sample(modality, sample.frame_id, sample.data)
            problem = (self._rig.problem(modality)
                       or self._pipeline.misfit(sample, self._rig.rig))
        if problem:
            self._report_bad(modality, problem, f'frame {sample.frame_id!r}: {problem}')
            return self._pipeline.reject(modality, problem, now_ns, problem)
        self._arrivals[modality, sample.stamp_ns] = steady_ns
        if len(self._arrivals) > REMEMBERED_ARRIVALS:
            self._arrivals.popitem(last=False)
        return self._pipeline.push(sample, now_ns)

    def _on_lost(self, modality: str, number: int) -> None:
        if now_ns := self._now_ns():
            self._pipeline.health.note_lost(modality, number, now_ns)

    def _report_bad(self, source: str, reason: str, text: str) -> None:
        """Log each kind of defect once; the diagnostics have the counts."""
        if (source, reason) not in self._reported:
            self._reported.add((source, reason))
            self.get_logger().warning(f'{source}: dropped a message: {text}')

    def _forward(self, sets: Sequence[SampleSet], now_ns: int) -> None:
        """Hand sets to the inference thread and see to it that the next deadline is met."""
        for formed in sets:
            with self.guard.watch('set'):
                self._submit(formed, now_ns)
                continue
            self._stats.count('sets_discarded')
        self._arm(now_ns)

    def _submit(self, formed: SampleSet, now_ns: int) -> None:
        samples, rig = self._pipeline.fitted(self._placeable(formed), self._rig.rig)
        if not samples.samples:
            self._stats.count('sets_discarded')
            return
        arrived_ns = max(
            self._arrivals.get((name, sample.stamp_ns), 0)
            for name, sample in samples.samples.items()
        )
        work = Work(samples, self._pipeline.health.reports(now_ns), rig, arrived_ns,
                    self._labelling.epoch)
        self._stats.count('sets_in')
        self._labelling.submit(work)

    def _placeable(self, samples: SampleSet) -> SampleSet:
        """Without members whose place was known on their arrival and is not any more."""
        problems = {name: problem for name in samples.samples
                    if (problem := self._rig.problem(name))}
        if not problems:
            return samples
        kept = {name: one for name, one in samples.samples.items() if name not in problems}
        return replace(samples, samples=kept, absent={**samples.absent, **problems})

    def _arm(self, now_ns: int) -> None:
        deadline_ns = self._pipeline.next_deadline()
        if deadline_ns is None:
            self._deadline_timer.cancel()
            return
        # Simulated time may run faster than the steady clock: look more often.
        longest_ns = 10_000_000 if self._uses_sim_time() else NS_PER_S
        self._deadline_timer.timer_period_ns = min(max(deadline_ns - now_ns, 500_000), longest_ns)
        self._deadline_timer.reset()

    def _on_deadline(self) -> None:
        now_ns = self._now_ns()
        self._forward(self._pipeline.poll(now_ns, self._steady_ns()), now_ns)

    def _tick(self) -> None:
        now_ns, steady_ns = self._now_ns(), self._steady_ns()
        self._clock_watch.look(now_ns, steady_ns)
        if now_ns:
            with self.guard.watch('poll'):
                self._forward(self._pipeline.poll(now_ns, steady_ns), now_ns)
        transitions = self._pipeline.health.drain_transitions()
        with self.guard.watch('state log'):
            self._state_log.write(transitions, steady_ns)
        if not transitions:
            period_ns = NS_PER_S / self._values['diagnostics.rate_hz']
            if steady_ns - self._last_diagnostics_ns < period_ns:
                return
            self._once_in_a_while()
        self._last_diagnostics_ns = steady_ns
        self._publish_diagnostics(now_ns, steady_ns)

    def _once_in_a_while(self) -> None:
        with self.guard.watch('once in a while'):
            for source in (*self._inputs.values(), *self._camera_infos.values()):
                source.adapt()
            self._rig.refresh()

    def _on_clock_jump(self, jump: TimeJump) -> None:
        now_ns = self._now_ns()
        if now_ns == jump.delta.nanoseconds:
            # Simulated time begins: nothing was taken in before, but its grace times begin too.
            self._pipeline.health.reset(now_ns)
            return
        steady_ns = self._steady_ns()
        self._clock_watch.jump(jump.delta.nanoseconds, steady_ns)
        reason = f'the clock jumped by {jump.delta.nanoseconds / NS_PER_S:.3f} s'
        # Where that does not end, the advice says so once.
        if self._clock_state(steady_ns).phase is not ClockPhase.UNSTEADY:
            self._state_log.restart(reason)
        self._restart(reason)

    def _restart(self, reason: str) -> None:
        self._arrivals.clear()
        self._labelling.abandon()
        self._pipeline.reset(self._now_ns(), reason)

    def _on_parameters(self, parameters: Sequence[Parameter[Any]]) -> SetParametersResult:
        given = {p.name: p.value for p in parameters if p.name in self._values}
        specs = {spec.name: spec for spec in parameter_specs()}
        values = {**self._values, **given}
        try:
            for name, value in given.items():
                specs[name].check(value)
            settings = settings_from_values(values)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        before = self._settings
        self._outputs.overlay_alpha = settings.overlay_alpha
        now_ns = self._now_ns()
        if not settings.same_judgement(before):
            self._forward(self._pipeline.reconfigure(
                now_ns, sync=settings.sync, inputs=self._of_bundle(settings.inputs),
                health=self._of_bundle(settings.health)), now_ns)
        for name, source in self._inputs.items():
            if settings.enabled[name] != before.enabled[name]:
                source.set_active(settings.enabled[name])
                enabled = settings.enabled[name]
                self._forward(self._pipeline.set_enabled(name, enabled, now_ns), now_ns)
        self._values, self._settings = values, settings
        return SetParametersResult(successful=True)

    def _publish_diagnostics(self, now_ns: int, steady_ns: int) -> None:
        statuses: list[DiagnosticStatus] = []
        with self.guard.watch('diagnostics'):
            statuses += self._sensor_statuses(now_ns)
        with self.guard.watch('diagnostics'):
            statuses.append(synchronization_status(
                self.get_name(), self._hardware_id, self._pipeline.synchronizer.stats(),
                self._clock_state(steady_ns)))
        statuses.append(self._stats.to_status(self.get_name(), self._hardware_id))
        statuses.append(receiving_status(self.get_name(), self._hardware_id, self.guard))
        self._diagnostics.publish(DiagnosticArray(header=header(now_ns, ''), status=statuses))

    def _sensor_statuses(self, now_ns: int) -> list[DiagnosticStatus]:
        reports = self._pipeline.reports(now_ns)
        causes: Mapping[str, str] = {}
        with self.guard.watch('advice'):
            causes = self._advisor.look(reports)
            if now_ns == 0:
                self._advisor.miss_clock()
            if self._clock_state(self._steady_ns()).phase is ClockPhase.UNSTEADY:
                self._advisor.tell_of_unsteady_clock()
        return [
            modality_status(
                self.get_name(), self._hardware_id, report,
                {**input_values(self._inputs[name], self._rig, self._bad_camera_infos[name]),
                 **self._pipeline.decoders[name].known()},
                self._rig.calibration_error(name), causes.get(name, ''))
            for name, report in reports.items()
        ]

    def _clock_state(self, steady_ns: int) -> ClockState:
        return self._clock_watch.state(steady_ns, self.count_publishers('/clock'))

    def _uses_sim_time(self) -> bool:
        return bool(self.get_parameter('use_sim_time').value)

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _steady_ns(self) -> int:
        return time.monotonic_ns()


def main(args: Sequence[str] | None = None) -> int:
    """Entry point ``segmentation_node``; returns the exit code."""
    return run_node(SegmentationNode, args)
