# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Label spaces: class ids, names and colours, read from ``config/labels/*.yaml``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.documents import read_yaml
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.existence import is_file
from anymodal_seg_ros.resources import resource_path

UNLABELLED = 255


@dataclass(frozen=True, slots=True)
class LabelSpace:
    """Ordered classes; the id of a class is its index. ``UNLABELLED`` (255) is never a class."""

    name: str
    class_names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.class_names) <= UNLABELLED:
            raise ConfigError(
                f'label space {self.name!r} has {len(self.class_names)} classes; 1 to 255 allowed'
            )
        if len(set(self.class_names)) != len(self.class_names):
            raise ConfigError(f'label space {self.name!r} names a class twice')
        if len(self.colors) != len(self.class_names):
            raise ConfigError(f'label space {self.name!r} needs one colour for each class')
        if any(len(color) != 3 or not all(0 <= v <= 255 for v in color) for color in self.colors):
            raise ConfigError(f'label space {self.name!r}: a colour is three integers in 0..255')

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    def id_of(self, class_name: str) -> int:
        """The id of a class; raises ConfigError for a name that is not in the space."""
        try:
            return self.class_names.index(class_name)
        except ValueError:
            raise ConfigError(
                f'no class {class_name!r} in label space {self.name!r}; '
                f'it has {", ".join(self.class_names)}'
            ) from None

    def palette(self) -> npt.NDArray[np.uint8]:
        """uint8 [256, 3] RGB; ids that are no class are black."""
        palette = np.zeros((256, 3), np.uint8)
        palette[: self.num_classes] = self.colors
        return palette

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in the YAML files and in a bundle."""
        return {
            'name': self.name,
            'classes': [
                {'id': i, 'name': name, 'color': list(color)}
                for i, (name, color) in enumerate(zip(self.class_names, self.colors, strict=True))
            ],
        }

    @classmethod
    def from_dict(cls, data: object) -> LabelSpace:
        """Inverse of ``to_dict``; raises ConfigError when a field is missing or wrong."""
        try:
            assert isinstance(data, dict)
            classes = data['classes']
            ids = [entry['id'] for entry in classes]
            names = tuple(str(entry['name']) for entry in classes)
            colors = tuple(tuple(int(v) for v in entry['color']) for entry in classes)
            name = str(data['name'])
        except (AssertionError, LookupError, TypeError, ValueError, OverflowError) as error:
            raise ConfigError(
                'a label space is {name, classes: [{id, name, color: [r, g, b]}]}; '
                f'problem: {error!r}'
            ) from None
        if ids != list(range(len(ids))):
            raise ConfigError(f'label space {name!r}: ids must be 0, 1, 2, ... in order, '
                              f'not {ids}')
        return cls(name, names, colors)  # type: ignore[arg-type]  # lengths checked in __post_init__


def load_label_space(name_or_path: str | Path) -> LabelSpace:
    """Read a label space by name (``'deliver'``) or from a YAML file.

    Raises:
        ConfigError: no such file, or it is not a label space.
    """
    path = Path(name_or_path)
    if path.suffix not in ('.yaml', '.yml'):
        path = resource_path('config') / 'labels' / f'{name_or_path}.yaml'
    if not is_file(path):
        raise ConfigError(f'no label space at {path}')
    return LabelSpace.from_dict(read_yaml(path))
