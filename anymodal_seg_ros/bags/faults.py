# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sensor faults applied to serialized messages, for the injector node and offline. Layer: bags."""

from __future__ import annotations

import logging
import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.bags.messages import (
    cloud_message,
    compressed_image_message,
    events_message,
    image_message,
)
from anymodal_seg_ros.bags.reading import NS_PER_S, default_typestore, from_cdr, to_cdr
from anymodal_seg_ros.corruption import FaultSchedule, ScheduledFault, StreamFaults, corrupt
from anymodal_seg_ros.errors import BadMessageError, ConfigError
from anymodal_seg_ros.modalities import MODALITIES, Decoding, build_decoders
from anymodal_seg_ros.samples import Payload, Sample

IMAGE, COMPRESSED_IMAGE = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
CLOUD = 'sensor_msgs/msg/PointCloud2'
WRITABLE: Mapping[Payload, tuple[str, ...]] = {
    Payload.IMAGE: (IMAGE, COMPRESSED_IMAGE),
    Payload.DEPTH: (IMAGE,),
    Payload.CLOUD: (CLOUD,),
    Payload.EVENTS: (CLOUD, IMAGE, COMPRESSED_IMAGE),
}
"""As what messages a payload can be written back after a fault changed it."""
MAX_STAMP_NS = 2**31 * NS_PER_S - 1
"""The latest that a header's stamp holds."""
RESTART_NS = NS_PER_S
"""Stamps of a sensor that step back by more than this mean that the recording started again."""

logger = logging.getLogger(__name__)


def cdr_stamp_ns(cdr: bytes) -> int:
    """The header stamp of a serialized message whose first field is a ``std_msgs/Header``.

    Raises:
        BadMessageError: too short to have one.
    """
    if len(cdr) < 12:
        raise BadMessageError('header', f'{len(cdr)} bytes; at least 12 are needed')
    sec, nanosec = struct.unpack_from(_stamp_format(cdr), cdr, 4)
    return int(sec) * NS_PER_S + int(nanosec)


def with_cdr_stamp(cdr: bytes, stamp_ns: int) -> bytes:
    """A copy of such a message with another stamp, which is limited to what the field holds."""
    sec, nanosec = divmod(min(max(stamp_ns, 0), MAX_STAMP_NS), NS_PER_S)
    return cdr[:4] + struct.pack(_stamp_format(cdr), sec, nanosec) + cdr[12:]


def _stamp_format(cdr: bytes) -> str:
    return '<iI' if cdr[1] & 1 else '>iI'


@dataclass(frozen=True, slots=True, kw_only=True)
class Relayed:
    """A message to pass on."""

    cdr: bytes
    delay_ns: int
    """How long to hold it back, in the clock of the stamps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultTransition:
    """A fault that has begun or ended."""

    fault: ScheduledFault
    active: bool
    stamp_ns: int
    """When, in the clock of the stamps."""


class FaultRelay:
    """Passes serialized sensor messages on, as they would be with the scheduled faults.

    Time is that of the header stamps: zero of the schedule is ``start_ns``, or the first stamp
    seen. A message without active fault comes back unchanged, and unread but for its stamp.
    ``decoding`` is how messages are read that a fault changes. Not thread-safe.
    """

    def __init__(self, schedule: FaultSchedule, start_ns: int | None = None,
                 decoding: Decoding | None = None) -> None:
        # Takes a quarter of a second, in which the first fault would hold up every sensor.
        default_typestore()
        self.schedule = schedule
        self._decoders = build_decoders(decoding)
        self._given_start_ns = start_ns
        self.start_ns = start_ns
        self._live: tuple[ScheduledFault, ...] = ()
        self._streams: StreamFaults[bytes] = StreamFaults(schedule.seed)
        self._last_stamp_ns: dict[str, int] = {}
        self._reported: dict[str, ScheduledFault] = {}

    def set_live(self, faults: Iterable[ScheduledFault]) -> None:
        """Faults that hold from now on, whatever the schedule says; replaces those set before."""
        self._live = tuple(faults)

    def relay(self, modality: str, msgtype: str, cdr: bytes) -> list[Relayed]:
        """What to pass on for one sensor message: nothing or one message.

        One that cannot be decoded, or whose type cannot be written, is passed on as it is.
        """
        try:
            stamp_ns = cdr_stamp_ns(cdr)
        except BadMessageError as error:
            logger.warning('%s: %s', modality, error)
            return [Relayed(cdr=cdr, delay_ns=0)]
        self._advance(modality, stamp_ns)
        active = self.active(modality, stamp_ns)
        if not active:
            self._streams.process(modality, cdr, ())
            return [Relayed(cdr=cdr, delay_ns=0)]
        relayed = []
        for out in self._streams.process(modality, cdr, active):
            content = self._with_content_faults(modality, msgtype, out.item, active)
            shift_ns = round(out.stamp_shift_s * NS_PER_S)
            if out.item is not out.stamp_from or shift_ns:
                content = with_cdr_stamp(content, cdr_stamp_ns(out.stamp_from) + shift_ns)
            relayed.append(Relayed(cdr=content, delay_ns=round(out.delay_s * NS_PER_S)))
        return relayed

    def relay_info(self, modality: str, cdr: bytes) -> list[Relayed]:
        """The same for the CameraInfo of a sensor: it falls silent together with its camera."""
        try:
            stamp_ns = cdr_stamp_ns(cdr)
        except BadMessageError:
            return [Relayed(cdr=cdr, delay_ns=0)]
        dropped = any(fault.fault == 'drop' and fault.severity >= 1.0
                      for fault in self.active(modality, stamp_ns))
        return [] if dropped else [Relayed(cdr=cdr, delay_ns=0)]

    def active(self, modality: str, stamp_ns: int) -> list[ScheduledFault]:
        """The faults of a sensor at a stamp: the schedule's, then live ones."""
        start_ns = stamp_ns if self.start_ns is None else self.start_ns
        scheduled = self.schedule.active(modality, (stamp_ns - start_ns) / NS_PER_S)
        return scheduled + [fault for fault in self._live if fault.modality == modality]

    def update(self, stamp_ns: int) -> list[FaultTransition]:
        """Faults that began or ended since the last call, as of ``stamp_ns``."""
        now = {fault.name: fault for modality in MODALITIES
               for fault in self.active(modality, stamp_ns)}
        changed = [(fault, False) for name, fault in self._reported.items()
                   if now.get(name) != fault]
        changed += [(fault, True) for name, fault in now.items()
                    if self._reported.get(name) != fault]
        self._reported = now
        return [FaultTransition(fault=fault, active=active,
                                stamp_ns=self._moment(fault, active, stamp_ns))
                for fault, active in changed]

    @property
    def newest_stamp_ns(self) -> int | None:
        """The newest stamp of any sensor since the start; None before the first message."""
        return max(self._last_stamp_ns.values(), default=None)

    def _moment(self, fault: ScheduledFault, active: bool, stamp_ns: int) -> int:
        if fault not in self.schedule.faults or self.start_ns is None:
            return stamp_ns
        planned_s = fault.start_s if active else fault.end_s
        if math.isinf(planned_s):
            return stamp_ns
        return min(self.start_ns + round(planned_s * NS_PER_S), stamp_ns)

    def _advance(self, modality: str, stamp_ns: int) -> None:
        if stamp_ns < self._last_stamp_ns.get(modality, stamp_ns) - RESTART_NS:
            self._last_stamp_ns.clear()
            self._streams.reset()
            self.start_ns = self._given_start_ns
        if self.start_ns is None:
            self.start_ns = stamp_ns
        self._last_stamp_ns[modality] = max(stamp_ns, self._last_stamp_ns.get(modality, stamp_ns))

    def _with_content_faults(self, modality: str, msgtype: str, cdr: bytes,
                             active: list[ScheduledFault]) -> bytes:
        try:
            if any(fault.kind == 'content' for fault in active):
                message = from_cdr(cdr, msgtype)
                stamp_ns = cdr_stamp_ns(cdr)
                data = self._decoders[modality].decode(message)
                sample = Sample(modality=modality, stamp_ns=stamp_ns, received_ns=stamp_ns,
                                frame_id=message.header.frame_id, data=data)
                changed = corrupt(sample, active, self.schedule.seed)
                cdr = encode_sample(self._in_own_scale(changed), msgtype)
            for fault in active:
                if fault.kind == 'bytes':
                    cdr = self._with_garbage(fault, msgtype, cdr)
        except (BadMessageError, ConfigError) as error:
            logger.warning('%s passed on without its content faults: %s', modality, error)
        return cdr

    def _in_own_scale(self, sample: Sample) -> Sample:
        """Intensities as the sensor counts them: who listens may have learnt its scale."""
        scale = self._decoders[sample.modality].known().get('intensity_scale') or 1.0
        if scale == 1.0:
            return sample
        data = sample.data.copy()
        data[:, 3] *= np.float32(scale)
        return replace(sample, data=data)

    def _with_garbage(self, fault: ScheduledFault, msgtype: str, cdr: bytes) -> bytes:
        """The message with another ``data`` field, which fits its other fields no more."""
        message = from_cdr(cdr, msgtype)
        rng = fault.rng(self.schedule.seed, cdr_stamp_ns(cdr))
        payload = np.asarray(message.data, dtype=np.uint8)
        message.data = fault.row.apply(payload, fault.severity, rng, fault.modality)
        return to_cdr(message)


def encode_sample(sample: Sample, msgtype: str) -> bytes:
    """A sample as a serialized message of the type it came in, in the package's own encodings.

    Raises:
        ConfigError: this modality cannot be written as ``msgtype``.
    """
    header = (sample.stamp_ns, sample.frame_id)
    data: npt.NDArray[Any] = sample.data
    payload = MODALITIES[sample.modality].payload
    if msgtype not in WRITABLE[payload]:
        raise ConfigError(f'{sample.modality} cannot be written as {msgtype}')
    if msgtype == IMAGE:
        encoding = '32FC1' if payload is Payload.DEPTH else 'rgb8' if data.ndim == 3 else 'mono8'
        return to_cdr(image_message(*header, data, encoding))
    if msgtype == COMPRESSED_IMAGE:
        stored = data[..., ::-1] if data.ndim == 3 else data
        image_format = 'rgb8; png compressed bgr8' if data.ndim == 3 else 'mono8; png compressed '
        return to_cdr(compressed_image_message(*header, cv2.imencode('.png', stored)[1],
                                               image_format))
    write = cloud_message if payload is Payload.CLOUD else events_message
    return to_cdr(write(*header, data))
