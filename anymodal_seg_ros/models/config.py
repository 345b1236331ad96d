# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What an M-SegFormer is, as plain data that a bundle keeps. Layer: models; no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models.mit import BACKBONES

RGB_MEAN = (123.675, 116.28, 103.53)
RGB_STD = (58.395, 57.12, 57.375)
STEMS = ('shared', 'per_modality')
ENCODERS = ('shared', 'per_modality', 'adapters')
FUSIONS = ('mean', 'reliability')


@dataclass(frozen=True, kw_only=True)
class MSegFormerConfig:
    """What the network is. ``mean`` and ``std`` are in 0..255 units, for red, green, blue.

    Modalities without an entry get ImageNet's statistics (rgb) or mean 0 and std 255.
    ``head_dim`` 0 means 256 for b0 and b1, 768 for the larger ones.
    """

    backbone: str = 'b0'
    num_classes: int = 25
    head_dim: int = 0
    modalities: tuple[str, ...] = ('rgb', 'depth', 'lidar', 'event')
    stem: str = 'shared'
    """'per_modality' gives each sensor its own first patch embedding (4,800 weights on b0)."""
    encoder: str = 'shared'
    """'adapters' adds a small residual bottleneck after each stage for each sensor,
    'per_modality' gives each sensor a whole encoder of its own."""
    fusion: str = 'mean'
    """'reliability' weights the sensors at each pixel by a learned score."""
    drop_path: float = 0.1
    mean: Mapping[str, Sequence[float]] = field(default_factory=dict)
    std: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.backbone, str) or self.backbone not in BACKBONES:
            raise ConfigError(f'backbone {self.backbone!r}; allowed: {", ".join(BACKBONES)}')
        _check_int('num_classes', self.num_classes, 1, 255)
        _check_int('head_dim', self.head_dim, 0, 4096)
        if self.head_dim == 0:
            object.__setattr__(self, 'head_dim', 256 if self.backbone in ('b0', 'b1') else 768)
        if self.stem not in STEMS:
            raise ConfigError(f'stem {self.stem!r}; allowed: {", ".join(STEMS)}')
        if self.encoder not in ENCODERS:
            raise ConfigError(f'encoder {self.encoder!r}; allowed: {", ".join(ENCODERS)}')
        if self.encoder == 'per_modality' and self.stem != 'per_modality':
            raise ConfigError(
                f"stem {self.stem!r}; allowed with encoder 'per_modality': per_modality"
            )
        if self.fusion not in FUSIONS:
            raise ConfigError(f'fusion {self.fusion!r}; allowed: {", ".join(FUSIONS)}')
        rate = self.drop_path
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate < 1:
            raise ConfigError(f'drop_path {rate!r}; allowed: 0 to below 1')
        object.__setattr__(self, 'modalities', _checked_modalities(self.modalities))
        object.__setattr__(self, 'mean', self._statistics('mean', self.mean, RGB_MEAN, 0.0))
        object.__setattr__(self, 'std', self._statistics('std', self.std, RGB_STD, 255.0))

    def _statistics(
        self, name: str, given: object, rgb: Sequence[float], other: float
    ) -> dict[str, tuple[float, ...]]:
        if not isinstance(given, Mapping) or not set(given) <= set(self.modalities):
            raise ConfigError(
                f'{name} {given!r}; allowed: three numbers for each of {list(self.modalities)}'
            )
        statistics = {}
        for modality in self.modalities:
            value = given.get(modality, rgb if modality == 'rgb' else (other,) * 3)
            statistics[modality] = _checked_channels(f'{name} of {modality}', value, name == 'std')
        return statistics

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data; ``from_dict`` reads it back to an equal config."""
        data = asdict(self)
        data['modalities'] = list(self.modalities)
        for name in ('mean', 'std'):
            data[name] = {key: list(value) for key, value in data[name].items()}
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MSegFormerConfig:
        """Raises ConfigError for an unknown key or a value that is not allowed."""
        allowed = [f.name for f in fields(cls)]
        unknown = sorted(set(data) - set(allowed))
        if unknown:
            raise ConfigError(f'unknown model setting {unknown[0]!r}; allowed: {allowed}')
        return cls(**data)


def _check_int(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f'{name} {value!r}; allowed: an integer from {low} to {high}')


def _checked_modalities(names: object) -> tuple[str, ...]:
    valid = (
        isinstance(names, (list, tuple))
        and 1 <= len(names) <= 16
        and all(isinstance(name, str) and name.isidentifier() for name in names)
        and len(set(names)) == len(names)
    )
    if not valid:
        raise ConfigError(f'modalities {names!r}; allowed: 1 to 16 different names')
    assert isinstance(names, (list, tuple))
    return tuple(names)


def _checked_channels(name: str, value: object, positive: bool) -> tuple[float, ...]:
    numbers: list[float] = []
    if isinstance(value, (list, tuple)):
        numbers = [v for v in value if isinstance(v, (int, float)) and not isinstance(v, bool)]
    low = 1e-3 if positive else -255.0
    if len(numbers) != 3 or not all(low <= v <= 1e3 for v in numbers):
        raise ConfigError(f'{name} {value!r}; allowed: three numbers from {low} to 1000')
    return tuple(float(v) for v in numbers)
