# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: T201
"""Milliseconds that decoding and encoding one message of each sensor costs on one core.

Run as ``python benchmarks/encoders.py [--repeat 50]``: 512 x 512 images, 60,000 LiDAR points and
100,000 events become 256 x 256 network inputs. Compressed images are decoded at three sizes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.geometry import CameraModel, Rig, invert_transform, optical_T_body
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.samples import EVENT_DTYPE

SIDE_PX = 512
SIZE_HW = (256, 256)
NUM_POINTS = 60_000
NUM_EVENTS = 100_000
COMPRESSED_SIZES = ((640, 480), (1280, 720), (1920, 1080))


def main() -> None:
    """Print the median of each step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--repeat', type=int, default=50)
    repeat = parser.parse_args().repeat
    cv2.setNumThreads(1)
    print(f'{"step":<34}{"median ms":>10}')
    for name, work in steps().items():
        print(f'{name:<34}{median_ms(work, repeat):>10.2f}')


def median_ms(work: Callable[[], object], repeat: int) -> float:
    """Median processor time of ``work`` after one warm-up call; other load does not count."""
    work()
    elapsed_ms = []
    for _ in range(repeat):
        start = time.process_time()
        work()
        elapsed_ms.append((time.process_time() - start) * 1e3)
    return float(np.median(elapsed_ms))


def steps() -> dict[str, Callable[[], object]]:
    """What is measured, by name."""
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    depth_m = rng.uniform(2.0, 80.0, (SIDE_PX, SIDE_PX)).astype(np.float32)
    depth_m[rng.random(depth_m.shape) < 0.1] = np.nan
    cloud = scan(rng)
    events = np.zeros(NUM_EVENTS, dtype=EVENT_DTYPE)
    events['x'], events['y'] = rng.integers(0, SIDE_PX, (2, NUM_EVENTS))
    events['t_ns'] = np.sort(rng.integers(0, 50_000_000, NUM_EVENTS))
    events['polarity'] = rng.random(NUM_EVENTS) < 0.5
    data: dict[str, npt.NDArray[Any]] = {
        'rgb': rgb, 'depth': depth_m, 'lidar': cloud, 'event': events}
    camera = CameraModel.from_fov(SIDE_PX, SIDE_PX, 90.0)
    mounted = np.eye(4)
    mounted[2, 3] = 0.6
    rig = Rig(camera=camera, camera_T={'lidar': optical_T_body @ mounted})
    bent = CameraModel(width_px=SIDE_PX, height_px=SIDE_PX, K=camera.K,
                       D=np.array([-0.2, 0.05, 0.001, -0.001, 0.0]))
    beside = np.eye(4)
    beside[0, 3] = 0.2
    apart = Rig(camera=bent, cameras={'depth': camera, 'event': camera},
                camera_T={'lidar': optical_T_body @ invert_transform(mounted), 'depth': beside,
                          'event': beside})
    named: dict[str, Callable[[], object]] = {}
    for modality, message in messages(data).items():
        named[f'decode {modality}'] = partial_decode(modality, message)
    for modality, values in data.items():
        named[f'encode {modality}'] = partial_encode(modality, values, rig)
    for modality in ('depth', 'lidar', 'event'):
        named[f'encode {modality}, other lens'] = partial_encode(modality, data[modality], apart)
    for width, height in COMPRESSED_SIZES:
        for (modality, form), message in compressed_messages(rng, width, height).items():
            named[f'decode {modality}, {form} {width} x {height}'] = partial_decode(
                modality, message)
    return named


def compressed_messages(rng: np.random.Generator, width: int, height: int
                        ) -> dict[tuple[str, str], SimpleNamespace]:
    """Smooth pictures with a camera's noise, as image_transport compresses them."""
    def smooth(channels: int) -> npt.NDArray[Any]:
        coarse = rng.random((height // 16, width // 16, channels)).astype(np.float32)
        return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    noise = rng.normal(0.0, 6.0, (height, width, 3))
    rgb = np.clip(255.0 * smooth(3) + noise, 0, 255).astype(np.uint8)
    depth_mm = np.clip(8000.0 * smooth(1) + 1500.0 + rng.integers(0, 4, (height, width)),
                       500, 20000).astype(np.uint16)
    jpeg = cv2.imencode('.jpg', rgb, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
    png = cv2.imencode('.png', depth_mm, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
    return {
        ('rgb', 'JPEG'): SimpleNamespace(format='jpeg', data=jpeg),
        ('depth', 'PNG'): SimpleNamespace(format='16UC1; compressedDepth png',
                                          data=bytes(12) + png),
    }


def partial_decode(modality: str, message: Any) -> Callable[[], object]:  # noqa: ANN401
    """The decoding of one message, to be called again and again."""
    return lambda: MODALITIES[modality].decode(message)


def partial_encode(modality: str, data: npt.NDArray[Any], rig: Rig) -> Callable[[], object]:
    """The encoding of one sample, to be called again and again."""
    encoder = MODALITIES[modality].build_encoder({})
    return lambda: encoder.encode(data, rig, SIZE_HW)


def scan(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """A full turn of a spinning LiDAR."""
    azimuth = rng.uniform(-np.pi, np.pi, NUM_POINTS)
    elevation = rng.uniform(-0.5, 0.2, NUM_POINTS)
    range_m = rng.uniform(2.0, 90.0, NUM_POINTS)
    flat_m = range_m * np.cos(elevation)
    return np.stack([flat_m * np.cos(azimuth), flat_m * np.sin(azimuth),
                     range_m * np.sin(elevation), rng.random(NUM_POINTS)],
                    axis=1).astype(np.float32)


def messages(data: dict[str, npt.NDArray[Any]]) -> dict[str, SimpleNamespace]:
    """The data as messages in the forms which the CARLA bridge publishes."""
    image = {'height': SIDE_PX, 'width': SIDE_PX, 'is_bigendian': 0}
    carla = np.zeros(NUM_EVENTS, dtype=[('x', '<u2'), ('y', '<u2'), ('t', '<f8'), ('pol', 'i1')])
    for ours, theirs in (('x', 'x'), ('y', 'y'), ('t_ns', 't'), ('polarity', 'pol')):
        carla[theirs] = data['event'][ours]
    return {
        'rgb': SimpleNamespace(**image, encoding='rgb8', step=3 * SIDE_PX,
                               data=data['rgb'].tobytes()),
        'depth': SimpleNamespace(**image, encoding='32FC1', step=4 * SIDE_PX,
                                 data=data['depth'].tobytes()),
        'lidar': cloud_message(data['lidar'].view('<f4,<f4,<f4,<f4').reshape(-1),
                               ('x', 'y', 'z', 'intensity'), (7, 7, 7, 7)),
        'event': cloud_message(carla, ('x', 'y', 't', 'pol'), (4, 4, 8, 1)),
    }


def cloud_message(points: npt.NDArray[Any], names: tuple[str, ...],
                  datatypes: tuple[int, ...]) -> SimpleNamespace:
    """A ``sensor_msgs/PointCloud2`` look-alike of a packed structured array."""
    offsets = [item[1] for item in (points.dtype.fields or {}).values()]
    fields = [SimpleNamespace(name=name, offset=offset, datatype=datatype, count=1)
              for name, offset, datatype in zip(names, offsets, datatypes, strict=True)]
    stamp = SimpleNamespace(sec=1, nanosec=0)
    return SimpleNamespace(header=SimpleNamespace(stamp=stamp), height=1, width=points.size,
                           fields=fields, is_bigendian=False, point_step=points.dtype.itemsize,
                           row_step=points.nbytes, data=points.tobytes())


if __name__ == '__main__':
    main()
