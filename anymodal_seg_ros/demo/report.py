# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The play's report: one HTML file that needs nothing beside it. Layer: demo."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.corruption import FaultSchedule
from anymodal_seg_ros.demo.charts import STATE_COLORS, Bar, Row, histogram, line, timeline
from anymodal_seg_ros.demo.recording import Recording, StateChange

_STYLE = """
:root { color-scheme: light dark; --bg: #fff; --fg: #1c2128; --soft: #f2f4f7; }
@media (prefers-color-scheme: dark) { :root { --bg: #15181d; --fg: #dfe3e8; --soft: #20252c; } }
body { background: var(--bg); color: var(--fg); font: 15px/1.5 system-ui, sans-serif;
       max-width: 1040px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; }
.numbers { display: flex; flex-wrap: wrap; gap: .8em; }
.numbers div { background: var(--soft); border-radius: 8px; padding: .6em 1em; }
.numbers b { display: block; font-size: 1.35em; }
table { border-collapse: collapse; width: 100%; font-size: .92em; }
th, td { text-align: left; padding: .3em .6em; border-bottom: 1px solid #8884; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
figure { margin: 1em 0; } figure img { width: 100%; border-radius: 6px; }
figcaption { font-size: .9em; opacity: .8; }
.key span { display: inline-block; margin-right: 1em; }
.key i { display: inline-block; width: .8em; height: .8em; border-radius: 2px;
         margin-right: .3em; }
.wide { overflow-x: auto; }
"""


def write_report(
    summary: Mapping[str, Any],
    recording: Recording,
    schedule: FaultSchedule,
    start_ns: int,
    miou: Sequence[tuple[float, float]],
    frames: Sequence[tuple[str, npt.NDArray[np.uint8]]],
) -> str:
    """HTML text.

    Args:
        summary: the play's ``summary.json``.
        start_ns: time zero of the schedule in the recording's clock.
        miou: (seconds, percent).
        frames: (caption, rgb picture) to show.
    """
    duration_s = float(summary['duration_s'])
    rows = _rows(recording, schedule, start_ns, duration_s)
    shaded = [(fault.start_s, fault.end_s) for fault in schedule.faults]
    latencies = [fusion.latency_ms for fusion in recording.fusions.values()]
    sections = [
        '<h1>A drive with failing sensors</h1>', _numbers(summary),
        '<h2>Health and use of each sensor</h2>',
        '<p>The thin bar is what was done to the sensor, the thick one what the node reported. '
        'The last row shows how many sensors each label image was made of.</p>', _key(),
        f'<div class="wide">{timeline(rows, duration_s)}</div>',
        '<h2>mIoU over time</h2><p>Percent over the classes in view, per second of the drive; '
        'shaded while a sensor is failing.</p>', line(miou, duration_s, 100.0, '%', shaded),
        '<h2>Faults</h2>', _fault_table(summary['faults']), _alarms(summary['false_alarms']),
        '<h2>mIoU, stretch by stretch</h2><p>Published label images against the same network run '
        'offline on the same sensors of the undisturbed recording.</p>',
        _stretch_table(summary['stretches']),
        '<h2>Latency</h2><p>From the arrival of the last contributing message to the publication '
        'of the label image.</p>', histogram(latencies, 'ms'),
        '<h2>Moments</h2>', *(_figure(caption, picture) for caption, picture in frames),
    ]
    return ('<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<title>A drive with failing sensors</title><style>{_STYLE}</style></head>'
            f'<body>{"".join(sections)}</body></html>')


def _numbers(summary: Mapping[str, Any]) -> str:
    latency = summary['latency_ms']
    pairs = [
        ('label images', f'{summary["labels_out"]}'),
        ('rate', f'{summary["rate_hz"]:.1f} Hz'),
        ('latency p50 / p95', f'{latency["p50"]:.0f} / {latency["p95"]:.0f} ms'),
        ('longest gap', f'{summary["longest_label_gap_s"]:.2f} s'),
        ('false alarms', f'{len(summary["false_alarms"])}'),
    ]
    tiles = ''.join(f'<div>{escape(name)}<b>{escape(value)}</b></div>' for name, value in pairs)
    return f'<div class="numbers">{tiles}</div>'


def _key() -> str:
    colors = {**STATE_COLORS, 'fault injected': '#1c1c1c'}
    return '<p class="key">' + ''.join(
        f'<span><i style="background:{color}"></i>{escape(name)}</span>'
        for name, color in colors.items()) + '</p>'


def _rows(recording: Recording, schedule: FaultSchedule, start_ns: int,
          duration_s: float) -> list[Row]:
    rows = []
    for modality, changes in recording.states.items():
        truth = [Bar(start_s=fault.start_s, end_s=fault.end_s, color='#1c1c1c', title=fault.name)
                 for fault in schedule.faults if fault.modality == modality]
        rows.append(Row(name=modality, truth=truth,
                        reported=_state_bars(changes, start_ns, duration_s)))
    return [*rows, Row(name='used', truth=(), reported=_set_bars(recording, start_ns))]


def _state_bars(changes: Sequence[StateChange], start_ns: int, duration_s: float) -> list[Bar]:
    times = [min(max((change.stamp_ns - start_ns) / 1e9, 0.0), duration_s) for change in changes]
    return [Bar(start_s=begin, end_s=end, color=STATE_COLORS[change.state],
                title=f'{change.state} {change.reason} from {begin:.2f} s')
            for change, (begin, end) in zip(changes, pairwise([*times, duration_s]), strict=True)
            if end > begin]


def _set_bars(recording: Recording, start_ns: int) -> list[Bar]:
    fusions = list(recording.fusions.values())
    shades = {1: '#c7d8f2', 2: '#94b5e6', 3: '#5b8fd6', 4: '#2f6fd0'}
    return [Bar(start_s=(a.stamp_ns - start_ns) / 1e9, end_s=(b.stamp_ns - start_ns) / 1e9,
                color=shades.get(len(a.used), '#2f6fd0'), title=' + '.join(a.used))
            for a, b in pairwise(fusions) if b.stamp_ns > a.stamp_ns]


def _fault_table(faults: Sequence[Mapping[str, Any]]) -> str:
    return _table(
        ('fault', 'sensor', 'from', 'to', 'detected after', 'as', 'recovered after',
         'longest label gap'),
        [(fault['name'], fault['modality'], f'{fault["start_s"]:.1f} s', f'{fault["end_s"]:.1f} s',
          _seconds(fault['detected_after_s']), fault['reason'],
          _seconds(fault['recovered_after_s']), _seconds(fault['label_gap_s']))
         for fault in faults])


def _stretch_table(stretches: Sequence[Mapping[str, Any]]) -> str:
    return _table(
        ('from', 'to', 'failing', 'label images', 'mIoU published', 'mIoU offline', 'difference'),
        [(f'{s["start_s"]:.1f} s', f'{s["end_s"]:.1f} s', ', '.join(s['faulty']) or 'none',
          s['num_labels'], f'{s["miou"]:.1f}', f'{s["miou_offline"]:.1f}',
          f'{s["miou"] - s["miou_offline"]:+.1f}') for s in stretches])


def _alarms(alarms: Sequence[Mapping[str, Any]]) -> str:
    if not alarms:
        return '<p>No false alarm: no sensor was doubted while nothing was done to it.</p>'
    return '<p>False alarms: ' + '; '.join(
        escape(f'{a["modality"]} {a["state"]} ({a["reason"]}) at {a["at_s"]} s')
        for a in alarms) + '</p>'


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    head = ''.join(f'<th>{escape(text)}</th>' for text in heads)
    body = ''.join('<tr>' + ''.join(f'<td>{escape(str(cell))}</td>' for cell in row) + '</tr>'
                   for row in rows)
    return (f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
            f'<tbody>{body}</tbody></table></div>')


def _seconds(value: float | None) -> str:
    return 'never' if value is None else f'{value:.2f} s'


def _figure(caption: str, picture: npt.NDArray[np.uint8]) -> str:
    _, encoded = cv2.imencode('.jpg', cv2.cvtColor(picture, cv2.COLOR_RGB2BGR),
                              [cv2.IMWRITE_JPEG_QUALITY, 88])
    text = base64.b64encode(encoded.tobytes()).decode('ascii')
    return (f'<figure><img alt="{escape(caption)}" src="data:image/jpeg;base64,{text}">'
            f'<figcaption>{escape(caption)}</figcaption></figure>')
