# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the pixels of a recorded label image stand for: class ids, a simulator's tags or colours.

The tables of ``config/label_maps/carla-*.yaml`` follow CARLA's documentation of its semantic
camera; tags and colours were numbered anew with 0.9.14.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.documents import read_yaml
from anymodal_seg_ros.errors import BadMessageError, ConfigError
from anymodal_seg_ros.existence import is_file
from anymodal_seg_ros.labels import UNLABELLED, LabelSpace, load_label_space
from anymodal_seg_ros.modalities.compressed import decode_compressed
from anymodal_seg_ros.modalities.images import decode_color
from anymodal_seg_ros.modalities.pixels import image_pixels, message_bytes
from anymodal_seg_ros.resources import resource_path
from training.datasets.files import LabelTable

UInt8 = npt.NDArray[np.uint8]
FORMS = ('auto', 'values', 'colors')
_ONE_CHANNEL = {'mono8': 'u1', '8UC1': 'u1', 'mono16': 'u2', '16UC1': 'u2'}
_CARLA = re.compile(r'carla-(\d+)\.(\d+)\.(\d+)')
_FIRST_CARLA, _RENUMBERED_CARLA = (0, 9, 10), (0, 9, 14)


class Code(NamedTuple):
    """One stored value, its name and colour, and the class it stands for (255: none)."""

    value: int
    name: str
    color: tuple[int, int, int]
    class_id: int


@dataclass(frozen=True, kw_only=True)
class LabelCodes:
    """How the pixels of a label image become class ids of a label space."""

    name: str
    label_space: LabelSpace
    codes: tuple[Code, ...]
    """Values are unique; colours may only repeat for the same class."""

    def __post_init__(self) -> None:
        values = [code.value for code in self.codes]
        if not values or len(set(values)) != len(values) or not 0 <= min(values) <= max(values):
            raise ConfigError(f'label map {self.name!r}: tags must differ and be 0 or more')
        if max(values) > UNLABELLED:
            raise ConfigError(f'label map {self.name!r}: tag {max(values)}; allowed: 0 to 255')

    @classmethod
    def of_space(cls, space: LabelSpace) -> LabelCodes:
        """Pixels are the label space's own ids or colours; 255 and black are unlabelled."""
        classes = zip(space.class_names, space.colors, strict=True)
        own = tuple(Code(i, name, color, i) for i, (name, color) in enumerate(classes))
        return cls(name=space.name, label_space=space,
                   codes=(*own, Code(UNLABELLED, 'unlabelled', (0, 0, 0), UNLABELLED)))

    def decode(self, message: Any, form: str = 'auto') -> UInt8:  # noqa: ANN401
        """Class ids uint8 [H, W] of an Image or a png CompressedImage.

        Args:
            message: one channel, or a colour image in any order and with any alpha.
            form: 'values' reads the only channel or the red one (as CARLA's own ROS 2 interface
                publishes tags), 'colors' the palette (as CARLA's ROS bridge does). 'auto' takes a
                colour image for values where it is only red, and every red one is known.

        Raises:
            BadMessageError: the message contradicts itself or is no label image.
            ConfigError: a value or colour is not in the table.
        """
        pixels = _pixels(message)
        if pixels.ndim == 2:
            if form == 'colors':
                raise ConfigError('label form is colors, but the image has one channel')
            return self._of_values(pixels)
        if form == 'values' or (form == 'auto' and self._looks_like_values(pixels)):
            return self._of_values(pixels[..., 0])
        return self._of_colors(pixels)

    def _looks_like_values(self, pixels: UInt8) -> bool:
        known = np.isin(np.arange(256), [code.value for code in self.codes])
        red = pixels[..., 0]
        return not pixels[..., 1:].any() and bool(red.any()) and bool(known[red].all())

    def _of_values(self, values: npt.NDArray[np.integer]) -> UInt8:
        table = LabelTable({code.value: code.class_id for code in self.codes})
        return table.decode(values, f'an image for label map {self.name!r}')

    def _of_colors(self, pixels: UInt8) -> UInt8:
        known: dict[int, Code] = {}
        for code in self.codes:
            other = known.setdefault(_packed(code.color), code)
            if other.class_id != code.class_id:
                raise ConfigError(f'colour {list(code.color)} of {self.name!r} stands for '
                                  f'{other.name} and for {code.name}')
        keys = np.array(sorted(known), np.int32)
        id_of_key = np.array([known[int(key)].class_id for key in keys], np.uint8)
        red, green, blue = (pixels[..., i].astype(np.int32) for i in range(3))
        packed = red << 16 | green << 8 | blue
        index = np.minimum(np.searchsorted(keys, packed), len(keys) - 1)
        unknown = keys[index] != packed
        if unknown.any():
            raise ConfigError(
                f'colour {pixels[unknown][0].tolist()} at {int(unknown.sum())} pixels is not in '
                f'{self.name!r}; its version may be another one')
        ids: UInt8 = id_of_key[index]
        return ids


def load_label_codes(name_or_path: str | Path) -> LabelCodes:
    """A table by name ('carla-0.9.15' is that of 0.9.14 and later) or from a YAML file.

    Raises:
        ConfigError: no such table, or it is not one.
    """
    path = Path(name_or_path)
    if path.suffix not in ('.yaml', '.yml'):
        folder = resource_path('config') / 'label_maps'
        path = folder / f'{_carla_table(str(name_or_path))}.yaml'
        if not is_file(path):
            allowed = ', '.join(sorted(file.stem for file in folder.glob('carla-*.yaml')))
            raise ConfigError(f'no label map {str(name_or_path)!r}; allowed: {allowed}, or a '
                              'YAML file')
    if not is_file(path):
        raise ConfigError(f'no label map at {path}')
    try:
        data = read_yaml(path)
        space = load_label_space(data['label_space'])
        codes = tuple(_code(entry, space) for entry in data['tags'])
        return LabelCodes(name=str(data['name']), label_space=space, codes=codes)
    except (ConfigError, LookupError, TypeError, ValueError, OverflowError,
            AttributeError) as error:
        problem = ' '.join(str(error).split())
        raise ConfigError(f'{path} is no label map, {{name, label_space, tags: [{{tag, name, '
                          f'color, class}}]}}; problem: {problem}') from None


def _code(entry: Any, space: LabelSpace) -> Code:  # noqa: ANN401
    red, green, blue = (int(v) for v in entry['color'])
    class_id = UNLABELLED if entry['class'] is None else space.id_of(entry['class'])
    return Code(int(entry['tag']), str(entry['name']), (red, green, blue), class_id)


def _carla_table(name: str) -> str:
    """The table for a version of CARLA; any other name is itself."""
    match = _CARLA.fullmatch(name)
    if match is None:
        return name
    version = tuple(int(part) for part in match.groups())
    if version < _FIRST_CARLA:
        return name
    return 'carla-0.9.13' if version < _RENUMBERED_CARLA else 'carla-0.9.14'


def _pixels(message: Any) -> npt.NDArray[Any]:  # noqa: ANN401
    """[H, W] of one channel, else uint8 [H, W, 3] red first."""
    if not hasattr(message, 'format'):
        if message.encoding in _ONE_CHANNEL:
            return image_pixels(message, _ONE_CHANNEL[message.encoding], 1)
        return decode_color(message)
    if 'png' not in message.format.lower():
        raise BadMessageError('format', f'{message.format!r}; labels need png')
    pixels = decode_compressed(message_bytes(message.data), cv2.IMREAD_UNCHANGED)
    if pixels.ndim == 2:
        return pixels
    if pixels.dtype != np.uint8:
        raise BadMessageError('data', f'{pixels.dtype} colours; allowed: uint8')
    return np.ascontiguousarray(pixels[..., 2::-1])


def _packed(color: tuple[int, int, int]) -> int:
    return color[0] << 16 | color[1] << 8 | color[2]
