# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a new calibration costs: time and memory of the first encoding by it, and of later ones.

The sensor sits 0.2 m beside the reference camera of 640 x 480, both with or without distortion,
and becomes a network input of 512 px on the short side. Each row is measured in a new process.
"""

from __future__ import annotations

import sys

if __name__ == '__main__':
    from anymodal_seg_ros.stopping import COMMAND_STOPPED, run_main
    sys.exit(run_main('calibrations', COMMAND_STOPPED))

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable
from functools import partial
from itertools import product

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.geometry import CameraModel, Rig
from anymodal_seg_ros.modalities import MODALITIES, network_size
from anymodal_seg_ros.samples import EVENT_DTYPE

SIZES = ((640, 480), (1280, 720), (4096, 3072), (8192, 8192))
LENSES = {
    'none': ('plumb_bob', ()),
    'plumb_bob': ('plumb_bob', (-0.2, 0.05, 0.001, -0.001, 0.0)),
    'fisheye': ('equidistant', (0.1, -0.02, 0.003, -0.001)),
}
NUM_EVENTS = 100_000
SHORT_SIDE_PX = 512


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--largest-px', type=int, default=8192, help='leave larger sensors out')
    parser.add_argument('--repeat', type=int, default=3)
    arguments = parser.parse_args()
    sys.stdout.write(f'{"sensor":<8}{"lens":<11}{"size":>10}{"first, ms":>11}{"later, ms":>11}'
                     f'{"peak, MB":>10}\n')
    fresh = multiprocessing.get_context('spawn')
    for name, lens, size in product(('event', 'depth'), LENSES, SIZES):
        if max(size) > arguments.largest_px:
            continue
        with fresh.Pool(1) as pool:
            first_ms, later_ms, peak_mb = pool.apply(measure, (name, lens, size, arguments.repeat))
        sys.stdout.write(f'{name:<8}{lens:<11}{f"{size[0]}x{size[1]}":>10}{first_ms:>11.1f}'
                         f'{later_ms:>11.1f}{peak_mb:>10.0f}\n')
        sys.stdout.flush()
    return 0


def steps() -> dict[str, Callable[[], object]]:
    """The first encoding by a calibration, and the next ones."""
    size_hw = network_size((480, 640), SHORT_SIDE_PX)
    named: dict[str, Callable[[], object]] = {}
    for name, lens in product(('event', 'depth'), LENSES):
        data = sensor_data(name, (1280, 720))
        encode = MODALITIES[name].build_encoder({}).encode
        known = rig_of(name, lens, (1280, 720))
        named[f'{name}, {lens}, first'] = lambda encode=encode, data=data, name=name, lens=lens: (
            encode(data, rig_of(name, lens, (1280, 720)), size_hw))
        named[f'{name}, {lens}, later'] = partial(encode, data, known, size_hw)
    return named


def measure(name: str, lens: str, size: tuple[int, int], repeats: int
            ) -> tuple[float, float, float]:
    """The least processor time, in ms, of the first and of later encodings by a calibration, and
    the memory, in MB, on top of what one of 64 x 48 pixels takes."""
    data = sensor_data(name, size)
    encoder = MODALITIES[name].build_encoder({})
    size_hw = network_size((480, 640), SHORT_SIDE_PX)
    small = data[:48, :64] if name == 'depth' else data[:100]
    encoder.encode(small, rig_of(name, lens, (64, 48)), size_hw)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    first_ms, later_ms = [], []
    for _ in range(repeats):
        rig = rig_of(name, lens, size)
        first_ms.append(processor_ms(lambda rig=rig: encoder.encode(data, rig, size_hw)))
        later_ms.append(processor_ms(lambda rig=rig: encoder.encode(data, rig, size_hw)))
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
    return min(first_ms), min(later_ms), peak_kb / 1e3


def processor_ms(work: Callable[[], object]) -> float:
    """Other load does not count."""
    begun_ns = time.process_time_ns()
    work()
    return (time.process_time_ns() - begun_ns) / 1e6


def rig_of(name: str, lens: str, size: tuple[int, int]) -> Rig:
    """A reference camera, and the sensor beside it."""
    beside = np.eye(4)
    beside[0, 3] = 0.2
    return Rig(camera=camera_of(lens, (640, 480)), cameras={name: camera_of(lens, size)},
               camera_T={name: beside})


def camera_of(lens: str, size: tuple[int, int]) -> CameraModel:
    model, D = LENSES[lens]
    plain = CameraModel.from_fov(*size, 90.0)
    return CameraModel(width_px=size[0], height_px=size[1], K=plain.K, distortion_model=model,
                       D=np.array(D))


def sensor_data(name: str, size: tuple[int, int]) -> npt.NDArray[np.generic]:
    rng = np.random.default_rng(0)
    width, height = size
    if name == 'depth':
        return rng.uniform(2.0, 80.0, (height, width)).astype(np.float32)
    events = np.zeros(NUM_EVENTS, dtype=EVENT_DTYPE)
    events['x'] = rng.integers(0, width, NUM_EVENTS)
    events['y'] = rng.integers(0, height, NUM_EVENTS)
    events['t_ns'] = np.sort(rng.integers(0, 50_000_000, NUM_EVENTS))
    events['polarity'] = rng.random(NUM_EVENTS) < 0.5
    return events
