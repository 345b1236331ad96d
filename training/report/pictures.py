# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sample predictions as data URIs."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np

MAX_PICTURES = 12
MAX_PICTURE_BYTES = 32 << 20
MAX_PICTURE_PIXELS = 40_000_000
MAX_WIDTH_PX = 1600
_QUALITY = 86
_PNG_MAGIC = b'\x89PNG\r\n\x1a\n'


def inlined_pictures(folder: Path) -> tuple[list[tuple[str, str]], list[str]]:
    """Name and data URI of the first PNG files of a folder, and a line for each that is damaged.

    They are stored as JPEG, at most ``MAX_WIDTH_PX`` wide, so that the page stays small.
    """
    pictures, problems = [], []
    files = sorted(folder.glob('*.png')) if folder.is_dir() else []
    for file in files[:MAX_PICTURES]:
        name = f'{folder.name}/{file.name}'
        try:
            pictures.append((file.stem, _uri(file)))
        except (OSError, ValueError) as error:
            problems.append(f'{name}: {error}')
    if len(files) > MAX_PICTURES:
        problems.append(f'{folder.name}: only the first {MAX_PICTURES} of {len(files)} are shown')
    return pictures, problems


def _uri(file: Path) -> str:
    if file.stat().st_size > MAX_PICTURE_BYTES:
        raise ValueError(f'larger than {MAX_PICTURE_BYTES >> 20} MiB')
    data = file.read_bytes()
    # The header tells the size before anything that large is decoded.
    width, height = (int.from_bytes(data[i:i + 4], 'big') for i in (16, 20))
    if not data.startswith(_PNG_MAGIC) or not 0 < width * height <= MAX_PICTURE_PIXELS:
        raise ValueError(f'no PNG picture of at most {MAX_PICTURE_PIXELS:,} pixels')
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError('not a readable picture')
    if width > MAX_WIDTH_PX:
        image = cv2.resize(image, (MAX_WIDTH_PX, max(height * MAX_WIDTH_PX // width, 1)),
                           interpolation=cv2.INTER_AREA)
    encoded = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
    return 'data:image/jpeg;base64,' + base64.b64encode(encoded.tobytes()).decode('ascii')
