# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sample predictions with sensors missing, one sheet for each frame."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.labels import UNLABELLED, LabelSpace
from anymodal_seg_ros.metrics import ConfusionMatrix
from anymodal_seg_ros.modalities import network_size
from anymodal_seg_ros.unfinished import whole_folder, write_errors
from training.datasets import Frame, Frames, first_size, resize_frame

Picture = npt.NDArray[np.uint8]
Predict = Callable[[Mapping[str, npt.NDArray[Any]], tuple[int, int]], Picture]
"""Images at network size and the wanted label size to labels."""

_SHEET_PX, _MAX_TILE_PX = 1600, 320
_GAP_PX, _MARGIN_PX, _TITLE_PX = 8, 16, 24
_BACK, _TEXT, _DIM = (24, 27, 32), (228, 232, 237), (154, 164, 176)
_OUTLINE = (90, 97, 106)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def write_samples(
    folder: Path, predict: Predict, frames: Frames, label_space: LabelSpace,
    short_side_px: int, *, max_sheets: int = 6,
) -> list[Path]:
    """Write a PNG sheet for each of some frames, spread over the data; older sheets go.

    A sheet has a column for each sensor: what it saw, the prediction without it, the prediction
    from it alone. The first column holds the truth, the prediction from all, and the classes.

    Args:
        folder: ``samples`` of a run folder; made where it is missing.
        predict: the network.
        frames: where the frames come from.
        label_space: their classes.
        short_side_px: size of the network's input.
        max_sheets: at most so many.

    Raises:
        ConfigError: a frame cannot be read.
        WriteError: the folder cannot be written.
    """
    names = []
    count = min(max_sheets, len(frames))
    with whole_folder(folder, replace=True) as work, write_errors(folder):
        work.mkdir()
        for number in range(count):
            frame = frames[number * len(frames) // count]
            name = re.sub(r'[^\w.-]+', '_', frame.id)
            names.append(f'{number:02d}_{name}.png')
            picture = sample_sheet(frame, predict, label_space, short_side_px)
            bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
            (work / names[-1]).write_bytes(cv2.imencode('.png', bgr)[1].tobytes())
    return [folder / name for name in names]


def sample_sheet(frame: Frame, predict: Predict, label_space: LabelSpace,
                 short_side_px: int) -> Picture:
    """One frame's sheet, uint8 [H, W, 3] red first."""
    sensors = tuple(frame.images)
    frame = resize_frame(frame, network_size(first_size(frame), short_side_px), labels_too=False)
    tile_hw = _tile_size(frame.labels.shape, len(sensors) + 1)
    palette = label_space.palette()

    def predicted(subset: Sequence[str], title: str) -> Picture:
        images = {name: frame.images[name] for name in subset}
        labels = predict(images, (frame.labels.shape[0], frame.labels.shape[1]))
        matrix = ConfusionMatrix(label_space.num_classes)
        matrix.update(labels, frame.labels)
        miou = f'{100 * matrix.miou():.1f}' if matrix.counts.any() else ''
        return _tile(palette[labels], title, miou, tile_hw)

    rows = [[_tile(palette[frame.labels], 'truth', 'mIoU', tile_hw),
             *(_tile(_shown(image), name, '', tile_hw) for name, image in frame.images.items())],
            [predicted(sensors, 'all sensors')]]
    if len(sensors) > 1:
        rows[1] += [predicted([other for other in sensors if other != name], f'without {name}')
                    for name in sensors]
        rows.append([_legend(frame.labels, label_space, tile_hw),
                     *(predicted([name], f'{name} alone') for name in sensors)])
    return _sheet(rows, f'{frame.id}   {frame.condition}, {frame.failure}')


def _tile_size(labels_hw: Sequence[int], num_columns: int) -> tuple[int, int]:
    room = (_SHEET_PX - 2 * _MARGIN_PX) // num_columns - _GAP_PX
    wide = min(_MAX_TILE_PX, room)
    return max(wide * labels_hw[0] // labels_hw[1], 1), wide


def _shown(image: npt.NDArray[Any]) -> Picture:
    """An image of 0 to 255 in 8 bits."""
    shown: Picture = np.clip(np.nan_to_num(image), 0, 255).round().astype(np.uint8)
    return shown


def _tile(image: Picture, title: str, remark: str, size_hw: tuple[int, int]) -> Picture:
    """A picture under its name; nearest neighbour upwards, so that no new label colour appears."""
    tall, wide = size_hw
    tile = _blank(size_hw)
    shrinks = wide < image.shape[1]
    tile[_TITLE_PX:] = cv2.resize(image, (wide, tall), interpolation=cv2.INTER_AREA if shrinks
                                  else cv2.INTER_NEAREST)
    _write(tile, title, 1, 17, _TEXT)
    (remark_wide, _), _ = cv2.getTextSize(remark, _FONT, 0.5, 1)
    _write(tile, remark, wide - remark_wide - 2, 17, _DIM)
    return tile


def _legend(labels: Picture, label_space: LabelSpace, size_hw: tuple[int, int]) -> Picture:
    """Names of the classes in the truth, the most frequent first, as many as there is room for."""
    tile = _blank(size_hw)
    ids, counts = np.unique(labels[labels != UNLABELLED], return_counts=True)
    line_px, half = 20, size_hw[1] // 2
    num_lines = max((tile.shape[0] - _TITLE_PX) // line_px, 1)
    for place, index in enumerate(np.argsort(-counts, kind='stable')[:2 * num_lines]):
        x = (place // num_lines) * half
        y = _TITLE_PX + (place % num_lines) * line_px
        tile[y + 2:y + 16, x:x + 14] = _OUTLINE
        tile[y + 3:y + 15, x + 1:x + 13] = label_space.colors[ids[index]]
        name = label_space.class_names[ids[index]]
        _write(tile[:, :x + half - 4], name, x + 20, y + 14, _TEXT, 0.42)
    return tile


def _blank(size_hw: tuple[int, int]) -> Picture:
    return np.full((size_hw[0] + _TITLE_PX, size_hw[1], 3), _BACK, np.uint8)


def _write(image: Picture, text: str, x: int, y: int, color: tuple[int, int, int],
           size: float = 0.5) -> None:
    cv2.putText(image, text, (x, y), _FONT, size, color, 1, cv2.LINE_AA)


def _sheet(rows: Sequence[Sequence[Picture]], title: str) -> Picture:
    tall, wide = rows[0][0].shape[:2]
    width = 2 * _MARGIN_PX + len(rows[0]) * (wide + _GAP_PX) - _GAP_PX
    height = _MARGIN_PX + 26 + len(rows) * (tall + _GAP_PX) + _MARGIN_PX - _GAP_PX
    sheet = np.full((height, width, 3), _BACK, np.uint8)
    _write(sheet, title, _MARGIN_PX, _MARGIN_PX + 14, _DIM)
    for i, row in enumerate(rows):
        for j, tile in enumerate(row):
            y, x = _MARGIN_PX + 26 + i * (tall + _GAP_PX), _MARGIN_PX + j * (wide + _GAP_PX)
            sheet[y:y + tall, x:x + wide] = tile
    return sheet
