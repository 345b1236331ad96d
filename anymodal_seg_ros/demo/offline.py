# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network's labels on chosen sensors of an undisturbed recording. Layer: demo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.bags import TOPICS, bag_info, read_bag, read_rig
from anymodal_seg_ros.inference import Segmenter
from anymodal_seg_ros.pipeline import Images
from anymodal_seg_ros.placement import PlacedRig
from anymodal_seg_ros.samples import SampleSet
from anymodal_seg_ros.segment_bag import decode_recorded
from anymodal_seg_ros.session import Session

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
    placement = PlacedRig(rig=read_rig(bag, modalities=segmenter.bundle.modalities))
    start_ns = bag_info(bag).start_ns
    sessions = [Session(segmenter, placement) for _ in spans]
    modality_of = {TOPICS[name]: name for name in segmenter.bundle.encoders}
    for recorded in read_bag(bag, tuple(modality_of)):
        modality, now_ns = modality_of[recorded.topic], recorded.recorded_ns
        at_s = (now_ns - start_ns) / 1e9
        read = partial(decode_recorded, modality, recorded)
        for span, session in zip(spans, sessions, strict=True):
            if modality in span.sensors and span.start_s - LEAD_S <= at_s < span.end_s + 0.5:
                ready = session.poll(now_ns) + session.receive(modality, read, now_ns)
                yield from _labels(session, span, ready, start_ns, now_ns)


def _labels(session: Session, span: Span, ready: Sequence[SampleSet], start_ns: int,
            now_ns: int) -> Iterator[OfflineLabel]:
    for sample_set in ready:
        if not span.start_s <= (sample_set.stamp_ns - start_ns) / 1e9 < span.end_s:
            continue
        placed = session.place(sample_set, now_ns)
        if placed is None or set(placed.sample_set.samples) != set(span.sensors):
            continue
        labelled_set, images = session.pipeline.encode(placed.sample_set, placed.rig)
        if set(images) == set(span.sensors):
            prediction = session.pipeline.predict(labelled_set, images, placed.rig)
            yield OfflineLabel(stamp_ns=sample_set.stamp_ns, sensors=span.sensors,
                               labels=prediction.labels, images=images)
