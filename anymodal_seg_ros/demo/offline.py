# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network's labels on chosen sensors of an undisturbed recording. Layer: demo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.bags import TOPICS, bag_info, read_bag, read_rig
from anymodal_seg_ros.inference import Segmenter
from anymodal_seg_ros.pipeline import Images, Pipeline
from anymodal_seg_ros.samples import SampleSet
from anymodal_seg_ros.segment_bag import decode_recorded

LEAD_S = 1.0
"""Sensors are heard this long before a span begins, as they are on a vehicle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Sensors to use from ``start_s`` (included) to ``end_s`` (excluded)."""

    start_s: float
    end_s: float
    sensors: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OfflineLabel:
    """One label image and what the network saw for it."""

    stamp_ns: int
    sensors: tuple[str, ...]
    labels: npt.NDArray[np.uint8]
    images: Images = field(repr=False)


def label_offline(bag: Path, segmenter: Segmenter,
                  spans: Sequence[Span]) -> Iterator[OfflineLabel]:
    """Label every set of each span in which all of its sensors are present.

    Raises:
        BagError: the recording is damaged or a camera's calibration is missing.
    """
    rig = read_rig(bag)
    start_ns = bag_info(bag).start_ns
    pipelines = [Pipeline(segmenter, rig) for _ in spans]
    modality_of = {TOPICS[name]: name for name in segmenter.bundle.encoders}
    decoders = pipelines[0].decoders if pipelines else {}
    for recorded in read_bag(bag, tuple(modality_of)):
        modality = modality_of[recorded.topic]
        at_s = (recorded.recorded_ns - start_ns) / 1e9
        wanted = [i for i, span in enumerate(spans)
                  if modality in span.sensors and span.start_s - LEAD_S <= at_s < span.end_s + 0.5]
        if not wanted:
            continue
        sample = decode_recorded(modality, recorded, decoders[modality])
        for i in wanted:
            ready = pipelines[i].poll(recorded.recorded_ns)
            ready += pipelines[i].push(sample, recorded.recorded_ns)
            yield from _labels(pipelines[i], spans[i], ready, start_ns)


def _labels(pipeline: Pipeline, span: Span, ready: Sequence[SampleSet],
            start_ns: int) -> Iterator[OfflineLabel]:
    for sample_set in ready:
        inside = span.start_s <= (sample_set.stamp_ns - start_ns) / 1e9 < span.end_s
        if inside and set(sample_set.samples) == set(span.sensors):
            sample_set, images = pipeline.encode(sample_set)
            if set(images) != set(span.sensors):
                continue
            prediction = pipeline.predict(sample_set, images)
            yield OfflineLabel(stamp_ns=sample_set.stamp_ns, sensors=span.sensors,
                               labels=prediction.labels, images=images)
