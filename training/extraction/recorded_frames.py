# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One recording through the vehicle's synchronizer and encoders into a folder of frames."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anymodal_seg_ros.bags import TOPICS
from anymodal_seg_ros.corruption import FaultSchedule
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.modalities import Decoding
from anymodal_seg_ros.modalities.encoding import ENCODER_FAILED
from anymodal_seg_ros.pipeline import Pipeline, output_hw
from anymodal_seg_ros.placement import PlacedRig
from anymodal_seg_ros.samples import SampleSet
from anymodal_seg_ros.segment_bag import recorded_sets
from anymodal_seg_ros.session import Session
from training.datasets.recorded import FRAMES_FILE, LABEL_FOLDER, image_file
from training.extraction.calibration import calibration_dict, sha256_of
from training.extraction.encoding import EncodingOnly
from training.extraction.truth import NS_PER_S, LabelSource, Truth, png_bytes, put_by_labels

_POOL = '.labels'


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which sets become frames. Raises ConfigError where a value is not allowed."""

    every: int = 1
    """Of the sets that could be frames, each n-th is one."""
    min_gap_s: float = 0.0
    """Least time between two frames of a recording."""
    max_dt_s: float = math.inf
    """A set with a sample farther than this from its stamp is no frame."""
    require: tuple[str, ...] = ()
    """Sensors without which a set is no frame."""
    keep_unlabelled: bool = False
    """Whether a set without label image near it is an unlabelled frame."""

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ConfigError.of('every', self.every, '1 and more')
        if not (math.isfinite(self.min_gap_s) and self.min_gap_s >= 0.0):
            raise ConfigError.of('min_gap_s', self.min_gap_s, '0 and more')
        if not self.max_dt_s >= 0.0:
            raise ConfigError.of('max_dt_s', self.max_dt_s, '0 and more')

    def to_dict(self) -> dict[str, Any]:
        """Plain data; null for no limit."""
        return {'every': self.every, 'min_gap_s': self.min_gap_s,
                'max_dt_s': self.max_dt_s if math.isfinite(self.max_dt_s) else None,
                'require': list(self.require), 'keep_unlabelled': self.keep_unlabelled}


@dataclass(kw_only=True)
class Report:
    """What became of a recording's sets, samples and label messages."""

    frames: int = 0
    labelled_frames: int = 0
    sensors: Counter[str] = field(default_factory=Counter)
    """Frames by their sensors, 'rgb+depth'."""
    dropped_frames: Counter[str] = field(default_factory=Counter)
    """Sets that became no frame: no_<sensor>, max_dt, no_label, every, min_gap, and
    encoder_failed where no sensor is left, or not one that is required."""
    dropped_samples: dict[str, dict[str, int]] = field(default_factory=dict)
    """Samples in no set, by sensor and the synchronizer's or the health monitor's reason."""
    rejected_labels: dict[str, int] = field(default_factory=dict)
    known: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By sensor, what its data were taken for; see ``Decoder.known``."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {'frames': self.frames, 'labelled_frames': self.labelled_frames,
                'sensors': dict(self.sensors), 'dropped_frames': dict(self.dropped_frames),
                'dropped_samples': self.dropped_samples, 'rejected_labels': self.rejected_labels,
                'known': self.known}


class _Chooser:
    """Decides set by set; ``refusal`` is '' for a frame."""

    def __init__(self, selection: Selection, truth: Truth | None) -> None:
        self._selection = selection
        self._truth = truth
        self._usable = 0
        self._last_ns: int | None = None

    def refusal(self, sample_set: SampleSet) -> str:
        wanted = self._selection
        for name in wanted.require:
            if name not in sample_set.samples:
                return f'no_{name}'
        farthest_ns = max(abs(sample_set.offset_ns(name)) for name in sample_set.samples)
        if farthest_ns > wanted.max_dt_s * NS_PER_S:
            return 'max_dt'
        if self._truth is not None and not wanted.keep_unlabelled \
                and self._truth.nearest_ns(sample_set.stamp_ns) is None:
            return 'no_label'
        self._usable += 1
        if (self._usable - 1) % wanted.every:
            return 'every'
        # A simulator that was started again begins at an earlier time.
        gap_ns = None if self._last_ns is None else abs(sample_set.stamp_ns - self._last_ns)
        if gap_ns is not None and gap_ns < round(wanted.min_gap_s * NS_PER_S):
            return 'min_gap'
        self._last_ns = sample_set.stamp_ns
        return ''


def extract_recording(
    path: Path,
    folder: Path,
    encoding: EncodingOnly,
    placement: PlacedRig,
    *,
    labels: LabelSource | None,
    topics: Mapping[str, str] = TOPICS,
    selection: Selection | None = None,
    schedule: FaultSchedule | None = None,
    decoding: Decoding | None = None,
    on_set: Callable[[int], None] = lambda stamp_ns: None,
) -> Report:
    """Write the frames of a recording; the sets are those that the vehicle would have formed.

    Args:
        path: the recording.
        folder: new; its name is the recording's in every frame's id.
        encoding: encoders, their settings and the size of the images.
        placement: see ``read_calibration``.
        labels: None leaves every frame unlabelled.
        topics: keyed like ``anymodal_seg_ros.bags.TOPICS``.
        schedule: sensor faults to apply on the way, as the injector node would.
        decoding: settings of the decoders.
        on_set: told the stamp of each set in ns.

    Raises:
        BagError: the recording is damaged, or holds none of the topics or no label image.
        ConfigError: labels of another size or with unknown values, or not one frame was left.
    """
    session = Session(encoding, placement, decoding=decoding)
    folder.mkdir(parents=True)
    truth = None
    if labels is not None:
        truth = put_by_labels(path, labels, output_hw(placement.rig), folder / _POOL)
    selection = selection or Selection()
    chooser = _Chooser(selection, truth)
    calibration_sha256 = sha256_of(calibration_dict(placement.rig))
    report = Report()
    with (folder / FRAMES_FILE).open('w', encoding='utf-8') as lines:
        for placed in recorded_sets(path, session, topics=topics, schedule=schedule):
            sample_set = placed.sample_set
            on_set(sample_set.stamp_ns)
            refusal = chooser.refusal(sample_set)
            if refusal:
                report.dropped_frames[refusal] += 1
                continue
            frame_id = f'{folder.name}/{report.frames:06d}'
            sample_set, images = session.pipeline.encode(sample_set, placed.rig)
            if not images or any(name not in images for name in selection.require):
                report.dropped_frames[ENCODER_FAILED] += 1
                continue
            for name, image in images.items():
                _write(folder.parent / image_file(frame_id, name), png_bytes(image))
            label = None
            label_ns = None if truth is None else truth.nearest_ns(sample_set.stamp_ns)
            if truth is not None and label_ns is not None:
                label = {'stamp_ns': label_ns, 'dt_ns': label_ns - sample_set.stamp_ns}
                _write(folder.parent / image_file(frame_id, LABEL_FOLDER),
                       truth.file(label_ns).read_bytes())
            line = {'id': frame_id, **_frame_line(sample_set), 'label': label, 'bag': path.name,
                    'calibration_sha256': calibration_sha256}
            lines.write(json.dumps(line) + '\n')
            report.frames += 1
            report.labelled_frames += label is not None
            report.sensors['+'.join(n for n in session.modalities if n in images)] += 1
    if truth is not None:
        shutil.rmtree(folder / _POOL)
        report.rejected_labels = dict(truth.rejected)
    report.dropped_samples = _dropped_samples(session.pipeline)
    report.known = {name: known for name in session.modalities
                    if (known := dict(session.pipeline.decoders[name].known()))}
    if not report.frames:
        raise ConfigError(f'{path}: not one frame was left; dropped: '
                          f'{dict(report.dropped_frames) or "no set was formed"}')
    return report


def _frame_line(sample_set: SampleSet) -> dict[str, Any]:
    members = {
        name: {'stamp_ns': sample.stamp_ns, 'dt_ns': sample_set.offset_ns(name),
               'received_ns': sample.received_ns}
        for name, sample in sample_set.samples.items()}
    return {'stamp_ns': sample_set.stamp_ns, 'reference': sample_set.reference,
            'complete': sample_set.complete, 'members': members,
            'absent': dict(sample_set.absent)}


def _dropped_samples(pipeline: Pipeline) -> dict[str, dict[str, int]]:
    dropped = {}
    reports = pipeline.reports(0)
    for name, stats in pipeline.synchronizer.stats().inputs.items():
        reasons: Counter[str] = Counter(stats.dropped)
        reasons.update(reports[name].rejected)
        if reasons:
            dropped[name] = dict(reasons)
    return dropped


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
