# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""M-SegFormer: one encoder for every sensor, mean over those present. Layer: models; torch only.

Source: the shared-encoder baseline of AnySeg (arXiv 2411.17141) and RobustSeg (CVPR 2026).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models.head import FoldedMlpHead, MlpHead
from anymodal_seg_ros.models.mit import BACKBONES, MIN_INPUT_PX, SHARED_STEM, MixTransformer

RGB_MEAN = (123.675, 116.28, 103.53)
RGB_STD = (58.395, 57.12, 57.375)
STEMS = ('shared', 'per_modality')


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
    drop_path: float = 0.1
    mean: Mapping[str, Sequence[float]] = field(default_factory=dict)
    std: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            raise ConfigError(f'backbone {self.backbone!r}; allowed: {", ".join(BACKBONES)}')
        _check_int('num_classes', self.num_classes, 1, 255)
        _check_int('head_dim', self.head_dim, 0, 4096)
        if self.head_dim == 0:
            object.__setattr__(self, 'head_dim', 256 if self.backbone in ('b0', 'b1') else 768)
        if self.stem not in STEMS:
            raise ConfigError(f'stem {self.stem!r}; allowed: {", ".join(STEMS)}')
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


class MSegFormer(nn.Module):
    """Segments from any non-empty subset of its modalities."""

    def __init__(self, config: MSegFormerConfig) -> None:
        super().__init__()
        self.config = config
        size = BACKBONES[config.backbone]
        stems = config.modalities if config.stem == 'per_modality' else (SHARED_STEM,)
        self.encoder = MixTransformer(size, stems=stems, drop_path=config.drop_path)
        self.head: MlpHead | FoldedMlpHead = MlpHead(
            size.dims, config.head_dim, config.num_classes
        )
        self.mean_M3: Tensor
        self.std_M3: Tensor
        for name, table in (('mean_M3', config.mean), ('std_M3', config.std)):
            rows = [[float(v) for v in table[modality]] for modality in config.modalities]
            self.register_buffer(name, torch.tensor(rows))

    def normalize(self, modality: str, x_BCHW: Tensor) -> Tensor:
        """(x - mean) / std of that modality, in the dtype of the encoder's weights."""
        row = self.config.modalities.index(modality)
        # Statistics stay float32: 0..255 has no room for rounding in half precision.
        std_C11 = self.std_M3[row, :, None, None]
        mean_C11 = self.mean_M3[row, :, None, None]
        x_BCHW = x_BCHW.to(dtype=torch.float32, memory_format=torch.channels_last)
        dtype = next(self.encoder.parameters()).dtype
        return ((x_BCHW - mean_C11) / std_C11).to(dtype)

    def encode(
        self, images: Mapping[str, Tensor], present_BM: Tensor | None = None
    ) -> tuple[list[Tensor], Tensor]:
        """Encode the present (sample, modality) pairs in one batch, modality after modality.

        Args:
            images: modality to [B, 3, H, W], uint8 or float in 0..255.
            present_BM: bool, columns as in ``config.modalities``; None means every sample has
                every modality of ``images``. On the CPU it costs no device synchronisation.

        Returns:
            Four maps [P, H/s, W/s, C_i] and bool [B, P]: which sample each of the P pairs is of.

        Raises:
            ValueError: see ``forward``.
        """
        present_BM = self._checked_presence(images, present_BM)
        tokens, owners = [], []
        for column, modality in enumerate(self.config.modalities):
            rows = present_BM[:, column].nonzero().flatten()
            if len(rows) == 0:
                continue
            x_BCHW = images[modality]
            if len(rows) < len(x_BCHW):
                x_BCHW = x_BCHW.index_select(0, rows.to(x_BCHW.device))
            stem = modality if self.config.stem == 'per_modality' else SHARED_STEM
            tokens.append((stem, self.normalize(modality, x_BCHW)))
            owners.append(rows)
        owner_BP = F.one_hot(torch.cat(owners), len(present_BM)).T.bool()
        return self.encoder.forward_stages(self._stem(tokens)), owner_BP

    def _stem(self, inputs: Sequence[tuple[str, Tensor]]) -> Tensor:
        if self.config.stem == 'shared':
            return self.encoder.forward_stem(torch.cat([x for _, x in inputs]))
        return torch.cat([self.encoder.forward_stem(x, stem) for stem, x in inputs])

    def forward_logits_stride4(
        self, images: Mapping[str, Tensor], present_BM: Tensor | None = None
    ) -> Tensor:
        """As ``forward`` but without the last upsampling: [B, K, H/4, W/4]."""
        features, owner_BP = self.encode(images, present_BM)
        return self.head([mean_over_present(x_PHWC, owner_BP) for x_PHWC in features])  # type: ignore[no-any-return]

    def forward(
        self, images: Mapping[str, Tensor], present_BM: Tensor | None = None
    ) -> Tensor:
        """Logits [B, K, H, W] at the size of the images.

        Args:
            images: modality to [B, 3, H, W], uint8 or float in 0..255; absent ones left out.
            present_BM: bool, which sample has which modality, columns as in
                ``config.modalities``; None means all of ``images`` for every sample.

        Raises:
            ValueError: unknown modality, images of different or too small shapes, a presence
                mask of another shape, or a sample without any modality.
        """
        logits_BKhw = self.forward_logits_stride4(images, present_BM)
        size_hw = next(iter(images.values())).shape[-2:]
        return F.interpolate(logits_BKhw, size=size_hw, mode='bilinear', align_corners=False)

    def fold_head(self) -> None:
        """Replace the head by its evaluation-only form; the network can no longer be trained."""
        if isinstance(self.head, MlpHead):
            self.head = self.head.folded()

    def _checked_presence(
        self, images: Mapping[str, Tensor], present_BM: Tensor | None
    ) -> Tensor:
        modalities = self.config.modalities
        batch = check_images(images, modalities)
        given_M = torch.tensor([modality in images for modality in modalities])
        if present_BM is None:
            return given_M.expand(batch, -1)
        if present_BM.dtype != torch.bool or present_BM.shape != (batch, len(modalities)):
            raise ValueError(
                f'present_BM is {present_BM.dtype} {tuple(present_BM.shape)}; '
                f'allowed: bool {(batch, len(modalities))} with columns {list(modalities)}'
            )
        present_BM = present_BM.cpu()
        surplus = (present_BM & ~given_M).any(0)
        if surplus.any():
            names = [m for m, wrong in zip(modalities, surplus.tolist(), strict=True) if wrong]
            raise ValueError(f'present_BM has {names}, for which no images were given')
        empty = (~present_BM.any(1)).nonzero().flatten().tolist()
        if empty:
            raise ValueError(f'samples {empty} have no present modality; at least one is needed')
        return present_BM


def check_images(images: Mapping[str, Tensor], modalities: Sequence[str]) -> int:
    """The batch size of well-formed images; raises ValueError otherwise."""
    if not images:
        raise ValueError(f'no images; at least one of {list(modalities)} is needed')
    shape = next(iter(images.values())).shape
    for modality, x_BCHW in images.items():
        if modality not in modalities:
            raise ValueError(f'unknown modality {modality!r}; the network has {list(modalities)}')
        if x_BCHW.ndim != 4 or x_BCHW.shape[1] != 3 or min(x_BCHW.shape[2:]) < MIN_INPUT_PX:
            raise ValueError(
                f'{modality} images are {tuple(x_BCHW.shape)}; '
                f'allowed: [B, 3, H, W] with H and W of at least {MIN_INPUT_PX}'
            )
        if x_BCHW.shape != shape:
            raise ValueError(
                f'{modality} images are {tuple(x_BCHW.shape)} but others {tuple(shape)}; '
                'all modalities need one shape'
            )
    return int(shape[0])


def mean_over_present(x_PHWC: Tensor, owner_BP: Tensor) -> Tensor:
    """Mean of each sample's maps: [P, H, W, C] and bool [B, P] to [B, H, W, C].

    A product with the 0/1 matrix rather than ``index_add``: on a GPU the latter sums in no
    fixed order, and results would change from run to run.
    """
    counts_B = owner_BP.sum(1)
    if bool((counts_B == 1).all()) and owner_BP.shape[0] == owner_BP.shape[1]:
        order = owner_BP.int().argmax(1)
        if torch.equal(order, torch.arange(len(order))):
            return x_PHWC
    owner = owner_BP.to(device=x_PHWC.device, dtype=x_PHWC.dtype)
    total = (owner @ x_PHWC.flatten(1)).view(-1, *x_PHWC.shape[1:])
    return total / counts_B.to(total.device, total.dtype)[:, None, None, None]
