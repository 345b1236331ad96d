# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Label images of a recording: ground truth, or what a network said. Layer: bags."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.bags.frames import TOPICS
from anymodal_seg_ros.bags.reading import NS_PER_S, read_bag
from anymodal_seg_ros.errors import BadMessageError, BagError

IMAGE_TYPE = 'sensor_msgs/msg/Image'

logger = logging.getLogger(__name__)


def read_label_images(path: Path | str,
                      topic: str = TOPICS['label']) -> dict[int, npt.NDArray[np.uint8]]:
    """mono8 images of a topic: header stamp in ns to uint8 [H, W] of class ids.

    A message that is none is passed over with a warning.

    Raises:
        BagError: nothing can be read, the topic is not of images, or one is not mono8 or shorter
            than it says.
    """
    images = {}
    for recorded in read_bag(path, [topic]):
        try:
            message = recorded.message_of([IMAGE_TYPE])
        except BadMessageError as error:
            if error.field == 'type':
                raise BagError(f'{path}: {error}') from None
            logger.warning('%s: skipped a label image: %s', path, error)
            continue
        if message.encoding != 'mono8' or len(message.data) != message.height * message.step:
            raise BagError(f'{path}: {topic} has {message.encoding!r} of {len(message.data)} '
                           f'bytes; mono8 of {message.height * message.step} is needed')
        rows = np.asarray(message.data, np.uint8).reshape(message.height, message.step)
        stamp = message.header.stamp
        images[int(stamp.sec) * NS_PER_S + int(stamp.nanosec)] = rows[:, :message.width]
    return images
