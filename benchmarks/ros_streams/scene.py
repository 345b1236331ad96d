# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Four small sensor streams as ROS messages, and their faults."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from std_msgs.msg import Header

from anymodal_seg_ros.ros.conversions import to_byte_array

Message: TypeAlias = Any
SIZE_PX = 64
PERIOD_NS = 100_000_000
FRAME = 'camera_optical_frame'
LIDAR_POSE = [0.0, 0.2, -0.3, 0.5, -0.5, 0.5, 0.5]
"""camera_T_lidar: x forward to z, 0.2 m below and 0.3 m behind."""
MODALITIES = ('rgb', 'depth', 'lidar', 'event')
TOPICS: Mapping[str, tuple[type[Any], str]] = {
    'rgb': (Image, 'camera/image'),
    'depth': (Image, 'depth/image'),
    'lidar': (PointCloud2, 'lidar/points'),
    'event': (PointCloud2, 'events'),
}
CLOUD_DTYPE = np.dtype([(name, '<f4') for name in ('x', 'y', 'z', 'intensity')])
EVENT_CLOUD_DTYPE = np.dtype([('x', '<u2'), ('y', '<u2'), ('t', '<f8'), ('pol', 'i1')])
_DATATYPES = {'<f4': PointField.FLOAT32, '<f8': PointField.FLOAT64, '<u2': PointField.UINT16,
              '|i1': PointField.INT8}


def header(stamp_ns: int, frame_id: str = FRAME) -> Header:
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    return Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=frame_id)


def image_message(stamp_ns: int, pixels: np.ndarray, encoding: str) -> Image:
    height, width = pixels.shape[:2]
    return Image(header=header(stamp_ns), height=height, width=width, encoding=encoding,
                 step=pixels.nbytes // height, data=to_byte_array(pixels))


def cloud_message(stamp_ns: int, points: np.ndarray, frame_id: str) -> PointCloud2:
    names = points.dtype.names or ()
    fields = [
        PointField(name=name, offset=points.dtype.fields[name][1], count=1,
                   datatype=_DATATYPES[points.dtype.fields[name][0].str])
        for name in names
    ]
    return PointCloud2(header=header(stamp_ns, frame_id), height=1, width=len(points),
                       fields=fields, point_step=points.dtype.itemsize,
                       row_step=points.nbytes, data=to_byte_array(points.view(np.uint8)),
                       is_dense=True)


def camera_info(stamp_ns: int) -> CameraInfo:
    focal = SIZE_PX / 2.0
    center = (SIZE_PX - 1) / 2.0
    return CameraInfo(
        header=header(stamp_ns), width=SIZE_PX, height=SIZE_PX, distortion_model='plumb_bob',
        d=[0.0] * 5, k=[focal, 0.0, center, 0.0, focal, center, 0.0, 0.0, 1.0],
        p=[focal, 0.0, center, 0.0, 0.0, focal, center, 0.0, 0.0, 0.0, 1.0, 0.0])


class Scene:
    """Pictures of a textured world that moves a little from frame to frame."""

    def __init__(self, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)
        coarse = self._rng.integers(30, 226, (32, 32, 3), np.uint8)
        self._texture = np.kron(coarse, np.ones((8, 8, 1), np.uint8))

    def rgb(self, step: int) -> np.ndarray:
        offset = 2 * step % (self._texture.shape[1] - SIZE_PX)
        view = self._texture[:SIZE_PX, offset : offset + SIZE_PX].astype(np.int16)
        noise = self._rng.integers(-4, 5, view.shape, np.int16)
        return (view + noise).clip(0, 255).astype(np.uint8)

    def depth(self, step: int) -> np.ndarray:
        rows = np.linspace(40.0, 3.0, SIZE_PX, dtype=np.float32)[:, None]
        noise = self._rng.normal(0, 0.02, (SIZE_PX, SIZE_PX)).astype(np.float32)
        return (rows + noise + 0.1 * np.float32(step % 7)).astype(np.float32)

    def lidar(self, step: int) -> np.ndarray:
        azimuth = np.tile(np.linspace(-np.pi, np.pi, 240, endpoint=False), 8)
        elevation = np.repeat(np.linspace(-0.35, 0.05, 8), 240)
        reach = np.where(elevation < 0, 1.8 / np.maximum(-np.sin(elevation), 0.05), 25.0)
        reach = np.minimum(reach, 25.0) + self._rng.normal(0, 0.02, azimuth.size)
        points = np.zeros(azimuth.size, CLOUD_DTYPE)
        points['x'] = reach * np.cos(elevation) * np.cos(azimuth)
        points['y'] = reach * np.cos(elevation) * np.sin(azimuth)
        points['z'] = reach * np.sin(elevation)
        points['intensity'] = 0.5
        return points

    def event(self, step: int, stamp_ns: int) -> np.ndarray:
        count = 1200 + int(self._rng.integers(0, 100))
        events = np.zeros(count, EVENT_CLOUD_DTYPE)
        events['x'] = self._rng.normal(32, 14, count).clip(0, SIZE_PX - 1)
        events['y'] = self._rng.normal(32, 14, count).clip(0, SIZE_PX - 1)
        ages_ns = self._rng.integers(0, PERIOD_NS, count)
        events['t'] = np.sort(stamp_ns - ages_ns).astype(np.float64)
        events['pol'] = self._rng.integers(0, 2, count)
        return events

    def message(self, modality: str, step: int, stamp_ns: int) -> Message:
        if modality == 'rgb':
            return image_message(stamp_ns, self.rgb(step), 'rgb8')
        if modality == 'depth':
            return image_message(stamp_ns, self.depth(step), '32FC1')
        if modality == 'lidar':
            return cloud_message(stamp_ns, self.lidar(step), 'lidar')
        return cloud_message(stamp_ns, self.event(step, stamp_ns), FRAME)


def empty_message(modality: str, stamp_ns: int) -> Message:
    """Black or empty: what a covered or blinded sensor sends."""
    if modality == 'rgb':
        return image_message(stamp_ns, np.zeros((SIZE_PX, SIZE_PX, 3), np.uint8), 'rgb8')
    if modality == 'depth':
        nothing = np.full((SIZE_PX, SIZE_PX), np.nan, np.float32)
        return image_message(stamp_ns, nothing, '32FC1')
    if modality == 'lidar':
        return cloud_message(stamp_ns, np.zeros(0, CLOUD_DTYPE), 'lidar')
    return cloud_message(stamp_ns, np.zeros(0, EVENT_CLOUD_DTYPE), FRAME)


def garbage_message(message: Message, rng: random.Random) -> Message:
    """The message with random bytes, too few of them, and sizes that do not fit."""
    message.data = to_byte_array(
        np.frombuffer(rng.randbytes(max(len(message.data) // 3, 1)), np.uint8))
    message.height, message.width = rng.randrange(1, 5000), rng.randrange(1, 5000)
    return message


class Stream:
    """One sensor at 10 Hz: what it would send, and what it sends under a fault.

    ``fault`` is one of ``FAULTS`` or None.
    """

    FAULTS = ('stop', 'freeze', 'empty', 'delay', 'stamp_jump', 'garbage', 'rate_halved')
    DELAY_NS = 400_000_000
    JUMP_NS = 30_000_000_000

    def __init__(self, modality: str, scene: Scene, start_ns: int, phase_ns: int = 0) -> None:
        self.modality = modality
        self.fault: str | None = None
        self._scene = scene
        self._next_ns = start_ns + phase_ns
        self._step = 0
        self._late: list[tuple[int, Message]] = []
        self._rng = random.Random(modality)
        self._frozen: Any = None

    @property
    def next_ns(self) -> int:
        """When to call ``due`` next."""
        return min([self._next_ns, *(at_ns for at_ns, _ in self._late[:1])])

    def due(self, now_ns: int) -> list[Message]:
        """The messages to publish now."""
        messages = []
        while self._late and self._late[0][0] <= now_ns:
            messages.append(self._late.pop(0)[1])
        while self._next_ns <= now_ns:
            messages += self._capture(self._next_ns)
            self._next_ns += PERIOD_NS
        return messages

    def _capture(self, stamp_ns: int) -> list[Message]:
        self._step += 1
        if self.fault != 'freeze':
            self._frozen = None
        faults: dict[str | None, Callable[[int], list[Message]]] = {
            None: lambda t: [self._clean(t)],
            'stop': lambda t: [],
            'freeze': self._freeze,
            'empty': lambda t: [empty_message(self.modality, t)],
            'delay': self._delay,
            'stamp_jump': lambda t: [self._clean(t + self.JUMP_NS)],
            'garbage': lambda t: [garbage_message(self._clean(t), self._rng)],
            'rate_halved': lambda t: [self._clean(t)] if self._step % 2 else [],
        }
        return faults[self.fault](stamp_ns)

    def _clean(self, stamp_ns: int) -> Message:
        return self._scene.message(self.modality, self._step, stamp_ns)

    def _freeze(self, stamp_ns: int) -> list[Message]:
        """The same picture under a new stamp; frozen events keep their ages."""
        if self._frozen is None:
            self._frozen = self._clean(stamp_ns)
        self._frozen.header = header(stamp_ns, self._frozen.header.frame_id)
        return [self._frozen]

    def _delay(self, stamp_ns: int) -> list[Message]:
        self._late.append((stamp_ns + self.DELAY_NS, self._clean(stamp_ns)))
        return []
