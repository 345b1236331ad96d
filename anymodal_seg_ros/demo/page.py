# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The play's report: one HTML file that needs nothing beside it. Layer: demo."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.corruption import FaultSchedule
from anymodal_seg_ros.demo.pictures import STATE_COLORS
from anymodal_seg_ros.demo.published import Fusion, Recording, StateChange
from anymodal_seg_ros.pages import Table, jpeg_uri, render
from anymodal_seg_ros.pages.charts import CHART_PX, Bar, Row, curve, histogram, timeline
from anymodal_seg_ros.pages.drawing import INK

_USED_COLORS = ('#dbe8f8', '#b9d2f1', '#8fb4e8', '#5b8fd6', '#4478c4')
"""Of one sensor, two, and so on; the last for more."""


def drive_html(
    summary: Mapping[str, Any],
    recording: Recording,
    schedule: FaultSchedule,
    start_ns: int,
    miou: Sequence[tuple[float, float]],
    frames: Sequence[tuple[str, npt.NDArray[np.uint8]]],
) -> str:
    """The page's text.

    Args:
        summary: the play's ``summary.json``.
        start_ns: time zero of the schedule in the recording's clock.
        miou: (seconds, percent).
        frames: (caption, rgb picture) to show.

    Raises:
        MissingDependencyError: matplotlib or Jinja2 is not installed.
    """
    duration_s = float(summary['duration_s'])
    times_s, percent = np.array(miou, np.float64).reshape(-1, 2).T
    return render(
        'anymodal_seg_ros.demo', 'drive.html', title='A drive with failing sensors',
        figures=_figures(summary),
        colors=[*STATE_COLORS.items(), ('fault injected', 'currentColor')],
        health=timeline(_rows(recording, schedule, start_ns, duration_s), duration_s,
                        'Health and use of each sensor'),
        miou=curve(times_s, percent, 'mIoU over time', size_px=CHART_PX, span=(0, duration_s),
                   limits=(0, 100), units=(' s', '%'),
                   shaded=[(fault.start_s, fault.end_s) for fault in schedule.faults]),
        faults=_fault_table(summary['faults']), alarms=summary['false_alarms'],
        stretches=_stretch_table(summary['stretches']),
        latency=histogram([fusion.latency_ms for fusion in recording.fusions.values()], 'ms',
                          'Latency'),
        frames=[(caption, jpeg_uri(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR).astype(np.uint8)))
                for caption, picture in frames])


def _figures(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    latency = summary['latency_ms']
    return [
        ('label images', f'{summary["labels_out"]}', 'published'),
        ('rate', f'{summary["rate_hz"]:.1f}', 'Hz'),
        ('latency p50 / p95', f'{latency["p50"]:.0f} / {latency["p95"]:.0f}', 'ms'),
        ('longest gap', f'{summary["longest_label_gap_s"]:.2f}', 's'),
        ('false alarms', f'{len(summary["false_alarms"])}', 'sensors doubted without cause'),
    ]


def _rows(recording: Recording, schedule: FaultSchedule, start_ns: int,
          duration_s: float) -> list[Row]:
    rows = []
    for modality, changes in recording.states.items():
        truth = [Bar(start_s=fault.start_s, end_s=fault.end_s, color=INK, tip=fault.name)
                 for fault in schedule.faults if fault.modality == modality]
        rows.append(Row(name=modality, truth=truth,
                        reported=_state_bars(changes, start_ns, duration_s)))
    fusions = list(recording.fusions.values())
    return [*rows, Row(name='used', truth=(), reported=_used_bars(fusions, start_ns))]


def _state_bars(changes: Sequence[StateChange], start_ns: int, duration_s: float) -> list[Bar]:
    times = [min(max((change.stamp_ns - start_ns) / 1e9, 0.0), duration_s) for change in changes]
    return [Bar(start_s=begin, end_s=end, color=STATE_COLORS[change.state], text=change.state,
                tip=f'{change.state} {change.reason} from {begin:.2f} s')
            for change, (begin, end) in zip(changes, pairwise([*times, duration_s]), strict=True)
            if end > begin]


def _used_bars(fusions: Sequence[Fusion], start_ns: int) -> list[Bar]:
    """A bar for each time during which the same sensors were used."""
    bars = []
    stretches = [(a.used, a.stamp_ns, b.stamp_ns) for a, b in pairwise(fusions)
                 if b.stamp_ns > a.stamp_ns]
    for used, alike in groupby(stretches, lambda stretch: stretch[0]):
        times_s = [(stamp - start_ns) / 1e9 for _, *stamps in alike for stamp in stamps]
        bars.append(Bar(start_s=times_s[0], end_s=times_s[-1], tip=' + '.join(used),
                        text=str(len(used)),
                        color=_USED_COLORS[min(max(len(used), 1), len(_USED_COLORS)) - 1]))
    return bars


def _fault_table(faults: Sequence[Mapping[str, Any]]) -> Table:
    return Table(
        ('fault', 'sensor', 'from', 'to', 'detected after', 'as', 'recovered after',
         'longest label gap'),
        [(fault['name'], fault['modality'], f'{fault["start_s"]:.1f} s', f'{fault["end_s"]:.1f} s',
          _seconds(fault['detected_after_s']), fault['reason'],
          _seconds(fault['recovered_after_s']), _seconds(fault['label_gap_s']))
         for fault in faults])


def _stretch_table(stretches: Sequence[Mapping[str, Any]]) -> Table:
    return Table(
        ('failing', 'from', 'to', 'label images', 'mIoU published', 'mIoU offline', 'difference'),
        [(', '.join(s['faulty']) or 'none', f'{s["start_s"]:.1f} s', f'{s["end_s"]:.1f} s',
          s['num_labels'], _points(s['miou'], '.1f'), _points(s['miou_offline'], '.1f'),
          _points(s['miou'] - s['miou_offline'], '+.1f')) for s in stretches])


def _points(value: float, form: str) -> str:
    return '–' if math.isnan(value) else f'{value:{form}}'.replace('-', '−')


def _seconds(value: float | None) -> str:
    return 'never' if value is None else f'{value:.2f} s'
