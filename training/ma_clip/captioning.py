# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Captions of a data set's frames from their labels, for whoever has no others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm import tqdm

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.labels import UNLABELLED
from training.datasets import DATASETS, FrameSource, own_label_space
from training.ma_clip.caption_text import DRIVING_SCENE, SCENES, SOURCE, caption
from training.ma_clip.captions import write_captions
from training.ma_clip.config import CAMERA


def write_from_labels(
    name: str, root: str, output: Path, *, splits: Sequence[str] = (), scene: str = '',
    log: Callable[[str], None] = lambda line: None,
) -> None:
    """Caption every frame of a data set's splits and write them as a file.

    Args:
        name: a row of ``DATASETS``.
        root: its folder.
        output: the file.
        splits: empty takes those that are there.
        scene: what every caption begins with; empty takes what the data set shows.
        log: gets a line for each split.

    Raises:
        ConfigError: a split is not there, or none is; or a frame cannot be read.
        WriteError: the file cannot be written.
    """
    captions: dict[str, dict[str, str]] = {}
    for split in splits or DATASETS[name].SPLITS:
        try:
            frames = DATASETS[name](root, split, (CAMERA,))
        except ConfigError as error:
            if splits:
                raise
            log(f'{split}: left out; {error}')
            continue
        captions[split], unlabelled = _of_split(frames, split, scene or SCENES.get(
            name, DRIVING_SCENE))
        of_split = captions[split]
        log(f'{split}: {len(of_split)} frames, {len(set(of_split.values()))} different captions'
            + (f', {unlabelled} without labels' if unlabelled else ''))
    if not captions:
        raise ConfigError(f'{root} has no split of the data set {name!r}')
    write_captions(output, captions, SOURCE)
    log(f'wrote {output}')


def _of_split(frames: FrameSource, split: str, scene: str) -> tuple[dict[str, str], int]:
    """Frame id to caption, and how many frames have no labelled pixel."""
    label_space = own_label_space(frames.describe())
    captions, unlabelled = {}, 0
    for index in tqdm(range(len(frames)), desc=split, unit='frame'):
        frame = frames[index]
        captions[frame.id] = caption(frame, label_space, scene)
        unlabelled += bool((frame.labels == UNLABELLED).all())
    return captions, unlabelled
