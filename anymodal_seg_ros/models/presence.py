# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images, and which sample has which modality. Layer: models; torch only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from anymodal_seg_ros.models.network_config import MIN_INPUT_PX
from anymodal_seg_ros.models.subsets import MISSING_MODES


def check_images(images: Mapping[str, Tensor], modalities: Sequence[str]) -> int:
    """The batch size of well-formed images; raises ValueError otherwise."""
    if not images:
        raise ValueError(f'no images; at least one of {list(modalities)} is needed')
    shape = next(iter(images.values())).shape
    for modality, x_BCHW in images.items():
        if modality not in modalities:
            raise ValueError(f'unknown modality {modality!r}; the network has {list(modalities)}')
        is_image = x_BCHW.ndim == 4 and x_BCHW.shape[1] == 3 and len(x_BCHW) > 0
        if not is_image or min(x_BCHW.shape[2:]) < MIN_INPUT_PX:
            raise ValueError(
                f'{modality} images are {tuple(x_BCHW.shape)}; '
                f'allowed: [B, 3, H, W] with B of at least 1, H and W of {MIN_INPUT_PX}'
            )
        if x_BCHW.shape != shape:
            raise ValueError(
                f'{modality} images are {tuple(x_BCHW.shape)} but others {tuple(shape)}; '
                'all modalities need one shape'
            )
    return int(shape[0])


def check_presence(
    images: Mapping[str, Tensor], present_BM: Tensor | None, modalities: Sequence[str]
) -> Tensor:
    """Which sample has which modality, bool [B, M] on the CPU; raises ValueError.

    None stands for all of ``images`` in every sample.
    """
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


def check_missing(missing: str) -> None:
    """Raises ValueError."""
    if missing not in MISSING_MODES:
        raise ValueError(f'missing is {missing!r}; allowed: {", ".join(MISSING_MODES)}')


def present_rows(
    images: Mapping[str, Tensor], present_BM: Tensor, modalities: Sequence[str]
) -> dict[str, Tensor]:
    """The samples of each modality that have it; a modality without any is left out."""
    inputs = {}
    for column, modality in enumerate(modalities):
        rows = present_BM[:, column].nonzero().flatten()
        if len(rows) == 0:
            continue
        x_BCHW = images[modality]
        if len(rows) < len(x_BCHW):
            x_BCHW = x_BCHW.index_select(0, rows.to(x_BCHW.device, non_blocking=True))
        inputs[modality] = x_BCHW
    return inputs


def zero_filled(
    x: Mapping[str, Tensor], present_BM: Tensor, modalities: Sequence[str]
) -> tuple[dict[str, Tensor], Tensor]:
    """Normalised images with zeros for what is absent, and the presence of all of them."""
    filled: dict[str, Tensor] = {}
    for modality, x_BCHW in x.items():
        absent_B = ~present_BM[:, modalities.index(modality)]
        if absent_B.any():
            mask_B111 = absent_B[:, None, None, None].to(x_BCHW.device, non_blocking=True)
            x_BCHW = x_BCHW.masked_fill(mask_B111, 0.0)
        filled[modality] = x_BCHW
    zeros = torch.zeros_like(next(iter(filled.values())))
    return {name: filled.get(name, zeros) for name in modalities}, torch.ones_like(present_BM)
