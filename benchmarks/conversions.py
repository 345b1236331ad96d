# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What it costs to fill and read messages; exits with 1 when filling an image got slow."""

from __future__ import annotations

import array
import sys
from collections.abc import Callable

import numpy as np
from sensor_msgs.msg import Image
from timing import fastest_ms

from anymodal_seg_ros.modalities.images import decode_color
from anymodal_seg_ros.ros.conversions import (
    image_to_message,
    semantic_cloud_to_message,
    semantic_points,
)

SIDE_PX = 1024
FILLED = f'rgb8 {SIDE_PX} x {SIDE_PX} to message'
LIMIT_MS = 10.0
"""An image filled in any slow way costs a hundred milliseconds or more."""


def steps() -> dict[str, Callable[[], object]]:
    """Each direction."""
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (SIDE_PX, SIDE_PX, 3), np.uint8)
    labels = rng.integers(0, 25, (SIDE_PX, SIDE_PX), np.uint8)
    palette = rng.integers(0, 256, (256, 3), np.uint8)
    xyz = rng.normal(size=(SIDE_PX, SIDE_PX, 3)).astype(np.float32)
    message = image_to_message(rgb, 'rgb8', 0, 'camera')
    return {
        FILLED: lambda: image_to_message(rgb, 'rgb8', 0, 'camera'),
        f'mono8 {SIDE_PX} x {SIDE_PX} to message':
            lambda: image_to_message(labels, 'mono8', 0, 'camera'),
        f'rgb8 {SIDE_PX} x {SIDE_PX} from message': lambda: decode_color(message),
        f'{SIDE_PX * SIDE_PX} labelled points to message':
            lambda: semantic_cloud_to_message(
                semantic_points(xyz, labels, palette), 0, 'camera'),
    }


def main() -> int:
    rgb = np.zeros((SIDE_PX, SIDE_PX, 3), np.uint8)
    rows = {name: fastest_ms(work, 5) for name, work in steps().items()} | {
        'for comparison, data = ndarray': fastest_ms(
            lambda: Image(data=rgb.reshape(-1)), 1),
        'for comparison, data = array.array(bytes)': fastest_ms(
            lambda: Image(data=array.array('B', rgb.tobytes()))),
    }
    for name, value_ms in rows.items():
        sys.stdout.write(f'{name:<45} {value_ms:8.2f} ms\n')
    fill_ms = rows[FILLED]
    if fill_ms > LIMIT_MS:
        sys.stderr.write(f'filling an image takes {fill_ms:.1f} ms; {LIMIT_MS} ms allowed\n')
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
