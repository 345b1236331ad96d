# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""After the play: numbers, report and video from what was recorded. Layer: demo."""

from __future__ import annotations

import json
import math
import os
import platform
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from anymodal_seg_ros.bags import read_label_images
from anymodal_seg_ros.corruption import FaultSchedule
from anymodal_seg_ros.demo.analysis import Judge, stretch_bounds
from anymodal_seg_ros.demo.offline import OfflineLabel, Span, label_offline
from anymodal_seg_ros.demo.page import drive_html
from anymodal_seg_ros.demo.pictures import frame, overlay, write_video
from anymodal_seg_ros.demo.published import Recording, read_recording
from anymodal_seg_ros.errors import BagError
from anymodal_seg_ros.inference import build_segmenter
from anymodal_seg_ros.unfinished import write_whole

Picture = npt.NDArray[np.uint8]
VIDEO_RATE_HZ = 10.0
_NOTHING = 'no message'


def review(out: Path, street: Path, recorded: Path, bundle: Path, schedule: FaultSchedule,
           start_ns: int, cuts_s: Sequence[float]) -> dict[str, Any]:
    """Write ``summary.json``, ``report.html`` and ``demo.webm`` into ``out``.

    Args:
        start_ns: time zero of the schedule.
        cuts_s: moments at which a scene ends, for mIoU stretch by stretch.

    Returns:
        The summary.

    Raises:
        BagError: a recording is damaged, or holds no label image.
        MissingDependencyError: matplotlib or Jinja2 is not installed.
    """
    recording = read_recording(recorded)
    if not recording.labels:
        raise BagError(f'{recorded} holds no label image: the node published none; '
                       f'see {out / "logs"}')
    segmenter = build_segmenter(bundle)
    space = segmenter.bundle.label_space
    truth = read_label_images(street)
    judge = Judge(recording, schedule, truth, start_ns, max(truth), space.num_classes)
    spans = _spans(schedule, tuple(segmenter.bundle.encoders), cuts_s,
                   (max(truth) - start_ns) / 1e9)
    offline: dict[int, OfflineLabel] = {}
    for label in tqdm(label_offline(street, segmenter, spans), total=len(truth), unit='image',
                      desc='labelling offline'):
        offline[label.stamp_ns] = label
    stretches = judge.stretches(
        {stamp: {label.sensors: label.labels} for stamp, label in offline.items()},
        tuple(segmenter.bundle.encoders), cuts_s)
    summary = {
        **judge.summary(),
        'stretches': [asdict(stretch) for stretch in stretches],
        'host': {'machine': platform.machine(), 'cpus': os.cpu_count(),
                 'python': platform.python_version(), 'segmenter': segmenter.description},
    }
    write_whole(out / 'summary.json', json.dumps(_finite(summary), indent=2) + '\n')
    album = _Album(recording, schedule, offline, space.palette(), start_ns)
    shown = [album.at(time_s) for time_s in _moments(schedule)]
    write_whole(out / 'report.html', drive_html(
        summary, recording, schedule, start_ns, judge.miou_over_time(), shown))
    write_video(out / 'demo.webm', tqdm(album.frames(), total=len(recording.labels), unit='frame',
                                        desc='drawing the video'), VIDEO_RATE_HZ)
    return summary


class _Album:
    """Pictures of every published label image beside what went in."""

    def __init__(self, recording: Recording, schedule: FaultSchedule,
                 offline: Mapping[int, OfflineLabel], palette: Picture, start_ns: int) -> None:
        self._recording = recording
        self._schedule = schedule
        self._offline = offline
        self._offline_stamps = sorted(offline)
        self._palette = palette
        self._start_ns = start_ns

    def frames(self) -> Iterator[Picture]:
        for index in range(len(self._recording.labels)):
            yield self._draw(index)[1]

    def at(self, time_s: float) -> tuple[str, Picture]:
        """Caption and picture of the label image nearest to ``time_s``."""
        stamps = np.array([label.stamp_ns for label in self._recording.labels])
        return self._draw(int(np.abs(stamps - self._start_ns - time_s * 1e9).argmin()))

    def _draw(self, index: int) -> tuple[str, Picture]:
        label = self._recording.labels[index]
        at_s = (label.stamp_ns - self._start_ns) / 1e9
        fusion = self._recording.fusions.get(label.stamp_ns)
        used = fusion.used if fusion else ()
        failing = [fault.name for fault in self._schedule.faults if fault.is_active(at_s)]
        camera = self._recording.camera.get(label.stamp_ns)
        shown = self._palette[label.labels]
        if camera is not None and 'rgb' in used:
            shown = overlay(camera, label.labels, self._palette)
        caption = f'{at_s:5.1f} s: {", ".join(failing) or "all sensors well"}'
        picture = frame(self._inputs(label.stamp_ns, at_s, camera),
                        shown, self._states(label.received_ns), used, caption)
        return caption + f'; label made of {" + ".join(used)}', picture

    def _inputs(self, stamp_ns: int, at_s: float,
                camera: Picture | None) -> dict[str, Picture | str]:
        at = max(bisect_right(self._offline_stamps, stamp_ns) - 1, 0)
        images = self._offline[self._offline_stamps[at]].images if self._offline_stamps else {}
        inputs: dict[str, Picture | str] = {'rgb': _NOTHING if camera is None else camera}
        for name in self._recording.states:
            if name != 'rgb':
                faults = [each.fault for each in self._schedule.active(name, at_s)]
                inputs[name] = _words(faults) if faults else images.get(name, _NOTHING)
        return inputs

    def _states(self, now_ns: int) -> dict[str, str]:
        return {name: ([c.state for c in changes if c.stamp_ns <= now_ns] or ['waiting'])[-1]
                for name, changes in self._recording.states.items()}


def _words(faults: Sequence[str]) -> str:
    """On a sensor whose undisturbed picture would not be what the node saw."""
    return _NOTHING if 'drop' in faults else ' + '.join(faults)


def _spans(schedule: FaultSchedule, sensors: tuple[str, ...], cuts_s: Sequence[float],
           end_s: float) -> list[Span]:
    spans = []
    for begin, end, faulty in stretch_bounds(schedule, cuts_s, end_s + 0.05):
        left = tuple(sorted(set(sensors) - set(faulty)))
        if left:
            spans.append(Span(start_s=begin, end_s=end, sensors=left))
    return spans


def _moments(schedule: FaultSchedule) -> list[float]:
    """Before the first fault, in the middle of each, and after the last."""
    first = min((fault.start_s for fault in schedule.faults), default=2.0)
    middles = sorted({(fault.start_s + fault.end_s) / 2 for fault in schedule.faults})
    return [first / 2, *middles, schedule.duration_s + 2.0]


def _finite(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """JSON has no NaN and no infinity: null stands for them."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
