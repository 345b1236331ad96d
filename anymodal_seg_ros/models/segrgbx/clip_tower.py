# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MA-CLIP's image tower: CLIP, frozen, with a LoRA adapter for each kind of sensor. Layer: models;
torch only.

Source: Liu et al., "SegRGB-X", arXiv 2603.28023, section on MA-CLIP; LoRA: Hu et al., ICLR 2022.
The tower is that of ``transformers``, the adapters are those of ``peft``; the paper tells neither
CLIP's size nor rank and place of the adapters: ViT-B/16, rank 16, on query, key, value and output.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anymodal_seg_ros import limits
from anymodal_seg_ros.errors import ConfigError, MissingDependencyError
from anymodal_seg_ros.models.segrgbx.clip_adapters import (
    ALPHA_PER_RANK,
    DROPOUT,
    FACTORS,
    TARGETS,
    load_adapters,
)
from anymodal_seg_ros.models.segrgbx.clip_folder import check_clip, load_clip, read_clip_size
from anymodal_seg_ros.models.segrgbx.clip_sizes import CLIP_SIZES, MAX_RANK, RANK, ClipSize

MEAN = (122.7709383, 116.7460125, 104.09373615)
STD = (68.5005327, 66.6321579, 70.32316305)
"""CLIP's own, in 0..255 units."""
_ADAPTERS = 'adapters'
_VISION = 'vision'


class ModalityClip(nn.Module):
    """Unit vectors of images, each by way of one adapter or of none.

    Fresh adapters change nothing. All is frozen and in evaluation mode, whatever is asked of the
    network around it, but for what ``learn`` opens. Not for several threads at a time.

    In its state adapters lie apart from the tower, which has the names that ``transformers``
    gives it: ``adapters.<adapter>.<layer>.lora_A.weight`` and ``vision.<layer>.weight``.

    Args:
        size: of the tower; ``CLIP_SIZES`` has those of published weights.
        adapters: their names; those of modalities.
        rank: of every adapter.

    Raises:
        ConfigError: a name that is none, or that comes twice; or a rank that is not allowed.
        MissingDependencyError: transformers or peft is not installed.
    """

    def __init__(self, size: ClipSize, adapters: tuple[str, ...], rank: int = RANK) -> None:
        super().__init__()
        if len(set(adapters)) != len(adapters) or not all(map(str.isidentifier, adapters)):
            raise ConfigError.of('adapters', adapters, 'different names')
        limits.whole('rank', rank, 1, MAX_RANK)
        self.size, self.adapters, self.rank = size, tuple(adapters), rank
        transformers, peft = library('transformers'), library('peft')
        self.vision = transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig(
            image_size=size.image_px, patch_size=size.patch_px, hidden_size=size.width,
            num_hidden_layers=size.layers, num_attention_heads=size.heads,
            intermediate_size=size.mlp_dim, projection_dim=size.dim,
            hidden_act=size.activation))
        with warnings.catch_warnings():
            # Of a second adapter, which is meant.
            warnings.filterwarnings('ignore', message='Already found a `peft_config` attribute')
            for name in adapters:
                peft.inject_adapter_in_model(
                    peft.LoraConfig(r=rank, lora_alpha=ALPHA_PER_RANK * rank,
                                    lora_dropout=DROPOUT, target_modules=list(TARGETS)),
                    self.vision, name)
        self._adapted = {name: layer for name, layer in self.vision.named_modules()
                         if hasattr(layer, 'base_layer')}
        self._is_learning = False
        self.requires_grad_(False)
        super().train(False)

    @torch.no_grad()
    def embed(self, x_PCHW: Tensor, adapter_P: Sequence[str | None]) -> Tensor:
        """float32 [P, D] of unit length.

        Args:
            x_PCHW: three channels of any size, uint8 or float in 0..255.
            adapter_P: of each row an adapter, or None for CLIP as it is.

        Raises:
            ValueError: an unknown adapter, or another number of them than of rows, or no row.
        """
        if not adapter_P or len(adapter_P) != len(x_PCHW):
            raise ValueError(f'{len(adapter_P)} adapters for {len(x_PCHW)} images')
        rows: dict[str | None, list[int]] = {}
        for row, adapter in enumerate(adapter_P):
            rows.setdefault(adapter, []).append(row)
        with torch.autocast(x_PCHW.device.type, enabled=False):
            parts = [self(x_PCHW[chosen] if len(rows) > 1 else x_PCHW, adapter)
                     for adapter, chosen in rows.items()]
        order = [row for chosen in rows.values() for row in chosen]
        return torch.cat(parts)[sorted(range(len(order)), key=order.__getitem__)]

    def forward(self, x_PCHW: Tensor, adapter: str | None) -> Tensor:
        """As ``embed``, with one adapter for all rows; gradients reach it while it learns."""
        self._use(adapter)
        s_PD: Tensor = self.vision(pixel_values=self.pixels(x_PCHW)).image_embeds
        return F.normalize(s_PD.float(), dim=-1)

    def pixels(self, x_PCHW: Tensor) -> Tensor:
        """What the tower sees: the whole image as a square, normalised, in the weights' dtype."""
        x_PCHW = whole_square(x_PCHW, self.size.image_px)
        # Constants and no buffers, which would lose digits together with the weights.
        mean_C, std_C = (torch.tensor(row, device=x_PCHW.device) for row in (MEAN, STD))
        x_PCHW = (x_PCHW - mean_C[:, None, None]) / std_C[:, None, None]
        return x_PCHW.to(self.vision.visual_projection.weight.dtype)

    @classmethod
    def from_clip(cls, folder: Path, adapters: tuple[str, ...], rank: int = RANK) -> ModalityClip:
        """Of the size and with the weights of a CLIP in a folder, with fresh adapters.

        Raises:
            ConfigError: see the class and ``load_clip``. What the files hold is looked at before
                memory is taken for it.
        """
        size = read_clip_size(folder)
        with torch.device('meta'):
            check_clip(cls(size, ()), folder)
        tower = cls(size, adapters, rank)
        load_clip(tower, folder)
        return tower

    def load_pretrained(self, path: str | Path) -> None:
        """Take tower and adapters from a folder that ``training.ma_clip`` wrote.

        Raises:
            ConfigError: there is none, it is of another size or rank, or lacks an adapter.
        """
        load_clip(self, Path(path))
        load_adapters(self, Path(path))

    def learn(self, *, on: bool) -> None:
        """Whether adapters take gradients and drop some of what goes into them."""
        self._is_learning = on
        for layer in self._adapted.values():
            layer.lora_dropout.train(on)
        for parameter in self.adapter_parameters():
            parameter.requires_grad_(on)

    def adapter_parameters(self) -> Iterator[nn.Parameter]:
        """Of all adapters."""
        for layer in self._adapted.values():
            for factor in FACTORS:
                yield from getattr(layer, factor).parameters()

    def train(self, mode: bool = True) -> ModalityClip:
        """Changes nothing."""
        return self

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as of nn.Module
        """See the class."""
        state = super().state_dict(*args, **kwargs)
        prefix = kwargs.get('prefix', '')
        _rename(state, prefix, _own_name)
        return state

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str,
                              *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        _rename(state_dict, prefix, self._library_name)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def _library_name(self, name: str) -> str:
        part, *path, leaf = name.split('.')
        if part == _ADAPTERS:
            adapter, *layer, factor = path
            return '.'.join([_VISION, *layer, factor, adapter, leaf])
        base = ['base_layer'] if '.'.join(path) in self._adapted else []
        return '.'.join([part, *path, *base, leaf])

    def _use(self, adapter: str | None) -> None:
        if adapter is not None and adapter not in self.adapters:
            raise ValueError(f'adapter is {adapter!r}; allowed: {[*self.adapters, None]}')
        names = [] if adapter is None else [adapter]
        for layer in self._adapted.values():
            layer.set_adapter(names, inference_mode=not self._is_learning)


def whole_square(x_PCHW: Tensor, side_px: int) -> Tensor:
    """Images [P, C, H, W] in 0..255, as float32 squares of that side; nothing is cut off."""
    x_PCHW = x_PCHW.float()
    if x_PCHW.shape[-2:] == (side_px, side_px):
        return x_PCHW
    size_hw = (side_px, side_px)
    return F.interpolate(x_PCHW, size=size_hw, mode='bicubic', antialias=True).clamp(0, 255)


def _own_name(name: str) -> str:
    part, *path, leaf = name.split('.')
    if path[-1:] == ['base_layer']:
        return '.'.join([part, *path[:-1], leaf])
    if path[-2:-1] and path[-2] in FACTORS:
        *layer, factor, adapter = path
        return '.'.join([_ADAPTERS, adapter, *layer, factor, leaf])
    return name


def _rename(state: dict[str, Any], prefix: str, renamed: Callable[[str], str]) -> None:
    for name in [name for name in state if name.startswith(prefix)]:
        value = state.pop(name)
        state[prefix + renamed(name.removeprefix(prefix))] = value


def library(name: str) -> Any:  # noqa: ANN401 - a module
    """transformers or peft; raises MissingDependencyError."""
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingDependencyError(
            f'MA-CLIP needs transformers and peft ({error}); install them with: '
            'pip install transformers peft') from None


__all__ = ['CLIP_SIZES', 'ClipSize', 'ModalityClip']
