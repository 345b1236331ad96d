# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The label images of a recording, put by as files until a frame wants the one nearest to it."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.bags import read_bag
from anymodal_seg_ros.errors import BadMessageError, BagError, ConfigError
from training.extraction.label_codes import LabelCodes

NS_PER_S = 1_000_000_000
MAX_TRUTH_OFFSET_NS = 60_000_000
"""A label image farther from what it is to score or to teach is of another instant."""
LABEL_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
PNG_COMPRESSION = 3


@dataclass(frozen=True, kw_only=True)
class LabelSource:
    """Where a recording's ground truth comes from."""

    topic: str
    codes: LabelCodes
    form: str = 'auto'
    """See ``LabelCodes.decode``."""
    max_offset_ns: int
    """A label image farther from a set than this is none of its own."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {'topic': self.topic, 'map': self.codes.name, 'form': self.form,
                'max_offset_s': self.max_offset_ns / NS_PER_S}


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Label images by their header stamp."""

    folder: Path
    stamps_ns: tuple[int, ...]
    """Sorted."""
    max_offset_ns: int
    rejected: Mapping[str, int]
    """Malformed label messages by reason."""

    def nearest_ns(self, stamp_ns: int) -> int | None:
        """Stamp of the label image nearest in time (the older of two), None where none is near."""
        after = bisect_left(self.stamps_ns, stamp_ns)
        near = self.stamps_ns[max(0, after - 1):after + 1]
        if not near:
            return None
        nearest = min(near, key=lambda candidate: abs(candidate - stamp_ns))
        return nearest if abs(nearest - stamp_ns) <= self.max_offset_ns else None

    def file(self, stamp_ns: int) -> Path:
        """PNG of class ids, one channel."""
        return self.folder / f'{stamp_ns}.png'


def put_by_labels(
    path: Path, source: LabelSource, size_hw: tuple[int, int], folder: Path
) -> Truth:
    """Decode a recording's label images into ``folder``.

    Raises:
        BagError: there are none, or the recording is damaged.
        ConfigError: an image has another size than the reference camera, or a value or colour
            that the label map does not know.
    """
    folder.mkdir(parents=True)
    stamps: set[int] = set()
    rejected: Counter[str] = Counter()
    for recorded in read_bag(path, [source.topic]):
        stamp_ns = recorded.recorded_ns
        try:
            message = recorded.message_of(LABEL_TYPES)
            stamp_ns = message.header.stamp.sec * NS_PER_S + message.header.stamp.nanosec
            ids = source.codes.decode(message, source.form)
        except BadMessageError as error:
            rejected[f'bad_{error.field}'] += 1
            continue
        except ConfigError as error:
            raise ConfigError(f'{path}: {source.topic} at {stamp_ns} ns: {error}') from None
        if ids.shape != size_hw:
            raise ConfigError(f'{path}: {source.topic} at {stamp_ns} ns is {ids.shape} but the '
                              f'reference camera {size_hw}; they must have one size')
        (folder / f'{stamp_ns}.png').write_bytes(png_bytes(ids))
        stamps.add(stamp_ns)
    if not stamps:
        raise BagError(f'{path}: no label image on {source.topic}'
                       + (f' ({dict(rejected)})' if rejected else ''))
    return Truth(folder=folder, stamps_ns=tuple(sorted(stamps)),
                 max_offset_ns=source.max_offset_ns, rejected=dict(rejected))


def png_bytes(image: npt.NDArray[np.uint8]) -> bytes:
    """A lossless PNG of [H, W], or of [H, W, 3] red first."""
    stored = image[..., ::-1] if image.ndim == 3 else image
    done, data = cv2.imencode('.png', stored, [cv2.IMWRITE_PNG_COMPRESSION, PNG_COMPRESSION])
    if not done:
        raise ConfigError(f'an image of {image.shape} cannot be stored as PNG')
    return bytes(data.tobytes())
