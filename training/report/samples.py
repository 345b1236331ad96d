# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sample predictions with sensors missing, one sheet for each frame."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.labels import UNLABELLED, LabelSpace
from anymodal_seg_ros.metrics import ConfusionMatrix
from anymodal_seg_ros.modalities import network_size
from anymodal_seg_ros.pages.drawing import Drawing, drawing
from anymodal_seg_ros.unfinished import whole_folder, write_errors
from training.datasets import Frame, JoinedFrames, resize_frame

if TYPE_CHECKING:
    from anymodal_seg_ros.pages.drawing import Axes

Picture = npt.NDArray[np.uint8]
Predict = Callable[[Mapping[str, npt.NDArray[Any]], tuple[int, int]], Picture]
"""Images at network size and the wanted label size to labels."""
Tile = tuple[str, str, Picture]
"""Name, remark and what is shown, [H, W, 3] red first."""

_SHEET_PX, _MAX_TILE_PX, _GAP_PX, _MARGIN_PX, _HEAD_PX, _TITLE_PX = 1600, 320, 8, 16, 42, 24
_GROUND, _TEXT, _DIM, _OUTLINE = '#181b20', '#e4e8ed', '#9aa4b0', '#5a616a'


def write_samples(
    folder: Path, frames: JoinedFrames, answers: Sequence[tuple[Predict, LabelSpace]],
    short_side_px: int, *, max_sheets: int = 6,
) -> list[Path]:
    """Write a PNG sheet for each of some frames, spread over the data; older sheets go.

    A sheet has a column for each sensor: what it saw, the prediction without it, the prediction
    from it alone. The first column holds the truth, the prediction from all, and the classes.

    Args:
        folder: ``samples`` of a run folder; made where it is missing.
        frames: where the frames come from.
        answers: for each source of the frames, what the network answers and its classes.
        short_side_px: size of the network's input.
        max_sheets: at most so many, but one of each data set.

    Raises:
        ConfigError: a frame cannot be read.
        MissingDependencyError: matplotlib is not installed.
        WriteError: the folder cannot be written.
    """
    names = []
    with whole_folder(folder, replace=True) as work, write_errors(folder):
        work.mkdir()
        for number, index in enumerate(frames.spread(max_sheets)):
            frame = frames[index]
            name = re.sub(r'[^\w.-]+', '_', frame.id)
            names.append(f'{number:02d}_{name}.png')
            (work / names[-1]).write_bytes(
                sample_sheet(frame, *answers[frames.source_of(index)], short_side_px))
    return [folder / name for name in names]


def sample_sheet(frame: Frame, predict: Predict, label_space: LabelSpace,
                 short_side_px: int) -> bytes:
    """One frame's sheet as a PNG."""
    sensors = tuple(frame.images)
    frame = resize_frame(frame, network_size(frame.size_hw, short_side_px), labels_too=False)
    palette = label_space.palette()

    def predicted(subset: Sequence[str], title: str) -> Tile:
        images = {name: frame.images[name] for name in subset}
        labels = predict(images, (frame.labels.shape[0], frame.labels.shape[1]))
        matrix = ConfusionMatrix(label_space.num_classes)
        matrix.update(labels, frame.labels)
        miou = f'{100 * matrix.miou():.1f}' if matrix.counts.any() else ''
        return title, miou, palette[labels]

    rows: list[list[Tile | None]] = [
        [('truth', 'mIoU', palette[frame.labels]),
         *((name, '', _shown(image)) for name, image in frame.images.items())],
        [predicted(sensors, 'all sensors')]]
    if len(sensors) > 1:
        rows[1] += [predicted([other for other in sensors if other != name], f'without {name}')
                    for name in sensors]
        # The classes take the first place.
        rows.append([None, *(predicted([name], f'{name} alone') for name in sensors)])
    wide = min(_MAX_TILE_PX, (_SHEET_PX - 2 * _MARGIN_PX) // (len(sensors) + 1) - _GAP_PX)
    tall = max(wide * frame.labels.shape[0] // frame.labels.shape[1], 1)
    width = 2 * _MARGIN_PX - _GAP_PX + len(rows[0]) * (wide + _GAP_PX)
    height = _HEAD_PX + _MARGIN_PX - _GAP_PX + len(rows) * (tall + _TITLE_PX + _GAP_PX)
    with drawing(width, height) as sheet:
        axes = sheet.canvas()
        sheet.text(axes, _MARGIN_PX, 25, f'{frame.id}   {frame.condition}, {frame.failure}',
                   align='left', color=_DIM)
        for i, row in enumerate(rows):
            y = _HEAD_PX + i * (tall + _TITLE_PX + _GAP_PX)
            for j, tile in enumerate(row):
                x = _MARGIN_PX + j * (wide + _GAP_PX)
                if tile is None:
                    _draw_classes(sheet, axes, frame.labels, label_space,
                                  (x, y + _TITLE_PX, wide, tall))
                else:
                    _draw_tile(sheet, axes, tile, (x, y, wide, tall))
        return sheet.png(scale=1, ground=_GROUND)


def _shown(image: npt.NDArray[Any]) -> Picture:
    """An image of 0 to 255 in 8 bits."""
    shown: Picture = np.clip(np.nan_to_num(image), 0, 255).round().astype(np.uint8)
    return shown


def _draw_tile(sheet: Drawing, axes: Axes, tile: Tile, place: tuple[int, int, int, int]) -> None:
    """A picture under its name; nearest neighbour upwards, so that no new label colour appears."""
    (title, remark, image), (x, y, wide, tall) = tile, place
    sheet.text(axes, x + 1, y + 13, title, align='left', color=_TEXT)
    sheet.text(axes, x + wide - 2, y + 13, remark, align='right', color=_DIM)
    shrinks = wide < image.shape[1]
    axes.imshow(image, aspect='auto', interpolation='antialiased' if shrinks else 'nearest',
                extent=(x, x + wide, y + _TITLE_PX + tall, y + _TITLE_PX))


def _draw_classes(sheet: Drawing, axes: Axes, labels: Picture, label_space: LabelSpace,
                  place: tuple[int, int, int, int]) -> None:
    """Names of the classes in the truth, the most frequent first, as many as there is room for."""
    left, top, wide, tall = place
    ids, counts = np.unique(labels[labels != UNLABELLED], return_counts=True)
    line_px, half = 20, wide // 2
    num_lines = max(tall // line_px, 1)
    for number, index in enumerate(np.argsort(-counts, kind='stable')[:2 * num_lines]):
        x = left + (number // num_lines) * half
        y = top + (number % num_lines) * line_px + 9
        color = '#{:02x}{:02x}{:02x}'.format(*label_space.colors[ids[index]])
        axes.plot(x + 7, y, 's', markersize=12, color=color, markeredgecolor=_OUTLINE)
        # A letter takes about seven pixels.
        name = label_space.class_names[ids[index]][:max((half - 24) // 7, 1)]
        sheet.text(axes, x + 20, y, name, align='left', color=_TEXT, size_px=12)
