# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MUSES (Broedermann et al., The Multi-Sensor Semantic Perception Dataset, ECCV 2024).

    ROOT/frame_camera/<split>/<weather>/<time>/<name>_frame_camera.png      RGB, 1920 x 1080
    ROOT/gt_semantic/<split>/<weather>/<time>/<name>_gt_labelTrainIds.png   Cityscapes' 19 ids
    ROOT/projected_to_rgb/lidar/...../<name>_lidar.{png,npz,npy}
    ROOT/projected_to_rgb/radar/...../<name>_radar.{png,npz,npy}
    ROOT/projected_to_rgb/event_camera/...../<name>_event_camera.{png,npz,npy}

The projections are made by the MUSES SDK (``scripts/project_sensors_to_rgb.py``); a folder
``multimodal`` is taken as well. LiDAR and radar are (range in m, intensity, height in m); a PNG
holds them as 16 bit, (value + 100) * 150, read here at all 16 bits and in the SDK's order. They
become float32 in 0..255 units, ``SCALES[modality]`` linearly as 1..255 and 0 where there is no
return. Events are (positive, negative, 0) counts of the last 30 ms; ``count_clip`` are 255.

1500 / 250 / 750 frames. 255 is void and stays unlabelled; scores of code that counts it as road
cannot be compared. The test labels are withheld: frames of 'test' are all unlabelled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.labels import UNLABELLED
from anymodal_seg_ros.ranges import Range
from training.datasets.files import (
    LabelTable,
    UnreadableFrameError,
    first_file,
    read_array,
    read_color,
    read_labels,
    read_pixels,
)
from training.datasets.folder import Entry, FolderDataset
from training.datasets.frames import Image, UInt8
from training.settings import check_settings

FOLDERS = {'rgb': 'frame_camera', 'event': 'event_camera', 'lidar': 'lidar', 'radar': 'radar'}
"""Modality to folder, which is also the ending of its files' names."""
PROJECTIONS = ('projected_to_rgb', 'multimodal')
SUFFIXES = ('.png', '.npz', '.npy')
WEATHERS = ('clear', 'fog', 'rain', 'snow')
TIMES = ('day', 'night')
LABEL_FOLDER, LABEL_SUFFIX = 'gt_semantic', '_gt_labelTrainIds.png'
LABELS = LabelTable.plain(19)

SCALES: Mapping[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    'lidar': ((0.0, 200.0), (0.0, 255.0), (-5.0, 20.0)),
    'radar': ((0.0, 150.0), (0.0, 255.0), (-5.0, 20.0)),
}
"""What is shown as 1 and as 255: range in m, intensity, height in m in the sensor's frame."""
_STORED_ZERO, _STORED_PER_UNIT = 15000, 150


@dataclass(frozen=True, kw_only=True)
class MusesOptions:
    """What MUSES alone can be told."""

    projections: str = 'auto'
    """Folder of the projected sensors; 'auto' is projected_to_rgb, else multimodal."""
    count_clip: Annotated[int, Range(1, 255)] = 4
    """So many events of one polarity at a pixel are 255."""

    def __post_init__(self) -> None:
        if not isinstance(self.projections, str) or not self.projections:
            raise ConfigError.of('data.options.projections', self.projections,
                                 'auto or a folder in the data set')
        check_settings('data.options', self)


class MusesDataset(FolderDataset):
    """Frames of one split; the condition is weather and time, as in 'fog_night'."""

    LAYOUT: ClassVar[str] = 'muses'
    MODALITIES: ClassVar[tuple[str, ...]] = ('rgb', 'lidar', 'event', 'radar')
    LABEL_SPACE: ClassVar[str] = 'cityscapes'
    CONDITIONS: ClassVar[tuple[str, ...]] = (
        *WEATHERS, *TIMES, *(f'{weather}_{time}' for weather in WEATHERS for time in TIMES))
    OPTIONS: ClassVar[type[Any]] = MusesOptions

    def _choices(self, modality: str) -> tuple[str, ...]:
        if modality == 'rgb':
            return (FOLDERS['rgb'],)
        chosen = self.options.projections
        bases = PROJECTIONS if chosen == 'auto' else (chosen,)
        return tuple(f'{base}/{FOLDERS[modality]}' for base in bases)

    def _find_folder(self, modality: str) -> str:
        try:
            return super()._find_folder(modality)
        except ConfigError as error:
            if modality == 'rgb':
                raise
            raise ConfigError(f'{error}; the MUSES SDK makes it from the raw recordings') from None

    def _scan(self) -> Iterable[Entry]:
        folder, suffix = LABEL_FOLDER, LABEL_SUFFIX
        suffixes: tuple[str, ...] = (suffix,)
        if self.split == 'test':
            first = self.modalities[0]
            folder = self._folders[first]
            suffixes = tuple(f'_{FOLDERS[first]}{ending}' for ending in SUFFIXES)
        base = self.root / self._require_folder(f'split {self.split!r}', f'{folder}/{self.split}')
        stems = {
            path.relative_to(base).as_posix().removesuffix(suffix)
            for suffix in suffixes for path in base.glob(f'*/*/*{suffix}')
        }
        for stem in sorted(stems):
            weather, time, _ = stem.split('/')
            yield Entry(f'{self.split}/{stem}', f'{self.split}/{stem}', f'{weather}_{time}')

    def _read_image(self, modality: str, entry: Entry) -> Image:
        stem = self.root / self._folders[modality] / f'{entry.stem}_{FOLDERS[modality]}'
        if modality == 'rgb':
            return read_color(first_file(stem, ('.png',)))
        path = first_file(stem, SUFFIXES)
        if modality == 'event':
            return encode_counts(_read_projection(path, np.uint8), self.options.count_clip)
        values = _read_projection(path, np.uint16)
        if path.suffix == '.png':
            values = decode_projection(values)
        return encode_returns(values.astype(np.float32), modality)

    def _read_labels(self, entry: Entry, size_hw: tuple[int, int]) -> UInt8:
        if self.split == 'test':
            return np.full(size_hw, UNLABELLED, np.uint8)
        return read_labels(self.root / LABEL_FOLDER / f'{entry.stem}{LABEL_SUFFIX}', LABELS)


def decode_projection(stored: npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
    """stored / 150 - 100, exactly 0 where it was 0: what the SDK's 16-bit PNGs hold."""
    values: npt.NDArray[np.float32] = (
        (stored.astype(np.float32) - np.float32(_STORED_ZERO)) / np.float32(_STORED_PER_UNIT))
    return values


def encode_returns(values: npt.NDArray[np.float32], modality: str) -> npt.NDArray[np.float32]:
    """(range, intensity, height) [H, W, 3] as float32 in 0..255 units; 0 where the range is 0.

    The radar measures no height; its third channel is 0.
    """
    image = np.zeros(values.shape, np.float32)
    returns = values[:, :, 0] > 0
    for channel, (low, high) in enumerate(SCALES[modality]):
        share = (values[:, :, channel][returns] - np.float32(low)) / np.float32(high - low)
        image[:, :, channel][returns] = np.clip(share, 0.0, 1.0) * np.float32(254.0) + 1.0
    if modality == 'radar':
        image[:, :, 2] = 0.0
    return image


def encode_counts(counts: npt.NDArray[Any], count_clip: int) -> UInt8:
    """Event counts [H, W, 3] as 0..255; ``count_clip`` and more are 255."""
    share = np.clip(counts.astype(np.float32) / np.float32(count_clip), 0.0, 1.0)
    levels: UInt8 = np.rint(share * np.float32(255.0)).astype(np.uint8)
    return levels


def _read_projection(path: Path, png_dtype: type[np.uint8] | type[np.uint16]
                     ) -> npt.NDArray[Any]:
    """[H, W, 3] in the SDK's own order; it writes PNGs as OpenCV does, so they are not turned."""
    values = read_pixels(path) if path.suffix == '.png' else read_array(path)
    if values.ndim != 3 or values.shape[2] != 3 or values.dtype.kind not in 'uif':
        raise UnreadableFrameError(f'{path} has shape {values.shape} of {values.dtype}; allowed: '
                                   '(height, width, 3) of numbers')
    if path.suffix == '.png' and values.dtype != png_dtype:
        raise UnreadableFrameError(f'{path} has {values.dtype} values; allowed: '
                                   f'{np.dtype(png_dtype)}, as the MUSES SDK writes it')
    return values
