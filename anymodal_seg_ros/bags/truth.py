# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Label images of a recording: ground truth, or what a network said. Layer: bags."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.bags.frames import TOPICS
from anymodal_seg_ros.bags.reading import NS_PER_S, read_bag
from anymodal_seg_ros.errors import BagError

IMAGE_TYPE = 'sensor_msgs/msg/Image'


def read_label_images(path: Path | str,
                      topic: str = TOPICS['label']) -> dict[int, npt.NDArray[np.uint8]]:
    """mono8 images of a topic: header stamp in ns to uint8 [H, W] of class ids.

    Raises:
        BagError: nothing can be read, or an image is not mono8 or shorter than it says.
        BadMessageError: a message is no image.
    """
    images = {}
    for recorded in read_bag(path, [topic]):
        message = recorded.message_of([IMAGE_TYPE])
        if message.encoding != 'mono8' or len(message.data) != message.height * message.step:
            raise BagError(f'{path}: {topic} has {message.encoding!r} of {len(message.data)} '
                           f'bytes; mono8 of {message.height * message.step} is needed')
        rows = np.asarray(message.data, np.uint8).reshape(message.height, message.step)
        stamp = message.header.stamp
        images[int(stamp.sec) * NS_PER_S + int(stamp.nanosec)] = rows[:, :message.width]
    return images
