# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The inference thread: placed sets in, label images and what they were made of out."""

from __future__ import annotations

import time

from rclpy.node import Node

from anymodal_seg_ros.modalities import network_size
from anymodal_seg_ros.pipeline import output_hw
from anymodal_seg_ros.ros.diagnostics import InferenceStats, fusion_info
from anymodal_seg_ros.ros.outputs import OutputPublishers
from anymodal_seg_ros.ros.worker import LatestWorker
from anymodal_seg_ros.session import PlacedSet, Session


class Stopwatch:
    """Milliseconds from one stage of the work to the next."""

    def __init__(self) -> None:
        self.stages_ms: dict[str, float] = {}
        self._last_ns = time.monotonic_ns()

    def lap(self, stage: str) -> int:
        """``stage`` is done; returns the time of it, in ns of the steady clock."""
        now_ns = time.monotonic_ns()
        self.stages_ms[stage] = (now_ns - self._last_ns) / 1e6
        self._last_ns = now_ns
        return now_ns


class Labelling:
    """Labels the newest set in a thread of its own.

    The network is warmed up before the first set, and once more in the thread when the cameras
    turn out to need another network size. A CPU has nothing to warm up for a second size: there
    it would only cost seconds without labels.
    """

    def __init__(
        self, node: Node, session: Session, outputs: OutputPublishers, stats: InferenceStats
    ) -> None:
        self._node = node
        self._session = session
        self._segmenter = session.pipeline.segmenter
        self._outputs = outputs
        self._stats = stats
        self._warm_sizes: set[tuple[int, int]] | None = None
        self._worker = LatestWorker[PlacedSet]('inference', self._infer, self._on_failure)

    def warm_up(self, out_hw: tuple[int, int]) -> None:
        """Run every combination of sensors for label images of this size, before ``start``."""
        self._warm_sizes = set()
        self._warm_up_for(out_hw)

    def start(self) -> None:
        self._worker.start()

    def stop(self, timeout_s: float) -> bool:
        """End the thread after its present set; False when it has not ended in time."""
        return self._worker.stop(timeout_s)

    def submit(self, placed: PlacedSet) -> None:
        """Hand over a set at once; one that still waits is given up for it."""
        self._stats.count('sets_in')
        if self._worker.submit(placed) is not None:
            self._stats.count('sets_superseded')

    def discard(self) -> None:
        """Give up the set that waits."""
        if self._worker.discard() is not None:
            self._stats.count('sets_discarded')

    def _warm_up_for(self, out_hw: tuple[int, int]) -> None:
        size_hw = network_size(out_hw, self._segmenter.bundle.short_side_px)
        if self._warm_sizes is None or size_hw in self._warm_sizes:
            return
        is_first = not self._warm_sizes
        self._warm_sizes.add(size_hw)
        if not is_first and 'cpu' in self._segmenter.description.lower():
            return
        started = time.monotonic()
        self._segmenter.warm_up(size_hw, out_hw)
        self._node.get_logger().info(
            f'warmed up for {size_hw[1]}x{size_hw[0]} in {time.monotonic() - started:.1f} s')

    def _infer(self, placed: PlacedSet) -> None:
        if self._is_outdated(placed):
            return
        self._warm_up_for(output_hw(placed.rig))
        stopwatch = Stopwatch()
        labelled = self._session.label(placed, stopwatch.lap)
        if labelled is None:
            self._on_failure(RuntimeError('no sensor of the set could be encoded'))
            return
        if self._is_outdated(placed):
            return
        self._outputs.publish_label(labelled)
        published_ns = stopwatch.lap('publish')
        stages = {**stopwatch.stages_ms,
                  'latency': (published_ns - placed.received_steady_ns) / 1e6}
        sequence = self._stats.succeeded(stages)
        now_ns = int(self._node.get_clock().now().nanoseconds)
        self._outputs.publish_fusion_info(fusion_info(
            labelled.sample_set, labelled.rig.camera_frame, placed.reports,
            labelled.prediction.used, now_ns,
            {'sequence': sequence, **{f'{stage}_ms': value for stage, value in stages.items()}},
        ))
        skipped = self._outputs.num_skipped_views()
        self._outputs.publish_views(labelled)
        self._stats.count('views_skipped', self._outputs.num_skipped_views() - skipped)

    def _is_outdated(self, placed: PlacedSet) -> bool:
        """Whether time has restarted since the set was formed; it is then counted, and no more."""
        if self._session.is_current(placed):
            return False
        self._stats.count('sets_discarded')
        return True

    def _on_failure(self, error: Exception) -> None:
        text = self._stats.failed(error)
        self._node.get_logger().error(f'inference failed: {text}', throttle_duration_sec=5.0)
