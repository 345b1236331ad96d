# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every network is, as plain data that a bundle keeps. Layer: models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Annotated, Any, TypeVar

from anymodal_seg_ros import limits
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.ranges import Range

MIN_INPUT_PX = 32
"""A network takes images with sides of at least this."""
RGB_MEAN = (123.675, 116.28, 103.53)
RGB_STD = (58.395, 57.12, 57.375)
Config = TypeVar('Config', bound='NetworkConfig')


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Settings that all networks have; a network adds its own in a subclass.

    Raises:
        ConfigError: a value that is not allowed.
    """

    num_classes: Annotated[int, Range(1, 255)] = 25
    """Of the labels; training takes it from them."""
    modalities: tuple[str, ...] = ('rgb', 'depth', 'lidar', 'event')
    """Sensors that it takes, in this order."""
    mean: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """{modality: [red, green, blue]} in 0..255 units, subtracted from an image; without an entry
    ImageNet's (rgb) or 0."""
    std: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """The same for what an image is divided by; without an entry ImageNet's (rgb) or 255."""

    def __post_init__(self) -> None:
        limits.annotated(self)
        object.__setattr__(self, 'modalities', _checked_modalities(self.modalities))
        object.__setattr__(self, 'mean', self._statistics('mean', self.mean, RGB_MEAN, 0.0))
        object.__setattr__(self, 'std', self._statistics('std', self.std, RGB_STD, 255.0))

    def _statistics(
        self, name: str, given: object, rgb: Sequence[float], other: float
    ) -> dict[str, tuple[float, ...]]:
        if not isinstance(given, Mapping) or not set(given) <= set(self.modalities):
            raise ConfigError.of(
                name, given, f'three numbers for each of {list(self.modalities)}')
        statistics = {}
        for modality in self.modalities:
            value = given.get(modality, rgb if modality == 'rgb' else (other,) * 3)
            statistics[modality] = _checked_channels(f'{name} of {modality}', value, name == 'std')
        return statistics

    @property
    def needs_guide(self) -> bool:
        """Whether the network is of use only with a guide that was trained before; see
        ``GuidedNetwork.load_guide``."""
        return False

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data; ``from_dict`` reads it back to an equal config."""
        data = asdict(self)
        data['modalities'] = list(self.modalities)
        for name in ('mean', 'std'):
            data[name] = {key: list(value) for key, value in data[name].items()}
        return data

    @classmethod
    def from_dict(cls: type[Config], data: Mapping[str, Any]) -> Config:
        """Raises ConfigError for an unknown key or a value that is not allowed."""
        allowed = [f.name for f in fields(cls)]
        unknown = sorted(set(data) - set(allowed))
        if unknown:
            raise ConfigError(f'unknown model setting {unknown[0]!r}; allowed: {allowed}')
        return cls(**data)


def _checked_modalities(names: object) -> tuple[str, ...]:
    valid = (
        isinstance(names, (list, tuple))
        and 1 <= len(names) <= 16
        and all(isinstance(name, str) and name.isidentifier() for name in names)
        and len(set(names)) == len(names)
    )
    if not valid:
        raise ConfigError.of('modalities', names, '1 to 16 different names')
    assert isinstance(names, (list, tuple))
    return tuple(names)


def _checked_channels(name: str, value: object, positive: bool) -> tuple[float, ...]:
    numbers: list[float] = []
    if isinstance(value, (list, tuple)):
        numbers = [v for v in value if isinstance(v, (int, float)) and not isinstance(v, bool)]
    low = 1e-3 if positive else -255.0
    if len(numbers) != 3 or not all(low <= v <= 1e3 for v in numbers):
        raise ConfigError.of(name, value, f'three numbers from {low} to 1000')
    return tuple(float(v) for v in numbers)
