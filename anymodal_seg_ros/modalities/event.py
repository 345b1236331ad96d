# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Event cameras: batches of events or ready-made frames, and a sliding window. numpy only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros import limits
from anymodal_seg_ros.errors import BadMessageError, ConfigError
from anymodal_seg_ros.geometry import Rig
from anymodal_seg_ros.modalities.base import (
    Decoder,
    LastBuilt,
    Settings,
    Uint8Array,
    settings_of,
)
from anymodal_seg_ros.modalities.clouds import PointCloudMessage, cloud_points, required_field
from anymodal_seg_ros.modalities.images import ColorDecoder, decode_color
from anymodal_seg_ros.modalities.modality import Form, Modality
from anymodal_seg_ros.modalities.plane import (
    nearest_indices,
    resize_nearest,
    sensor_camera,
    shares_camera_view,
)
from anymodal_seg_ros.ranges import Range
from anymodal_seg_ros.samples import EVENT_DTYPE, Payload
from anymodal_seg_ros.smooth import SmoothGrid

Int64Array = npt.NDArray[np.int64]
POLARITY_FIELDS = ('pol', 'p', 'polarity')
TIME_FIELDS = ('t', 'ts', 'time', 'timestamp')
WINDOW_MS = 50.0
WINDOW_RANGE_MS = Range(0.001, 10000.0)
MAX_WINDOW_EVENTS = 4_000_000
EXACT_SIDE_PX = 1280
CELLS_PER_PIXEL = 2
"""A sensor of more pixels than this along a side, and of more than so many to a pixel of the
network, is placed by cells: an event is then off by a quarter of a network pixel at most."""
PIXEL_TOLERANCE = 0.01
"""Of the network pixel on which a pixel of the sensor falls."""
_ROWS_AT_ONCE = 32
_NS_PER_S = 1_000_000_000
_ABSOLUTE_WITHIN_NS = 10 * _NS_PER_S
_LONGEST_BATCH_NS = 3600 * _NS_PER_S
_LARGEST_TIME_NS = 4 * 10**18
# No time in ns or s is so small; the bits of an int64 up to 4e18, read as float64, are.
_LARGEST_REINTERPRETED = 1e-30


def decode_events(msg: Any) -> npt.NDArray[Any]:  # noqa: ANN401 - PointCloud2 or Image
    """Events [N] of ``EVENT_DTYPE`` from a PointCloud2, or a frame uint8 [H, W, 3] from an Image.

    Fields are x, y, t and pol (or p, polarity). Times are ns, or seconds where a float field has
    fractions. Times that are farther than 10 s from the header's stamp count from some other
    zero: they are moved so that the newest has the header's stamp. Two defects of recorded CARLA
    data are put right: int64 times declared as float64, and rows stored as 65536 - y.

    Raises:
        BadMessageError: the message contradicts itself, or a field is missing or out of range.
    """
    if not hasattr(msg, 'fields'):
        return decode_color(msg)
    points = cloud_points(msg)
    x_name, y_name = (required_field(points, (axis,), 'iuf') for axis in 'xy')
    t_name = required_field(points, TIME_FIELDS, 'iuf')
    polarity_name = required_field(points, POLARITY_FIELDS, 'iuf')
    points = points.reshape(-1) if points.flags.c_contiguous else points.ravel()
    events = np.empty(points.size, dtype=EVENT_DTYPE)
    if not points.size:
        return events
    events['x'] = _pixel_coordinates(points[x_name], 'x')
    y = _pixel_coordinates(points[y_name], 'y')
    events['y'] = np.where(y >= 32768, 65536 - y, y)
    events['t_ns'] = _absolute_ns(_time_ns(points[t_name]), _stamp_ns(msg))
    events['polarity'] = points[polarity_name] > 0
    return events


class EventDecoder(Decoder):
    """The batches or frames of one event camera; batches are gathered over ``window_ms``.

    Raises:
        ConfigError: the window is none.
    """

    def __init__(self, window_ms: float = WINDOW_MS) -> None:
        WINDOW_RANGE_MS.check('window_ms', window_ms)
        self._frames = ColorDecoder()
        self._window = EventWindow(int(window_ms * 1e6))

    def decode(self, msg: Any) -> npt.NDArray[Any]:  # noqa: ANN401 - as decode_events
        """As :func:`decode_events`; a compressed frame of an unlikely size costs nothing."""
        return decode_events(msg) if hasattr(msg, 'fields') else self._frames.decode(msg)

    def gather(self, data: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """All events of the window that ends with the newest; a frame is itself."""
        return data if data.dtype.names is None else self._window.push(data)

    def restart(self) -> None:
        """Empty the window."""
        self._window.reset()


class EventWindow:
    """The events of the last ``window_ns``, fed batch by batch.

    Not thread-safe. Memory is bounded: at most ``MAX_WINDOW_EVENTS`` events are kept, the newest.
    A batch in order of time is copied once, however many events there are already.

    Raises:
        ConfigError: ``window_ns`` is not positive.
    """

    def __init__(self, window_ns: int) -> None:
        if window_ns < 1:
            raise ConfigError.of('window_ns', window_ns, '1 and more')
        self.window_ns = window_ns
        self.reset()

    def push(self, events: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Add a batch; returns all events newer than the newest minus ``window_ns``, by time.

        A batch that lies wholly more than a window before the newest event means that time began
        anew; what came before it is forgotten. What was returned does not change.
        """
        if events.size:
            self._append(events)
            self._forget()
        kept = self._buffer[self._first:self._end]
        kept.setflags(write=False)
        return kept

    def reset(self) -> None:
        """Forget everything."""
        self._buffer = np.zeros(0, dtype=EVENT_DTYPE)
        self._first = self._end = 0

    def _append(self, events: npt.NDArray[Any]) -> None:
        t_ns = events['t_ns']
        if (np.diff(t_ns) < 0).any():
            events = events[np.argsort(t_ns, kind='stable')]
            t_ns = events['t_ns']
        newest_ns = self._buffer['t_ns'][self._end - 1] if self._end > self._first else t_ns[0]
        if t_ns[-1] < newest_ns - self.window_ns:
            self.reset()
        elif t_ns[0] < newest_ns:
            events = np.concatenate([self._buffer[self._first:self._end], events])
            events = events[np.argsort(events['t_ns'], kind='stable')]
            self.reset()
        if self._end + events.size > self._buffer.size:
            self._move(events.size)
        self._buffer[self._end:self._end + events.size] = events
        self._end += events.size

    def _move(self, num_more: int) -> None:
        """Into a buffer with room for as much again; whoever holds the old one keeps it."""
        kept = self._buffer[self._first:self._end]
        self._buffer = np.empty(2 * (kept.size + num_more), dtype=EVENT_DTYPE)
        self._buffer[:kept.size] = kept
        self._first, self._end = 0, kept.size

    def _forget(self) -> None:
        t_ns = self._buffer['t_ns'][self._first:self._end]
        old = int(np.searchsorted(t_ns, t_ns[-1] - self.window_ns, side='right'))
        self._first = max(self._first + old, self._end - MAX_WINDOW_EVENTS)


@dataclass(frozen=True, kw_only=True)
class EventEncoder:
    """Counts of positive and of negative events, and recency, on the reference camera's plane.

    Only the ``window_ms`` before the newest event count. ``count_clip`` events of one polarity at
    a pixel are 255. Recency falls linearly from 255 (the newest event) to 1 (the window's
    start). An event camera of its own lens or attitude is warped as if all it sees were far
    away; its offset from the reference camera is not corrected, for events have no depth. In
    ready-made frames ``frame_positive`` names the colour of positive events, the other of red and
    blue being negative, and recency is 255 where there was any.
    """

    window_ms: float = WINDOW_MS
    count_clip: int = 4
    frame_positive: str = 'red'
    channel_names: ClassVar[tuple[str, str, str]] = ('positive', 'negative', 'recency')
    _placings: LastBuilt[_Placing] = field(init=False, repr=False, compare=False,
                                           default_factory=LastBuilt)

    def __post_init__(self) -> None:
        WINDOW_RANGE_MS.check('window_ms', self.window_ms)
        Range(1, 65535).check('count_clip', self.count_clip)
        limits.one_of('frame_positive', self.frame_positive, ('red', 'blue'))

    def encode(self, data: npt.NDArray[Any], rig: Rig, size_hw: tuple[int, int]) -> Uint8Array:
        """Events [N] of ``EVENT_DTYPE`` or a frame uint8 [H, W, 3] to uint8 [h, w, 3]."""
        if data.dtype.names is None:
            return self._encode_frame(data, rig, size_hw)
        camera = rig.camera_of('event')
        image = np.zeros((*size_hw, 3), dtype=np.uint8)
        x, y = data['x'], data['y']
        placing = self._placing(rig, (camera.height_px, camera.width_px), size_hw)
        on_sensor = (x < camera.width_px) & (y < camera.height_px)
        if not on_sensor.all():
            data, x, y = data[on_sensor], x[on_sensor], y[on_sensor]
        if not data.size:
            return image
        t_ns = data['t_ns']
        age_ns = t_ns.max() - t_ns
        pixel = placing.pixels(x, y)
        window_ns = self.window_ms * 1e6
        used = (pixel >= 0) & (age_ns < window_ns)
        pixel, age_ns, positive = pixel[used], age_ns[used], data['polarity'][used]
        num_pixels = size_hw[0] * size_hw[1]
        for channel, pixels in ((0, pixel[positive]), (1, pixel[~positive])):
            image[..., channel] = self._count_level(pixels, num_pixels).reshape(size_hw)
        level = np.rint(255.0 - age_ns * (254.0 / window_ns)).astype(np.uint8)
        recency = np.zeros(num_pixels, dtype=np.uint8)
        np.maximum.at(recency, pixel, level)
        image[..., 2] = recency.reshape(size_hw)
        return image

    def settings(self) -> Settings:
        """window_ms, count_clip and frame_positive."""
        return settings_of(self)

    def _count_level(self, pixels: npt.NDArray[np.int32], num_pixels: int) -> Uint8Array:
        counts = np.minimum(np.bincount(pixels, minlength=num_pixels), self.count_clip)
        return np.rint(counts * (255.0 / self.count_clip)).astype(np.uint8)

    def _placing(self, rig: Rig, image_hw: tuple[int, int], size_hw: tuple[int, int]) -> _Placing:
        return self._placings.get(rig, (*image_hw, *size_hw),
                                  lambda: _placing(rig, image_hw, size_hw))

    def _encode_frame(self, frame: npt.NDArray[Any], rig: Rig,
                      size_hw: tuple[int, int]) -> Uint8Array:
        drawn = self._placing(rig, (frame.shape[0], frame.shape[1]), size_hw).drawn(
            frame, size_hw)
        image = np.empty((*size_hw, 3), dtype=np.uint8)
        positive = 0 if self.frame_positive == 'red' else 2
        image[..., 0] = drawn[..., positive]
        image[..., 1] = drawn[..., 2 - positive]
        image[..., 2] = np.where((image[..., 0] | image[..., 1]) > 0, 255, 0)
        return image


EVENT = Modality(
    name='event',
    title='event camera',
    payload=Payload.EVENTS,
    is_camera_plane=True,
    topic='events',
    argument='events',
    messages='Events (x, y, t, pol), or frames of them',
    forms={'cloud': Form('sensor_msgs/msg/PointCloud2'), 'frame': Form('sensor_msgs/msg/Image'),
           'compressed_frame': Form('sensor_msgs/msg/CompressedImage', '/compressed')},
    decoder_type=EventDecoder,
    shared_settings=('window_ms',),
    encoder_type=EventEncoder,
    sync={'max_age_s': 0.12},
    qos_depth=10,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Placing:
    """On which network pixel each pixel of the sensor falls."""

    columns: npt.NDArray[np.int32]
    row_starts: npt.NDArray[np.int32]
    """``row_starts[y] + columns[x]`` is the flat network pixel, or the cell of the table."""
    table: npt.NDArray[np.int32] | None = None
    """Network pixels [rows, columns] of the cells of a sensor with a lens or attitude of its own,
    -1 for none."""

    def pixels(self, x: npt.NDArray[Any], y: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
        pixels: npt.NDArray[np.int32] = self.row_starts[y] + self.columns[x]
        return pixels if self.table is None else self.table.reshape(-1)[pixels]

    def drawn(self, frame: npt.NDArray[Any], size_hw: tuple[int, int]) -> Uint8Array:
        """Red and blue of [h, w, 3]: the brightest of the pixels that meet."""
        if self.table is None:
            return resize_nearest(frame, size_hw)
        frame = resize_nearest(frame, self.table.shape)
        lit = np.flatnonzero((self.table >= 0) & ((frame[..., 0] | frame[..., 2]) > 0))
        pixels, colors = self.table.reshape(-1)[lit], frame.reshape(-1, 3)[lit]
        drawn = np.zeros((3, size_hw[0] * size_hw[1]), dtype=np.uint8)
        for channel in (0, 2):
            np.maximum.at(drawn[channel], pixels, colors[:, channel])
        return drawn.T.reshape(*size_hw, 3)


def _placing(rig: Rig, image_hw: tuple[int, int], size_hw: tuple[int, int]) -> _Placing:
    is_aligned = shares_camera_view(rig, 'event')
    target_hw = size_hw if is_aligned else _num_cells(image_hw, size_hw)
    return _Placing(
        columns=nearest_indices(target_hw[1], image_hw[1]).astype(np.int32),
        row_starts=(nearest_indices(target_hw[0], image_hw[0]) * target_hw[1]).astype(np.int32),
        table=None if is_aligned else _table(rig, image_hw, size_hw, target_hw))


def _num_cells(image_hw: tuple[int, int], size_hw: tuple[int, int]) -> tuple[int, int]:
    rows, columns = (min(side_px, max(EXACT_SIDE_PX, CELLS_PER_PIXEL * network_px))
                     for side_px, network_px in zip(image_hw, size_hw, strict=True))
    return rows, columns


def _table(rig: Rig, image_hw: tuple[int, int], size_hw: tuple[int, int],
           cells_hw: tuple[int, int]) -> npt.NDArray[np.int32]:
    height, width = size_hw
    own = sensor_camera(rig, 'event', image_hw).resized(cells_hw[1], cells_hw[0])
    camera = rig.camera.resized(width, height)
    turn = rig.extrinsic('event')[:3, :3].T
    grid = SmoothGrid(lambda pixels: camera.project(own.rays(pixels) @ turn)[0],
                      np.arange(cells_hw[1], dtype=np.float64),
                      np.arange(cells_hw[0], dtype=np.float64), PIXEL_TOLERANCE)
    table = np.empty(cells_hw, dtype=np.int32)
    for first in range(0, cells_hw[0], _ROWS_AT_ONCE):
        column, row = np.floor(grid.values(first, first + _ROWS_AT_ONCE) + 0.5)
        with np.errstate(invalid='ignore'):
            seen = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        table[first:first + _ROWS_AT_ONCE] = np.where(seen, row * width + column, -1.0)
    return table


def _pixel_coordinates(values: npt.NDArray[Any], name: str) -> npt.NDArray[np.int32]:
    lowest, highest = values.min(), values.max()
    if not (lowest >= 0 and highest <= 65535):
        raise BadMessageError(name, f'{lowest} to {highest}; allowed: 0 to 65535')
    return values.astype(np.int32)


def _time_ns(values: npt.NDArray[Any]) -> Int64Array:
    if values.dtype.kind == 'f':
        seconds = values.astype(np.float64)
        magnitude = float(np.abs(seconds).max())
        if values.dtype.itemsize == 8 and 0.0 < magnitude < _LARGEST_REINTERPRETED:
            return _checked_ns(seconds.view(np.int64))
        if not magnitude <= _LARGEST_TIME_NS:
            raise BadMessageError('t', f'up to {magnitude}; a time in ns or s is needed')
        if (seconds != np.floor(seconds)).any() and magnitude <= _LARGEST_TIME_NS / _NS_PER_S:
            seconds = seconds * _NS_PER_S
        return _checked_ns(np.rint(seconds).astype(np.int64))
    if int(values.max()) > _LARGEST_TIME_NS:
        raise BadMessageError('t', f'up to {values.max()}; a time in ns is needed')
    return _checked_ns(values.astype(np.int64))


def _checked_ns(t_ns: Int64Array) -> Int64Array:
    oldest_ns, newest_ns = int(t_ns.min()), int(t_ns.max())
    if max(-oldest_ns, newest_ns) > _LARGEST_TIME_NS \
            or newest_ns - oldest_ns > _LONGEST_BATCH_NS:
        raise BadMessageError('t', f'{oldest_ns} to {newest_ns} ns; allowed: a span of '
                                   f'{_LONGEST_BATCH_NS} ns')
    return t_ns


def _absolute_ns(t_ns: Int64Array, stamp_ns: int) -> Int64Array:
    offset_ns = stamp_ns - int(t_ns.max())
    return t_ns if abs(offset_ns) <= _ABSOLUTE_WITHIN_NS else t_ns + offset_ns


def _stamp_ns(msg: PointCloudMessage) -> int:
    stamp = msg.header.stamp
    return int(stamp.sec) * _NS_PER_S + int(stamp.nanosec)
