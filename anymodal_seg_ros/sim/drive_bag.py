# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A simulated drive as a rosbag2 recording, with the truth. Simulation."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.bags import (
    TOPICS,
    BagWriter,
    camera_info_message,
    cloud_message,
    events_message,
    image_message,
    tf_static_message,
)
from anymodal_seg_ros.geometry import Rig
from anymodal_seg_ros.sim.parallel import parallel_outputs
from anymodal_seg_ros.sim.simulator import SimConfig, SimOutput, Simulator
from anymodal_seg_ros.sim.vehicle import SensorSpec, build_rig, load_sensors

BASE_FRAME = 'base_link'


def write_bag(path: str | Path, config: SimConfig, storage: str = 'mcap',
              in_parallel: bool = False,
              progress: Callable[[int], None] | None = None) -> None:
    """Record a drive in the message forms of the CARLA bridge.

    Header stamps say when it was measured, recorded times when it arrived. Topics: /camera/image
    (rgb8), /camera/camera_info, /depth/image (32FC1 metres), /depth/camera_info, /lidar/points,
    /events, /thermal/image (mono16 centikelvins, or mono8), /thermal/camera_info,
    /ground_truth/label (mono8 class ids, 255 unlabelled; with the camera's stamp and frame) and
    /tf_static, those of the sensors of ``config``. ``in_parallel`` takes two processes; the bytes
    are the same. ``progress`` is told how many sensor samples were written since it was called
    last.

    Raises:
        ConfigError: an unknown storage.
        BagError: the recording exists or cannot be written.
    """
    sensors = {name: load_sensors()[name] for name in config.sensors}
    rig = build_rig(sensors, config.width_px, config.height_px,
                    (config.event_width_px, config.event_height_px))
    with BagWriter(path, storage, keep=False) as bag:
        bag.write('/tf_static', tf_static_message(
            [_transform(spec) for spec in sensors.values()], config.start_ns), config.start_ns)
        outputs = parallel_outputs(config) if in_parallel else Simulator(config).outputs()
        for output in _as_arrived(outputs):
            for topic, message in messages(output, rig):
                bag.write(topic, message, output.sample.received_ns)
            if progress is not None:
                progress(1)


def num_samples(config: SimConfig) -> int:
    """How many sensor samples a drive's recording has."""
    sensors = load_sensors()
    return sum(sensors[name].num_messages(config.duration_s) for name in config.sensors)


def messages(output: SimOutput, rig: Rig) -> Iterator[tuple[str, Any]]:
    """Topics and messages of one sample."""
    sample = output.sample
    stamp_ns, frame, data = sample.stamp_ns, sample.frame_id, sample.data
    if sample.modality == 'rgb':
        yield TOPICS['rgb_info'], camera_info_message(stamp_ns, frame, rig.camera_of('rgb'))
        yield TOPICS['rgb'], image_message(stamp_ns, frame, data, 'rgb8')
    elif sample.modality == 'depth':
        yield TOPICS['depth_info'], camera_info_message(stamp_ns, frame, rig.camera_of('depth'))
        yield TOPICS['depth'], image_message(stamp_ns, frame, data, '32FC1')
    elif sample.modality == 'lidar':
        yield TOPICS['lidar'], cloud_message(stamp_ns, frame, data)
    elif sample.modality == 'event':
        yield TOPICS['event'], events_message(stamp_ns, frame, data)
    else:
        yield TOPICS['thermal_info'], camera_info_message(stamp_ns, frame,
                                                          rig.camera_of('thermal'))
        yield TOPICS['thermal'], (image_message(stamp_ns, frame, data, 'mono8')
                                  if output.counts is None
                                  else image_message(stamp_ns, frame, output.counts, 'mono16'))
    if output.labels is not None:
        yield TOPICS['label'], image_message(stamp_ns, frame, output.labels, 'mono8')


def _as_arrived(outputs: Iterator[SimOutput]) -> Iterator[SimOutput]:
    """Outputs that come in the order of their stamps, in the order of their arrival."""
    waiting: list[tuple[int, int, SimOutput]] = []
    for count, output in enumerate(outputs):
        heapq.heappush(waiting, (output.sample.received_ns, count, output))
        # Nothing arrives before it was measured, so what follows arrives after this stamp.
        while waiting[0][0] <= output.sample.stamp_ns:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]


def _transform(spec: SensorSpec) -> tuple[str, str, tuple[float, ...], tuple[float, ...]]:
    base_T_sensor = spec.base_T_sensor
    return (BASE_FRAME, spec.frame_id, tuple(base_T_sensor[:3, 3].tolist()),
            _quaternion(base_T_sensor[:3, :3]))


def _quaternion(rotation: npt.NDArray[np.float64]) -> tuple[float, float, float, float]:
    """x, y, z, w of a rotation matrix (Bar-Itzhack 2000: the main eigenvector of a 4 x 4)."""
    r = rotation
    bar = np.array([
        [r[0, 0] - r[1, 1] - r[2, 2], r[0, 1] + r[1, 0], r[0, 2] + r[2, 0], r[2, 1] - r[1, 2]],
        [r[0, 1] + r[1, 0], r[1, 1] - r[0, 0] - r[2, 2], r[1, 2] + r[2, 1], r[0, 2] - r[2, 0]],
        [r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], r[2, 2] - r[0, 0] - r[1, 1], r[1, 0] - r[0, 1]],
        [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], float(np.trace(r))]])
    x, y, z, w = np.linalg.eigh(bar)[1][:, -1].tolist()
    return (x, y, z, w) if w >= 0 else (-x, -y, -z, -w)
