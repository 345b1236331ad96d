# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of a bundle on a recording with ground truth, through the vehicle's own pipeline."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from anymodal_seg_ros.bags import TOPICS, read_label_images, read_recorded_rig
from anymodal_seg_ros.corruption import FaultSchedule
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.inference import Segmenter
from anymodal_seg_ros.modalities import Decoding
from anymodal_seg_ros.segment_bag import segment_recording
from anymodal_seg_ros.session import Session
from training.datasets.recorded import RECORDING
from training.extraction.truth import MAX_TRUTH_OFFSET_NS
from training.scoring import SubsetScores


def score_recording(
    path: Path,
    segmenter: Segmenter,
    schedule: FaultSchedule | None = None,
    decoding: Decoding | None = None,
) -> SubsetScores:
    """Score every label image against the ground truth nearest in time (60 ms at most), by the
    sensors that were used.

    Args:
        path: the recording.
        segmenter: a loaded bundle.
        schedule: sensor faults to apply on the way.
        decoding: settings of the decoders.

    Raises:
        ConfigError: there is no ground truth, none near any label image, one without labels, or
            one of another size or with other classes.
    """
    truth = read_label_images(path, TOPICS['label'])
    if not truth:
        raise ConfigError(f'{path} has no ground truth on {TOPICS["label"]}')
    stamps = np.array(sorted(truth))
    order = segmenter.bundle.modalities
    scores = SubsetScores(label_space=segmenter.bundle.label_space, same_frames=False,
                          missing_mode=segmenter.bundle.missing_mode)
    placed = read_recorded_rig(path, TOPICS, modalities=order)
    session = Session(segmenter, placed, decoding=decoding)
    for labelled in segment_recording(path, session, schedule=schedule):
        prediction = labelled.prediction
        nearest = int(stamps[np.abs(stamps - prediction.stamp_ns).argmin()])
        if abs(nearest - prediction.stamp_ns) <= MAX_TRUTH_OFFSET_NS:
            subset = tuple(name for name in order if name in prediction.used)
            try:
                scores.update(subset, RECORDING, prediction.labels, truth[nearest])
            except ValueError as error:
                raise ConfigError(f'{path}: ground truth of stamp {nearest} ns does not fit the '
                                  f'label image: {error}') from None
    if not scores.matrices:
        raise ConfigError(f'{path}: no label image lies within 60 ms of a ground truth')
    if not scores.scored():
        raise ConfigError(f'{path}: the ground truth has not one labelled pixel; there is nothing '
                          'to score')
    return scores
