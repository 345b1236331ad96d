# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sample predictions as data URIs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.existence import is_dir
from anymodal_seg_ros.modalities.compressed import decode_compressed
from anymodal_seg_ros.pages import jpeg_uri

MAX_PICTURES = 12
MAX_PICTURE_BYTES = 32 << 20
MAX_WIDTH_PX = 1600


def inlined_pictures(folder: Path) -> tuple[list[tuple[str, str]], list[str]]:
    """Name and data URI of the first PNG files of a folder, and a line for each that is damaged.

    They are stored as JPEG, at most ``MAX_WIDTH_PX`` wide, so that the page stays small.
    """
    pictures, problems = [], []
    files = sorted(folder.glob('*.png')) if is_dir(folder) else []
    for file in files[:MAX_PICTURES]:
        name = f'{folder.name}/{file.name}'
        try:
            pictures.append((file.stem, _uri(file)))
        except (OSError, ValueError, BadMessageError) as error:
            problems.append(f'{name}: {error}')
    if len(files) > MAX_PICTURES:
        problems.append(f'{folder.name}: only the first {MAX_PICTURES} of {len(files)} are shown')
    return pictures, problems


def _uri(file: Path) -> str:
    if file.stat().st_size > MAX_PICTURE_BYTES:
        raise ValueError(f'larger than {MAX_PICTURE_BYTES >> 20} MiB')
    image = decode_compressed(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    height, width = image.shape[:2]
    if width > MAX_WIDTH_PX:
        image = cv2.resize(image, (MAX_WIDTH_PX, max(height * MAX_WIDTH_PX // width, 1)),
                           interpolation=cv2.INTER_AREA)
    return jpeg_uri(image.astype(np.uint8))
