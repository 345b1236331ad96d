# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What became of the messages of a recording, sensor by sensor. Layer: above pipeline and bags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anymodal_seg_ros.bags import BagInfo
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.modalities.encoding import ENCODER_FAILED
from anymodal_seg_ros.pipeline import Pipeline

_STAMPS = ('the header stamps do not go with the recorded times: give the driver a clock (PTP, '
           'use_sim_time), or record on the machine that stamps')
REMEDIES: Mapping[str, str] = {
    'no_extrinsic': 'no pose relative to the camera: record /tf_static with the frames of both',
    'no_camera_info': 'the reference camera has no usable calibration: record its CameraInfo, '
                      'with K or P, or name its topic with --topics',
    'calibration_mismatch': 'its CameraInfo is of another aspect than its images: record the one '
                            'of this mode of the camera',
    'bad_type': 'it is recorded in a type that is not read',
    'stamp_stale': _STAMPS,
    'stamp_future': _STAMPS,
    'stamp_frozen': 'its stamps stand still: the driver repeats a message, or does not stamp',
    'stamp_backwards': 'its stamps run backwards: two drivers on one topic, or a clock that was '
                       'set while recording',
    'latency_high': 'it came much later than usual: the recording machine was overloaded',
    'wrong_frame': 'its frame_id changes: two drivers on one topic',
    'wrong_size': 'its size changes: two drivers on one topic',
    ENCODER_FAILED: 'its encoder fails, which is a defect: please report the traceback of the log',
    'stale': _STAMPS,
    'future': _STAMPS,
    'no_match': 'no other sensor led a set at its time',
}
"""What to do about a reason why messages are not used; reasons of a sensor's content have none."""
_BAD_FIELD = 'its messages contradict themselves in this field: look at the driver'


@dataclass(frozen=True, kw_only=True)
class SensorSummary:
    """The messages of one sensor. Every one that was read is used or dropped."""

    modality: str
    topic: str
    msgtype: str
    """As recorded; '' where nothing was."""
    read: int
    used: int
    """Distinct ones that entered a set and were encoded."""
    dropped: Mapping[str, int]
    """By reason code, of the health monitor or of the synchronizer."""

    def line(self) -> str:
        """One row: sensor, topic, messages read and used, dropped by reason."""
        dropped = ', '.join(f'{reason} {number}' for reason, number in self.dropped.items())
        numbers = f'{self.read:7d} {self.used:7d}'
        return f'{self.modality:6} {self.topic:28} {numbers}  {dropped}'.rstrip()

    def advice(self) -> list[str]:
        """What to do, a line for each reason that has a remedy."""
        if not self.msgtype:
            return [f'{self.modality}: nothing on {self.topic}; another name: --topics '
                    f'{self.modality}=TOPIC']
        return [f'{self.modality}: {reason}: {self._remedy(reason)}' for reason in self.dropped
                if self._remedy(reason)]

    def _remedy(self, reason: str) -> str:
        if reason == 'bad_type':
            return (f'{self.topic} has {self.msgtype}; allowed: '
                    + ', '.join(MODALITIES[self.modality].message_types))
        return REMEDIES.get(reason, _BAD_FIELD if reason.startswith('bad_') else '')


def summarise(pipeline: Pipeline, info: BagInfo, topics: Mapping[str, str]) -> list[SensorSummary]:
    """Of each sensor of the bundle, after a recording was driven through ``pipeline``.

    ``topics`` is keyed like ``anymodal_seg_ros.bags.TOPICS``.
    """
    stats = pipeline.synchronizer.stats().inputs
    found = []
    for modality, report in pipeline.reports(0).items():
        topic = topics.get(modality, '')
        dropped = Counter(report.rejected) + Counter(stats[modality].dropped)
        used = stats[modality].used - report.rejected.get(ENCODER_FAILED, 0)
        rest = report.num_received - used - dropped.total()
        if rest:
            # Good messages of a sensor that had yet to earn back its trust are counted nowhere.
            dropped['probation'] += rest
        found.append(SensorSummary(
            modality=modality, topic=topic, msgtype=info.types.get(topic, ''),
            read=report.num_received, used=used, dropped=dict(
                sorted(dropped.items(), key=lambda item: -item[1]))))
    return found


def summary_lines(sensors: Sequence[SensorSummary]) -> list[str]:
    """The rows of all sensors, and what to do."""
    heading = f'{"sensor":6} {"topic":28} {"read":>7} {"used":>7}  dropped'
    return [heading, *(sensor.line() for sensor in sensors),
            *(line for sensor in sensors for line in sensor.advice())]


def why_nothing(sensors: Sequence[SensorSummary]) -> str:
    """Why there is not one label image, in one line."""
    reasons = []
    for sensor in sensors:
        advice = sensor.advice()
        most = next(iter(sensor.dropped), '')
        if not sensor.read:
            reasons.append(f'{sensor.modality}: no message')
        elif most:
            first = next((line for line in advice if f': {most}: ' in line), '')
            reasons.append(first or f'{sensor.modality}: {most}')
    return '; '.join(reasons)
