# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames for people: inputs, label image and health side by side, and a video of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.errors import AnymodalError, WriteError
from anymodal_seg_ros.unfinished import SUFFIX, write_errors

Picture = npt.NDArray[np.uint8]
STATE_COLORS: Mapping[str, str] = {
    'waiting': '#c9ced6', 'ok': '#009e73', 'degraded': '#e69f00', 'lost': '#d55e00',
    'probation': '#56b4e9', 'disabled': '#8a8f98',
}
"""Those of Okabe and Ito, which the colour-blind tell apart, and greys."""
SIDE_PX = 384
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_GREY = (235, 235, 235)


def overlay(image: Picture, labels: npt.NDArray[np.uint8], palette: Picture,
            alpha: float = 0.55) -> Picture:
    """Label colours over a picture, both [H, W(, 3)] of the same size; rgb."""
    return cv2.addWeighted(palette[labels], alpha, image, 1 - alpha, 0).astype(np.uint8)


def titled(image: Picture, title: str, height_px: int, width_px: int) -> Picture:
    """A picture brought to one size with its name in the corner."""
    shown = cv2.resize(image, (width_px, height_px), interpolation=cv2.INTER_AREA)
    cv2.rectangle(shown, (0, 0), (9 * len(title) + 10, 20), (0, 0, 0), -1)
    cv2.putText(shown, title, (5, 14), _FONT, 0.45, _GREY, 1, cv2.LINE_AA)
    return shown.astype(np.uint8)


def words(text: str, height_px: int, width_px: int) -> Picture:
    """What stands in for a sensor's picture."""
    picture = np.full((height_px, width_px, 3), 24, np.uint8)
    (text_px, _), _ = cv2.getTextSize(text, _FONT, 0.5, 1)
    cv2.putText(picture, text, ((width_px - text_px) // 2, height_px // 2), _FONT, 0.5,
                (150, 150, 150), 1, cv2.LINE_AA)
    return picture


def frame(inputs: Mapping[str, Picture | str], label: Picture,
          states: Mapping[str, str], used: Sequence[str], caption: str) -> Picture:
    """The inputs in two rows, the label over the camera image and each sensor's health; uint8 rgb.

    Args:
        inputs: modality to a picture of what it sees, or to a few words in its place.
        label: colours of the label image.
        states: modality to its health state.
        used: modalities that the label image was made of.
        caption: a line of text below.
    """
    half = SIDE_PX // 2
    tiles = [titled(words(seen, half, half) if isinstance(seen, str) else seen, name, half, half)
             for name, seen in inputs.items()]
    columns = max(2, -(-len(tiles) // 2))
    tiles += [np.zeros((half, half, 3), np.uint8)] * (2 * columns - len(tiles))
    mosaic = np.vstack([np.hstack(tiles[:columns]), np.hstack(tiles[columns:])])
    top = np.hstack([mosaic, titled(label, 'label', SIDE_PX, SIDE_PX),
                     _health_panel(states, used)])
    bottom = np.full((32, top.shape[1], 3), 24, np.uint8)
    cv2.putText(bottom, caption, (8, 21), _FONT, 0.5, _GREY, 1, cv2.LINE_AA)
    return np.vstack([top, bottom])


def write_video(path: Path, frames: Iterable[Picture], rate_hz: float) -> None:
    """Write rgb pictures of one size as a WebM that browsers play; whole or not at all.

    Raises:
        AnymodalError: this OpenCV build cannot write it.
        WriteError: the disk is full.
    """
    # OpenCV knows the format by the last suffix.
    unfinished = path.with_suffix(f'{SUFFIX}{path.suffix}')
    num_frames = 0
    try:
        with ExitStack() as stack:
            writer: cv2.VideoWriter | None = None
            for picture in frames:
                if writer is None:
                    writer = _open_video(unfinished, picture, rate_hz)
                    stack.callback(writer.release)
                writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
                num_frames += 1
        # It says nothing of a full disk.
        found = _num_frames(unfinished)
        if found < num_frames:
            raise WriteError(f'cannot write {path}: {found} of {num_frames} frames were stored; '
                             'is the disk full?')
        if num_frames:
            with write_errors(path):
                unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _num_frames(path: Path) -> int:
    video = cv2.VideoCapture(str(path))
    return next(number for number in count() if not video.grab())


def _open_video(path: Path, picture: Picture, rate_hz: float) -> cv2.VideoWriter:
    size = picture.shape[1], picture.shape[0]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'VP80'), rate_hz, size)
    if not writer.isOpened():
        raise AnymodalError(f'{path}: this build of OpenCV cannot write VP8 video; '
                            'install opencv-python-headless from PyPI')
    return writer


def _health_panel(states: Mapping[str, str], used: Sequence[str]) -> Picture:
    panel = np.full((SIDE_PX, 190, 3), 24, np.uint8)
    for i, (name, state) in enumerate(states.items()):
        top = 14 + i * (SIDE_PX // max(4, len(states)))
        color = tuple(int(STATE_COLORS[state][j:j + 2], 16) for j in (1, 3, 5))
        cv2.circle(panel, (22, top + 22), 10, color, -1, cv2.LINE_AA)
        cv2.putText(panel, name, (42, top + 20), _FONT, 0.6, _GREY, 1, cv2.LINE_AA)
        text = state + (', used' if name in used else '')
        cv2.putText(panel, text, (42, top + 40), _FONT, 0.42, color, 1, cv2.LINE_AA)
    return panel
