# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Streams for a running node, faults injected into them, and what the node makes of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from ros_streams.scene import (
    LIDAR_POSE,
    MODALITIES,
    PERIOD_NS,
    TOPICS,
    Scene,
    Stream,
    camera_info,
    header,
)

FAULT_S = 1.0
"""How long each fault lasts."""
SLOT_S = 2.3
"""From one fault's start to the next one's, on another sensor."""
SETTLE_S = 3.0
"""Clean running before the first fault, in which the node learns what is usual."""
NODE = '/anymodal_seg'
ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 20.0


@dataclass
class Outcome:
    """What was seen of one fault."""

    modality: str
    fault: str
    start_s: float
    end_s: float
    states: list[tuple[float, str, str]] = field(default_factory=list)
    """(time, state, reason) changes of the faulty sensor from the fault's start on."""
    others: list[str] = field(default_factory=list)
    """Changes of the other sensors meanwhile: false alarms."""
    label_gap_s: float = 0.0
    """Longest time without a label image in the slot."""
    used_while_distrusted: int = 0

    @property
    def detected_after_s(self) -> float:
        times = [at for at, state, _ in self.states if state != 'ok']
        return times[0] - self.start_s if times else float('inf')

    @property
    def recovered_after_s(self) -> float:
        """From the fault's end to the last return to OK."""
        if not self.states or self.states[-1][1] != 'ok':
            return float('inf')
        return max(0.0, self.states[-1][0] - self.end_s)

    @property
    def sequence(self) -> str:
        """The states in order, without repeats, for example ``'lost probation ok'``."""
        names: list[str] = []
        for _, state, _ in self.states:
            if not names or names[-1] != state:
                names.append(state)
        return ' '.join(names)

    @property
    def reasons(self) -> set[str]:
        """What was found wrong, by reason code."""
        return {reason for _, _, reason in self.states if reason not in ('', 'recovering')}


def node_parameters(bundle: Path) -> dict[str, Any]:
    return {
        'bundle': str(bundle), 'camera.width_px': 64, 'camera.height_px': 64,
        'camera.horizontal_fov_deg': 90.0, 'extrinsics.lidar': LIDAR_POSE,
        'model.num_threads': 1,
    }


def values_of(status: DiagnosticStatus) -> dict[str, str]:
    return {pair.key: pair.value for pair in status.values}


class FaultRun:
    """Publishes four streams, listens to the node, and injects faults one after the other."""

    def __init__(self, domain_id: int | None = None, *, simulated_ns: int | None = None) -> None:
        """With ``simulated_ns`` the streams live in simulated time, published on /clock."""
        self.sends_camera_info = True
        self.clock_rate = 1.0
        """Simulated seconds per second; 0 pauses."""
        self._simulated_ns = simulated_ns
        self._stepped_s = time.monotonic()
        self.context = Context()
        rclpy.init(context=self.context, domain_id=domain_id)
        self.node = rclpy.create_node('fault_matrix', context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self.states: dict[str, tuple[str, str]] = {}
        self.parts: dict[str, dict[str, str]] = {}
        """Latest /diagnostics values by part."""
        self.changes: list[tuple[float, str, str, str]] = []
        self.labels: list[tuple[float, int]] = []
        """(arrival, stamp in ns) of each label image."""
        self.fusion: list[tuple[float, dict[str, dict[str, str]]]] = []
        qos = QoSProfile(depth=10)
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, qos)
        self.node.create_subscription(Image, f'{NODE}/label', self._on_label, qos)
        self.node.create_subscription(
            DiagnosticArray, f'{NODE}/fusion_info', self._on_fusion_info, qos)
        self._publishers = {
            name: self.node.create_publisher(message_type, topic, qos)
            for name, (message_type, topic) in TOPICS.items()
        }
        self._camera_info = self.node.create_publisher(CameraInfo, 'camera/camera_info', qos)
        self._clock = self.node.create_publisher(Clock, '/clock', qos)
        self._scene = Scene()
        self.streams: dict[str, Stream] = {}
        self.start_streams()

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()

    def start_streams(self) -> None:
        """All four from their beginning, at the present time."""
        start_ns = self.now_ns() + PERIOD_NS
        self.streams = {
            name: Stream(name, self._scene, start_ns, phase_ns=4_000_000 * i)
            for i, name in enumerate(MODALITIES)
        }

    def jump_to(self, simulated_ns: int) -> None:
        """Restart the simulation at another time, as a bag loop does."""
        self._simulated_ns = simulated_ns
        self.start_streams()

    def now_ns(self) -> int:
        if self._simulated_ns is not None:
            return self._simulated_ns
        return int(self.node.get_clock().now().nanoseconds)

    def _advance_clock(self) -> None:
        now_s = time.monotonic()
        elapsed_s, self._stepped_s = now_s - self._stepped_s, now_s
        if self._simulated_ns is not None:
            self._simulated_ns += round(elapsed_s * self.clock_rate * 1e9)
            self._clock.publish(Clock(clock=header(self._simulated_ns).stamp))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            part, values = status.name.partition(': ')[2], values_of(status)
            self.parts[part] = values
            if part not in MODALITIES:
                continue
            state = values['state'], values['reason']
            if self.states.get(part) != state:
                self.states[part] = state
                self.changes.append((time.monotonic(), part, *state))

    def _on_label(self, message: Image) -> None:
        stamp = message.header.stamp
        self.labels.append((time.monotonic(), stamp.sec * 1_000_000_000 + stamp.nanosec))

    def _on_fusion_info(self, message: DiagnosticArray) -> None:
        content = {status.name: values_of(status) for status in message.status}
        self.fusion.append((time.monotonic(), content))

    def publish(self, modality: str, message: Image | PointCloud2) -> None:
        """Send one message besides those of the stream."""
        self._publishers[modality].publish(message)

    def publish_camera_info(self, message: CameraInfo) -> None:
        self._camera_info.publish(message)

    def step(self) -> None:
        """Publish what is due, then receive until the next message is."""
        self._advance_clock()
        now_ns = self.now_ns()
        for name, stream in self.streams.items():
            for message in stream.due(now_ns):
                self._publishers[name].publish(message)
                if name == 'rgb' and self.sends_camera_info:
                    info = camera_info(0)
                    info.header = message.header
                    self._camera_info.publish(info)
        wait_ns = min(stream.next_ns for stream in self.streams.values()) - self.now_ns()
        self._executor.spin_once(timeout_sec=min(max(wait_ns * 1e-9, 0.0), 0.01))

    def run_for(self, duration_s: float) -> None:
        end_s = time.monotonic() + duration_s
        while time.monotonic() < end_s:
            self.step()

    def run_until(self, predicate: Callable[[], bool], timeout_s: float) -> bool:
        """Whether it became true in time."""
        end_s = time.monotonic() + timeout_s
        while not predicate():
            if time.monotonic() > end_s:
                return False
            self.step()
        return True

    def wait_until_all_ok(self, timeout_s: float = 40.0) -> bool:
        return self.run_until(
            lambda: len(self.states) == len(MODALITIES)
            and all(state == 'ok' for state, _ in self.states.values()), timeout_s)

    def inject(self, modality: str, fault: str) -> Outcome:
        """One fault from its start until the slot is over."""
        num_changes, num_labels, num_fusion = map(len, (self.changes, self.labels, self.fusion))
        start_s = time.monotonic()
        self.streams[modality].fault = fault
        self.run_for(FAULT_S)
        end_s = time.monotonic()
        self.streams[modality].fault = None
        self.run_for(SLOT_S - FAULT_S)
        outcome = Outcome(modality, fault, start_s, end_s)
        for at_s, part, state, reason in self.changes[num_changes:]:
            if part == modality:
                outcome.states.append((at_s, state, reason))
            else:
                outcome.others.append(f'{part} {state} {reason}')
        times = [start_s, *(at for at, _ in self.labels[num_labels:]), time.monotonic()]
        outcome.label_gap_s = max(b - a for a, b in pairwise(times))
        outcome.used_while_distrusted = sum(
            content[modality]['used'] == 'true' and content[modality]['state'] == 'lost'
            for _, content in self.fusion[num_fusion:])
        return outcome

    def matrix(self, faults: tuple[str, ...] = Stream.FAULTS) -> Iterator[Outcome]:
        """All faults on all sensors, each sensor resting while the others have their turn."""
        for fault in faults:
            for modality in MODALITIES:
                yield self.inject(modality, fault)


@contextmanager
def running_node(bundle: Path, domain_id: int, output: IO[str] | None = None
                 ) -> Iterator[tuple[FaultRun, subprocess.Popen[bytes]]]:
    """Streams and a node in a process of its own that has settled on them; stopped at the end.

    ``output`` is the file for what the node says.
    """
    os.environ['ROS_DOMAIN_ID'] = str(domain_id)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    arguments = ['--ros-args']
    for name, value in node_parameters(bundle).items():
        arguments += ['-p', f'{name}:={json.dumps(value)}']
    node = subprocess.Popen(
        [sys.executable, '-m', 'anymodal_seg_ros.ros.segmentation_node', *arguments], cwd=ROOT,
        stdout=output, stderr=output)
    run = FaultRun(domain_id)
    try:
        if not run.wait_until_all_ok(START_TIMEOUT_S):
            said = '' if output is None else Path(output.name).read_text(errors='replace')
            raise SystemExit(f'not all sensors became ok: {run.states}\n{said}')
        run.run_for(SETTLE_S)
        yield run, node
    finally:
        run.close()
        node.send_signal(signal.SIGINT)
        node.wait(STOP_TIMEOUT_S)


def markdown(outcomes: list[Outcome]) -> str:
    """The outcomes as a table, one row for each fault and sensor."""
    rows = ['| fault | sensor | states | reasons | noticed after | recovered after | label gap |',
            '|---|---|---|---|---|---|---|']
    rows += [
        f'| {o.fault} | {o.modality} | {o.sequence} | {", ".join(sorted(o.reasons))} '
        f'| {o.detected_after_s:.2f} s | {o.recovered_after_s:.2f} s | {o.label_gap_s:.2f} s |'
        for o in outcomes
    ]
    return '\n'.join(rows)
