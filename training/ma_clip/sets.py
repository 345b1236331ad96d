# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The data sets of a run, with the numbers of their frames' captions."""

from __future__ import annotations

from pathlib import Path

from anymodal_seg_ros import limits
from anymodal_seg_ros.errors import ConfigError
from training.datasets import DATASETS, FrameSource, spread
from training.ma_clip.captions import CAPTIONS_FILE, read_captions
from training.ma_clip.config import CAMERA, NO_SPLIT, CaptionedSetConfig, MaClipConfig
from training.ma_clip.pairs import CaptionedFrames, SquareFrames

TRAIN = 'train'
CHECKED_FRAMES = 8


def check_sets(config: MaClipConfig) -> None:
    """Raises ConfigError for a data set without a folder, or a split that it cannot have."""
    for number, each in enumerate(config.sets):
        if not each.root:
            raise ConfigError(f'the recipe names no data; add sets.{number}.root=FOLDER')
        limits.one_of('score_split', config.score_split,
                      (*DATASETS[each.name].SPLITS, NO_SPLIT))


def open_sets(
    config: MaClipConfig, split: str, texts: dict[str, int], side_px: int
) -> tuple[CaptionedFrames, ...]:
    """A split of every data set.

    Args:
        config: the recipe.
        split: one that the data sets and their captions have.
        texts: each text to its number; new ones are added.
        side_px: of the squares that images become.

    Raises:
        ConfigError: a folder, sensor, split or caption that is not there.
    """
    opened = []
    for each in config.sets:
        frames, modalities = _open(each, split)
        captions = read_captions(
            Path(each.captions) if each.captions else Path(each.root) / CAPTIONS_FILE, split)
        numbers = {frame: texts.setdefault(text.strip(), len(texts))
                   for frame, text in captions.items()}
        found = CaptionedFrames(
            frames=SquareFrames(frames, side_px, keep=config.cache), captions=numbers,
            modalities=modalities, weight=each.weight, description=frames.describe())
        # What lacks captions should not show in the midst of a run alone.
        for index in spread(len(frames), CHECKED_FRAMES):
            found.caption(found.frames[index])
        opened.append(found)
    return tuple(opened)


def _open(config: CaptionedSetConfig, split: str) -> tuple[FrameSource, tuple[str, ...]]:
    there = DATASETS[config.name].modalities_of(config.root)
    limits.one_of(f'what each sensor of {config.root} is paired with', CAMERA, there)
    modalities = config.modalities or tuple(name for name in there if name != CAMERA)
    for name in modalities:
        limits.one_of('sets.modalities', name, there)
    return DATASETS[config.name](
        config.root, split, (CAMERA, *modalities), conditions=config.conditions,
        options=config.options), modalities
