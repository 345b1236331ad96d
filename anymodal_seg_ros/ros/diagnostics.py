# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node says about itself: ``/diagnostics`` and the ``fusion_info`` of each label image.

Levels: OK for ok and for disabled by the user; WARN for degraded and probation (the label images
go on, with or without this sensor); ERROR for lost, and for inference or receiving that fails;
STALE for whatever has not begun yet.
"""

from __future__ import annotations

import math
import threading
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from anymodal_seg_ros.defects import one_line
from anymodal_seg_ros.extrinsics import RigKeeper
from anymodal_seg_ros.ros.clock_watch import ClockPhase, ClockState
from anymodal_seg_ros.ros.conversions import header
from anymodal_seg_ros.ros.guard import Guard
from anymodal_seg_ros.ros.inputs import AdaptiveSubscription
from anymodal_seg_ros.samples import HealthReport, HealthState, SampleSet
from anymodal_seg_ros.sync import SyncStats

LEVELS: Mapping[HealthState, bytes] = {
    HealthState.WAITING: DiagnosticStatus.STALE,
    HealthState.OK: DiagnosticStatus.OK,
    HealthState.DEGRADED: DiagnosticStatus.WARN,
    HealthState.LOST: DiagnosticStatus.ERROR,
    HealthState.PROBATION: DiagnosticStatus.WARN,
    HealthState.DISABLED: DiagnosticStatus.OK,
}
STALLED_SETS = 30
"""So many sets that nobody took since the network last answered mean that it hangs."""
NON_INCREASING = ('stamp_backwards', 'stamp_frozen')
RECENT = 100
"""How many label images the published timings cover."""


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return 'unknown' if math.isnan(value) else f'{value:.3f}'
    return str(value)


def status(
    level: bytes, name: str, message: str, values: Mapping[str, Any], hardware_id: str = ''
) -> DiagnosticStatus:
    """A status whose values are written as ``true``/``false``, three decimals or plain text."""
    return DiagnosticStatus(
        level=level,
        name=name,
        message=message,
        hardware_id=hardware_id,
        values=[KeyValue(key=key, value=_text(value)) for key, value in values.items()],
    )


def modality_status(
    node_name: str, hardware_id: str, report: HealthReport, extra: Mapping[str, object],
    error: str = '', silence: str = '',
) -> DiagnosticStatus:
    """One sensor's health. ``extra`` follows the report's own values.

    ``error`` is what only the user can put right, whatever the sensor's state, and as grave as an
    encoder that fails; ``silence`` says where nothing is received, and why.
    """
    rejected = report.rejected
    non_increasing = sum(rejected.get(reason, 0) for reason in NON_INCREASING)
    values: dict[str, Any] = {
        'modality': report.modality,
        'state': report.state.value,
        'reason': report.reason,
        'trusted': report.trusted,
        'frame_rate_node': report.rate_hz,
        'expected_frequency': report.expected_rate_hz,
        'age_ms': report.age_ms,
        'current_delay_from_realtime_ms': report.latency_ms,
        'num_received': report.num_received,
        'num_rejected': report.num_rejected,
        'num_non_increasing_msg': non_increasing,
        **{f'rejected.{reason}': count for reason, count in sorted(rejected.items())},
        **extra,
    }
    if report.encoder_failure:
        values['encoder_failure'] = report.encoder_failure
        error = error or report.encoder_failure
    default = f'{report.state.value}: {report.reason}' if report.reason else report.state.value
    if report.state is HealthState.WAITING and not report.num_received:
        default = f'nothing received {silence}' if silence else 'nothing received yet'
    message = 'disabled by the user' if report.state is HealthState.DISABLED else default
    name = f'{node_name}: {report.modality}'
    if error:
        return status(DiagnosticStatus.ERROR, name, f'{message}; {error}', values, hardware_id)
    return status(LEVELS[report.state], name, message, values, hardware_id)


def input_values(
    source: AdaptiveSubscription, rig: RigKeeper, num_bad_infos: int
) -> dict[str, object]:
    """How one sensor's messages come in and how they are placed, for ``modality_status``."""
    num_missed = source.num_missed
    values: dict[str, object] = {
        'topic': source.topic,
        'publishers': source.num_publishers(),
        'qos': source.qos_in_use,
        'messages_lost': source.events['messages_lost'],
        'messages_late': source.events['messages_late'],
        'messages_missed': 'unknown' if num_missed is None else num_missed,
        'incompatible_qos': source.events['incompatible_qos'],
    }
    if source.modality != 'rgb':
        values['extrinsic_source'] = rig.sources.get(source.modality, 'none')
    if source.modality in rig.intrinsics:
        values |= rig.intrinsics[source.modality].values()
        values['num_rejected_camera_info'] = num_bad_infos
    return values


def fusion_info(
    sample_set: SampleSet,
    frame_id: str,
    reports: Mapping[str, HealthReport],
    used: Iterable[str],
    now_ns: int,
    set_values: Mapping[str, object],
) -> DiagnosticArray:
    """What a label image was made of: one status for each modality and one named ``set``."""
    members = frozenset(used)
    statuses = []
    for name, report in reports.items():
        values: dict[str, object] = {'used': name in members}
        if name in sample_set.samples:
            sample = sample_set.samples[name]
            values['stamp_offset_ms'] = sample_set.offset_ns(name) / 1e6
            values['age_ms'] = (now_ns - sample.stamp_ns) / 1e6
        else:
            values |= {'stamp_offset_ms': math.nan, 'age_ms': math.nan}
        reason = '' if name in members else sample_set.absent.get(name, '') or report.reason
        values |= {'reason': reason, 'state': report.state.value}
        statuses.append(status(LEVELS[report.state], name, reason or 'used', values))
    values = {'reference': sample_set.reference, 'complete': sample_set.complete, **set_values}
    statuses.append(status(DiagnosticStatus.OK, 'set', 'complete' if sample_set.complete
                           else 'closed at the deadline', values))
    return DiagnosticArray(header=header(sample_set.stamp_ns, frame_id), status=statuses)


def synchronization_status(
    node_name: str, hardware_id: str, stats: SyncStats, clock: ClockState
) -> DiagnosticStatus:
    """Sets formed, samples used and dropped by sensor, and whether time goes on."""
    dropped = sum(sum(one.dropped.values()) for one in stats.inputs.values())
    values: dict[str, object] = {
        'clock': clock.text,
        'sets': stats.sets,
        'complete_sets': stats.complete_sets,
        'resets': stats.resets,
        'total_dropped_frames': dropped,
        **{f'sets_by_reference.{name}': n for name, n in sorted(stats.sets_by_reference.items())},
    }
    for name, one in stats.inputs.items():
        values |= {f'{name}.used': one.used, f'{name}.reused': one.reused,
                   f'{name}.period_ms': one.period_ms, f'{name}.latency_ms': one.latency_ms}
        values |= {f'{name}.dropped.{reason}': n for reason, n in sorted(one.dropped.items())}
    level, message = DiagnosticStatus.OK, 'sets go out'
    if clock.phase is ClockPhase.UNSTEADY:
        level, message = DiagnosticStatus.ERROR, f'clock {clock.text}'
    elif clock.phase is not ClockPhase.RUNNING:
        level, message = DiagnosticStatus.WARN, f'clock {clock.text}'
    elif not stats.sets:
        level, message = DiagnosticStatus.STALE, 'no set yet'
    return status(level, f'{node_name}: synchronization', message, values, hardware_id)


def receiving_status(node_name: str, hardware_id: str, guard: Guard) -> DiagnosticStatus:
    """Defects in what takes messages in, by source: ERROR while they come."""
    values: dict[str, object] = {
        'failures': guard.counts.total(),
        **{f'failures.{source}': number for source, number in sorted(guard.counts.items())},
        'last_failure': guard.last,
    }
    level, message = DiagnosticStatus.OK, 'messages are taken in'
    if guard.is_happening():
        level, message = DiagnosticStatus.ERROR, f'receiving fails: {guard.last}'
    return status(level, f'{node_name}: receiving', message, values, hardware_id)


class InferenceStats:
    """Counters and timings of the inference thread, read by the receiving one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._times_ms: dict[str, deque[float]] = {}
        self._failure = ''
        self._superseded_row = 0

    def count(self, what: str, number: int = 1) -> int:
        """Add to a counter; returns its new value."""
        with self._lock:
            self._counts[what] += number
            self._superseded_row += number if what == 'sets_superseded' else 0
            return self._counts[what]

    def succeeded(self, times_ms: Mapping[str, float]) -> int:
        """Count a label image with its stage timings; returns its sequence number."""
        with self._lock:
            for stage, value in times_ms.items():
                self._times_ms.setdefault(stage, deque(maxlen=RECENT)).append(value)
            self._counts['labels_out'] += 1
            self._failure = ''
            self._superseded_row = 0
            return self._counts['labels_out']

    def failed(self, error: Exception) -> str:
        """Count a failure; returns its one-line description."""
        text = one_line(error)
        with self._lock:
            self._counts['failures'] += 1
            self._failure = text
            self._superseded_row = 0
        return text

    def to_status(self, node_name: str, hardware_id: str) -> DiagnosticStatus:
        with self._lock:
            counts, failure = dict(self._counts), self._failure
            num_waiting = self._superseded_row
            times = {stage: sorted(values) for stage, values in self._times_ms.items()}
        values: dict[str, object] = {
            name: counts.get(name, 0)
            for name in ('sets_in', 'labels_out', 'sets_superseded', 'sets_discarded', 'failures',
                         'before_clock', 'views_skipped')
        }
        values['total_dropped_frames'] = values['sets_superseded']
        for stage, recent in times.items():
            values[f'{stage}_ms.p50'] = recent[len(recent) // 2]
            values[f'{stage}_ms.p95'] = recent[min(len(recent) - 1, int(len(recent) * 0.95))]
            values[f'{stage}_ms.max'] = recent[-1]
        values['last_failure'] = failure
        if failure:
            level, message = DiagnosticStatus.ERROR, f'inference fails: {failure}'
        elif num_waiting >= STALLED_SETS:
            level = DiagnosticStatus.ERROR
            message = f'inference hangs: {num_waiting} sets came since its last answer'
        elif not counts.get('labels_out'):
            level, message = DiagnosticStatus.STALE, 'no label image yet'
        else:
            level, message = DiagnosticStatus.OK, 'label images go out'
        return status(level, f'{node_name}: inference', message, values, hardware_id)
