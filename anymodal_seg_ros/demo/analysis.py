# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Judges a play: faults found and forgiven, label images right and in time. Layer: demo."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.corruption import FaultSchedule, ScheduledFault
from anymodal_seg_ros.demo.published import Fusion, Recording, StateChange
from anymodal_seg_ros.errors import AnymodalError
from anymodal_seg_ros.metrics import ConfusionMatrix

Truth = Mapping[int, npt.NDArray[np.uint8]]
"""Ground-truth label images by stamp."""
FORGIVE_S = 1.0
"""A sensor may be out of OK this long after its fault has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultResult:
    """How one injected fault went; None where it was never noticed or never over."""

    name: str
    modality: str
    fault: str
    start_s: float
    end_s: float
    detected_after_s: float | None
    recovered_after_s: float | None
    label_gap_s: float
    """Longest time between two label images from 0.5 s before the fault to 1 s after it."""
    reason: str
    """Reason code with which the sensor left OK."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseAlarm:
    """A sensor that left OK though nothing was done to it."""

    modality: str
    at_s: float
    state: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A time during which the same sensors were well."""

    start_s: float
    end_s: float
    faulty: tuple[str, ...]
    sensors: tuple[str, ...]
    miou: float
    """Of the label images that were published, in percent."""
    miou_offline: float
    """Of the same network on the same sensors at the same moments of the undisturbed recording,
    in percent."""
    num_labels: int


class Judge:
    """Compares what a play recorded with what was injected.

    Args:
        recording: what the node published.
        schedule: the faults; their time zero is ``start_ns``.
        truth: label images of the street.
        start_ns, end_ns: first and last moment of the play, in the recording's clock.
        num_classes: of the label space.
    """

    def __init__(self, recording: Recording, schedule: FaultSchedule, truth: Truth,
                 start_ns: int, end_ns: int, num_classes: int) -> None:
        self._recording = recording
        self._schedule = schedule
        self._truth = truth
        self._start_ns = start_ns
        self._end_ns = end_ns
        self._num_classes = num_classes
        self._truth_stamps = np.array(sorted(truth), np.int64)

    def faults(self) -> list[FaultResult]:
        """One result for each scheduled fault, in the schedule's order."""
        return [self._fault(fault) for fault in self._schedule.faults]

    def false_alarms(self) -> list[FalseAlarm]:
        """Every departure from OK that no fault of the same sensor explains."""
        alarms = []
        for modality, changes in self._recording.states.items():
            for before, change in pairwise(changes):
                at_s = self._seconds(change.stamp_ns)
                if (before.state == 'ok' and change.stamp_ns < self._end_ns
                        and not self._explained(modality, at_s)):
                    alarms.append(FalseAlarm(modality=modality, at_s=round(at_s, 3),
                                             state=change.state, reason=change.reason))
        return alarms

    def stretches(self, offline: Mapping[int, Mapping[tuple[str, ...], npt.NDArray[np.uint8]]],
                  sensors: Sequence[str], cuts_s: Iterable[float]) -> list[Stretch]:
        """The play cut wherever a fault begins or ends and at ``cuts_s``.

        Args:
            offline: label images made offline, by stamp and by the sensors used.
            sensors: all modalities.
        """
        found = []
        for start_s, end_s, faulty in stretch_bounds(
                self._schedule, cuts_s, self._seconds(self._end_ns)):
            left = tuple(sorted(set(sensors) - set(faulty)))
            online = ConfusionMatrix(self._num_classes)
            reference = ConfusionMatrix(self._num_classes)
            count = 0
            for label in self._recording.labels:
                if not start_s <= self._seconds(label.stamp_ns) < end_s:
                    continue
                count += 1
                online.update(label.labels, self.truth_at(label.stamp_ns))
                undisturbed = offline.get(label.stamp_ns, {}).get(left)
                if undisturbed is not None:
                    reference.update(undisturbed, self.truth_at(label.stamp_ns))
            found.append(Stretch(
                start_s=round(start_s, 3), end_s=round(end_s, 3), faulty=faulty, sensors=left,
                miou=_percent(online), miou_offline=_percent(reference), num_labels=count))
        return found

    def miou_by_active_set(self) -> dict[str, dict[str, float]]:
        """Sensors used, joined by '+', to mIoU in percent and number of label images."""
        matrices: dict[str, tuple[ConfusionMatrix, list[int]]] = {}
        for label in self._recording.labels:
            fusion = self._recording.fusions.get(label.stamp_ns)
            if fusion is None:
                continue
            matrix, stamps = matrices.setdefault(
                '+'.join(fusion.used), (ConfusionMatrix(self._num_classes), []))
            matrix.update(label.labels, self.truth_at(label.stamp_ns))
            stamps.append(label.stamp_ns)
        return {name: {'miou': _percent(matrix), 'labels': len(stamps)}
                for name, (matrix, stamps) in sorted(matrices.items())}

    def miou_over_time(self, window_s: float = 1.0) -> list[tuple[float, float]]:
        """(seconds, mIoU in percent) of the label images in windows that follow each other."""
        matrices: dict[int, ConfusionMatrix] = {}
        for label in self._recording.labels:
            window = int(self._seconds(label.stamp_ns) // window_s)
            matrix = matrices.setdefault(window, ConfusionMatrix(self._num_classes))
            matrix.update(label.labels, self.truth_at(label.stamp_ns))
        return [((window + 0.5) * window_s, _percent(matrix))
                for window, matrix in sorted(matrices.items())]

    def truth_at(self, stamp_ns: int) -> npt.NDArray[np.uint8]:
        """The truth nearest in time."""
        nearest = int(np.abs(self._truth_stamps - stamp_ns).argmin())
        return self._truth[int(self._truth_stamps[nearest])]

    def summary(self) -> dict[str, Any]:
        """Counts, rate, latency and the results above as plain data.

        Raises:
            AnymodalError: no label image was recorded.
        """
        labels = self._recording.labels
        if not labels:
            raise AnymodalError('the node published no label image; its log says why')
        stamps = [label.stamp_ns for label in labels]
        used = [fusion for fusion in self._recording.fusions.values()
                if not math.isnan(fusion.latency_ms)]
        received = [label.received_ns for label in labels]
        span_s = (received[-1] - received[0]) / 1e9 if len(received) > 1 else math.nan
        return {
            'duration_s': round(self._seconds(self._end_ns), 3),
            'sets_in': self._recording.num_sets,
            'labels_out': len(labels),
            'rate_hz': round((len(labels) - 1) / span_s, 3),
            'latency_ms': _latency(used),
            'longest_label_gap_s': round(self._gap_s(-math.inf, math.inf), 3),
            'stamps_strictly_increase': all(a < b for a, b in pairwise(stamps)),
            'miou': self.miou_by_active_set(),
            'faults': [asdict(fault) for fault in self.faults()],
            'false_alarms': [asdict(alarm) for alarm in self.false_alarms()],
        }

    def _fault(self, fault: ScheduledFault) -> FaultResult:
        changes = self._recording.states.get(fault.modality, [])
        found = _first(changes, lambda c: c.state != 'ok',
                       self._ns(fault.start_s), self._ns(fault.end_s))
        over = _first(changes, lambda c: c.state == 'ok', self._ns(fault.end_s), self._end_ns)
        return FaultResult(
            name=fault.name, modality=fault.modality, fault=fault.fault,
            start_s=fault.start_s, end_s=fault.end_s,
            detected_after_s=self._after(found, fault.start_s),
            recovered_after_s=self._after(over, fault.end_s),
            label_gap_s=round(self._gap_s(fault.start_s - 0.5, fault.end_s + 1.0), 3),
            reason=found.reason if found else '')

    def _explained(self, modality: str, at_s: float) -> bool:
        return any(fault.modality == modality and fault.start_s <= at_s < fault.end_s + FORGIVE_S
                   for fault in self._schedule.faults)

    def _gap_s(self, start_s: float, end_s: float) -> float:
        """The longest time without a label image of those that touch the window. Label images
        that stop coming leave a gap up to the end of the play."""
        times = [self._seconds(label.received_ns) for label in self._recording.labels]
        if not times:
            return math.inf
        times.append(max(times[-1], self._seconds(self._end_ns)))
        return max((b - a for a, b in pairwise(times) if a <= end_s and b >= start_s),
                   default=math.inf)

    def _after(self, change: StateChange | None, time_s: float) -> float | None:
        return None if change is None else round(self._seconds(change.stamp_ns) - time_s, 3)

    def _seconds(self, time_ns: int) -> float:
        return (time_ns - self._start_ns) / 1e9

    def _ns(self, time_s: float) -> int:
        return self._start_ns + round(time_s * 1e9)


def stretch_bounds(schedule: FaultSchedule, cuts_s: Iterable[float],
                   end_s: float) -> Iterator[tuple[float, float, tuple[str, ...]]]:
    """From 0 to ``end_s``, cut wherever a fault begins or ends and at ``cuts_s``: start and end in
    seconds, and the modalities that are failing in between."""
    edges = {0.0, end_s, *cuts_s}
    edges |= {time for fault in schedule.faults for time in (fault.start_s, fault.end_s)}
    for begin_s, stop_s in pairwise(sorted(edges)):
        yield begin_s, stop_s, tuple(sorted({
            fault.modality for fault in schedule.faults
            if fault.is_active((begin_s + stop_s) / 2)}))


def _first(changes: Iterable[StateChange], wanted: Any, start_ns: int,  # noqa: ANN401
           end_ns: int) -> StateChange | None:
    return next((c for c in changes if start_ns <= c.stamp_ns <= end_ns and wanted(c)), None)


def _percent(matrix: ConfusionMatrix) -> float:
    return round(100 * matrix.miou(), 2)


def _latency(fusions: Sequence[Fusion]) -> dict[str, float]:
    values = [fusion.latency_ms for fusion in fusions] or [math.nan]
    return {'p50': round(float(np.percentile(values, 50)), 2),
            'p95': round(float(np.percentile(values, 95)), 2),
            'max': round(max(values), 2)}
