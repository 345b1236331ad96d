# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One recording through the vehicle's synchronizer and encoders into a folder of frames."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.modalities.encoding import ENCODER_FAILED
from anymodal_seg_ros.pipeline import Pipeline, output_hw
from anymodal_seg_ros.placement import PlacedRig
from anymodal_seg_ros.samples import SampleSet
from anymodal_seg_ros.segment_bag import recorded_sets
from anymodal_seg_ros.session import Session
from training.datasets.recorded import FRAMES_FILE, LABEL_FOLDER, image_file
from training.extraction.calibration import calibration_dict, read_calibration, sha256_of
from training.extraction.dataset import ExtractedDataset
from training.extraction.job import Job, Recording, Selection
from training.extraction.truth import NS_PER_S, Truth, png_bytes, put_by_labels

_POOL = '.labels'


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


def extract(dataset: ExtractedDataset, recording: Recording, job: Job,
            on_set: Callable[[int], None] = lambda stamp_ns: None) -> Report:
    """Write the frames of a recording into the data set; one of that name is replaced. The sets
    are those that the vehicle would have formed.

    Args:
        on_set: told the stamp of each set in ns.

    Raises:
        BagError: the recording is damaged, or holds none of the topics or no label image.
        ConfigError: the sensor file is wrong, labels are of another size or with unknown values,
            or not one frame was left.
    """
    placed = read_calibration(recording.path, job.topics, job.encoding.bundle.modalities,
                              job.sensors)
    calibration = calibration_dict(placed.rig)
    report = Report()

    def written(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        _write_frames(recording.path, folder, job, placed, report, on_set)
        summary = {'split': recording.split, 'condition': recording.condition,
                   'frames': report.frames, 'labelled_frames': report.labelled_frames,
                   'source': recording.source}
        return summary, {
            'topics': dict(job.topics),
            'labels': None if job.labels is None else job.labels.to_dict(),
            'selection': job.selection.to_dict(),
            'faults': None if job.schedule is None else job.schedule.to_dict(),
            'decoding': {name: dict(value) for name, value in job.decoding.items()},
            'camera_hw': [placed.rig.camera.height_px, placed.rig.camera.width_px],
            'calibration': calibration,
            'calibration_sha256': sha256_of(calibration),
            'encoders': {name: dict(value)
                         for name, value in job.encoding.bundle.encoders.items()},
            'report': dict(vars(report)),
        }

    dataset.add(recording.name, written)
    return report


def _write_frames(path: Path, folder: Path, job: Job, placed: PlacedRig, report: Report,
                  on_set: Callable[[int], None]) -> None:
    """Into ``folder``, which is new; its name is the recording's in every frame's id."""
    session = Session(job.encoding, placed, decoding=job.decoding)
    folder.mkdir(parents=True)
    truth = None
    if job.labels is not None:
        truth = put_by_labels(path, job.labels, output_hw(placed.rig), folder / _POOL)
    chooser = _Chooser(job.selection, truth)
    calibration_sha256 = sha256_of(calibration_dict(placed.rig))
    with (folder / FRAMES_FILE).open('w', encoding='utf-8') as lines:
        for formed in recorded_sets(path, session, topics=job.topics,
                                    schedule=job.schedule):
            sample_set = formed.sample_set
            on_set(sample_set.stamp_ns)
            refusal = chooser.refusal(sample_set)
            if refusal:
                report.dropped_frames[refusal] += 1
                continue
            frame_id = f'{folder.name}/{report.frames:06d}'
            sample_set, images = session.pipeline.encode(sample_set, formed.rig)
            if not images or any(name not in images for name in job.selection.require):
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
