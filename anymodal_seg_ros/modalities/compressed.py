# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""PNG and JPEG through OpenCV, once it is clear that they can be what they claim.

Layer: modalities. numpy and OpenCV.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy.typing as npt

from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.modalities.base import Uint8Array
from anymodal_seg_ros.modalities.jpeg import JPEG_MAGIC, check_jpeg
from anymodal_seg_ros.modalities.png import PNG_MAGIC, check_png

FREE_BYTES = 80_000_000
"""Any image may unpack to as much: 26 million pixels of three bytes."""
BYTES_PER_BYTE = 32
"""A larger one may unpack to so many bytes more for each of its own; a picture of the world has
about ten."""


class SizeMemory:
    """The size a sensor's images have, so that a damaged size is refused before it is unpacked.

    More than ``FAR`` times the pixels of the image before is refused, unless ``AGREEING`` images
    in a row claim the same: then the sensor was set to another size. Smaller ones cost nothing.
    """

    FAR = 4
    AGREEING = 3

    def __init__(self) -> None:
        self._pixels = 0
        self._claimed: tuple[int, int] | None = None
        self._claims = 0

    def check(self, height: int, width: int) -> None:
        """Raise BadMessageError for a size that is far from those before."""
        if not self._pixels or height * width <= self.FAR * self._pixels:
            self._claimed = None
            return
        self._claims = self._claims + 1 if self._claimed == (height, width) else 1
        self._claimed = height, width
        if self._claims < self.AGREEING:
            raise BadMessageError('data', f'{width}x{height}; the images before had '
                                          f'{self._pixels} pixels')

    def learn(self, height: int, width: int) -> None:
        """An image of this size was decoded."""
        self._pixels = height * width


def check_unpacked(height: int, width: int, unpacked_bytes: int, packed_bytes: int) -> None:
    """Raise BadMessageError where so few bytes unpack to so many that it takes too long."""
    allowed = FREE_BYTES + BYTES_PER_BYTE * packed_bytes
    if unpacked_bytes > allowed:
        raise BadMessageError('data', f'{width}x{height} from {packed_bytes} bytes unpacks to '
                                      f'{unpacked_bytes}; allowed: {allowed}')


def decode_compressed(buffer: Uint8Array, flags: int,
                      sizes: SizeMemory | None = None) -> npt.NDArray[Any]:
    """JPEG or PNG bytes through ``cv2.imdecode``, as stored (no turning by EXIF).

    ``sizes`` is what is known of the sensor that sent it.

    Raises:
        BadMessageError: neither JPEG nor PNG, damaged or cut short, or larger than its bytes can
            hold or than the sensor's images are; all but damage within pixels is found before
            anything is unpacked.
    """
    head = buffer[:8].tobytes()
    if head == PNG_MAGIC:
        image = check_png(buffer)
    elif head.startswith(JPEG_MAGIC):
        image = check_jpeg(buffer)
    else:
        raise BadMessageError('data', f'begins with {head.hex()}; a JPEG or PNG is needed')
    height, width = image.height, image.width
    check_unpacked(height, width, image.unpacked_bytes, buffer.size)
    if sizes is not None:
        sizes.check(height, width)
    try:
        pixels = cv2.imdecode(image.file, flags | cv2.IMREAD_IGNORE_ORIENTATION
                              if flags >= 0 else flags)
    except cv2.error as error:
        raise BadMessageError('data', f'OpenCV cannot decode it ({error.err})') from error
    if pixels is None or pixels.shape[:2] != (height, width):
        raise BadMessageError('data', f'{buffer.size} bytes; the compressed image is damaged')
    if sizes is not None:
        sizes.learn(height, width)
    return pixels
