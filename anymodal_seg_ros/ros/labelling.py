# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The inference thread: the newest set in, label images and what they were made of out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from rclpy.node import Node

from anymodal_seg_ros.geometry import Rig
from anymodal_seg_ros.modalities import network_size
from anymodal_seg_ros.pipeline import Pipeline
from anymodal_seg_ros.ros.diagnostics import InferenceStats, fusion_info
from anymodal_seg_ros.ros.outputs import Labelled, OutputPublishers
from anymodal_seg_ros.ros.worker import LatestWorker
from anymodal_seg_ros.samples import HealthReport, SampleSet


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """A set on its way to the inference thread, with what was known when it was formed."""

    samples: SampleSet
    reports: Mapping[str, HealthReport]
    rig: Rig
    last_arrival_steady_ns: int
    epoch: int


class Labelling:
    """Labels the newest set in a thread of its own.

    The network is warmed up before the first set, and once more in the thread when the cameras
    turn out to need another network size. A CPU has nothing to warm up for a second size: there
    it would only cost seconds without labels.
    """

    def __init__(
        self, node: Node, pipeline: Pipeline, outputs: OutputPublishers, stats: InferenceStats
    ) -> None:
        self.epoch = 0
        """Sets of an earlier one are labelled no more."""
        self._node = node
        self._pipeline = pipeline
        self._segmenter = pipeline.segmenter
        self._outputs = outputs
        self._stats = stats
        self._warm_sizes: set[tuple[int, int]] | None = None
        self._worker = LatestWorker[Work]('inference', self._infer, self._on_failure)

    def warm_up(self, out_hw: tuple[int, int]) -> None:
        """Run every combination of sensors for label images of this size, before ``start``."""
        self._warm_sizes = set()
        self._warm_up_for(out_hw)

    def start(self) -> None:
        self._worker.start()

    def stop(self, timeout_s: float) -> bool:
        """End the thread after its present set; False when it has not ended in time."""
        return self._worker.stop(timeout_s)

    def submit(self, work: Work) -> None:
        """Hand over a set at once; one that still waits is given up for it."""
        if self._worker.submit(work) is not None:
            self._stats.count('sets_superseded')

    def abandon(self) -> None:
        """Time has restarted: what was formed until now is not to be published."""
        self.epoch += 1
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

    def _infer(self, work: Work) -> None:
        if work.epoch != self.epoch:
            self._stats.count('sets_discarded')
            return
        rig = work.rig
        self._warm_up_for(self._pipeline.output_hw(rig))
        times = [time.monotonic_ns()]
        samples, images = self._pipeline.encode(work.samples, rig)
        if not images:
            self._on_failure(RuntimeError('no sensor of the set could be encoded'))
            return
        times.append(time.monotonic_ns())
        prediction = self._pipeline.predict(samples, images, rig)
        times.append(time.monotonic_ns())
        if work.epoch != self.epoch:
            self._stats.count('sets_discarded')
            return
        done = Labelled(prediction, samples, rig)
        self._outputs.publish_label(done)
        times.append(time.monotonic_ns())
        latency_ms = (times[-1] - work.last_arrival_steady_ns) / 1e6
        encode_ms, predict_ms, publish_ms = (
            (after - before) / 1e6 for before, after in pairwise(times)
        )
        stages = {'encode': encode_ms, 'predict': predict_ms, 'publish': publish_ms,
                  'latency': latency_ms}
        sequence = self._stats.succeeded(stages)
        now_ns = int(self._node.get_clock().now().nanoseconds)
        self._outputs.publish_fusion_info(fusion_info(
            samples, rig.camera_frame, work.reports, prediction.used, now_ns,
            {'sequence': sequence, **{f'{stage}_ms': value for stage, value in stages.items()}},
        ))
        skipped = self._outputs.num_skipped_views()
        self._outputs.publish_views(done)
        self._stats.count('views_skipped', self._outputs.num_skipped_views() - skipped)

    def _on_failure(self, error: Exception) -> None:
        text = self._stats.failed(error)
        self._node.get_logger().error(f'inference failed: {text}', throttle_duration_sec=5.0)
