# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a sensor's image finds the caption of its scene, with its adapter and without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from anymodal_seg_ros.models.segrgbx.clip_tower import ModalityClip
from training.datasets import spread
from training.ma_clip.config import CAMERA
from training.ma_clip.pairs import CaptionedFrames

BATCH = 32


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """Of the frames of one sensor."""

    frames: int
    captions: int
    """Different ones, from which the right one is to be found."""
    top1: Mapping[str, float]
    """'clip' and 'adapter' to the percentage of frames whose own caption is the nearest."""
    alignment: Mapping[str, float]
    """The same to the mean cosine between the camera's vector and the sensor's."""


def retrieval(
    tower: ModalityClip, sets: Sequence[CaptionedFrames], texts_UD: Tensor, wanted: int,
    device: torch.device,
) -> dict[str, Retrieval]:
    """Of each sensor, over at most ``wanted`` frames of each data set that has it (0: all).

    Args:
        tower: on ``device``.
        texts_UD: the texts that captions name, of unit length.
    """
    found = {}
    for modality in tower.adapters:
        pairs = _pairs(modality, sets, wanted)
        if pairs:
            found[modality] = _of_pairs(tower, modality, pairs, texts_UD, device)
    return found


def table(scores: Mapping[str, Retrieval]) -> str:
    """Rows of sensors, for people."""
    lines = [f'{"sensor":14}{"frames":>8}{"captions":>10}{"nearest is own, %":>24}'
             f'{"cosine to camera":>24}',
             f'{"":32}{"clip":>14}{"adapter":>10}{"clip":>14}{"adapter":>10}']
    for name, of in scores.items():
        lines.append(f'{name:14}{of.frames:8}{of.captions:10}'
                     f'{of.top1["clip"]:14.1f}{of.top1["adapter"]:10.1f}'
                     f'{of.alignment["clip"]:14.3f}{of.alignment["adapter"]:10.3f}')
    return '\n'.join(lines)


def _pairs(
    modality: str, sets: Sequence[CaptionedFrames], wanted: int
) -> list[tuple[Tensor, Tensor, int]]:
    """Images uint8 [3, S, S] of camera and sensor, and the caption's number."""
    pairs = []
    for each in sets:
        if modality not in each.modalities:
            continue
        for index in spread(len(each.frames), wanted):
            frame = each.frames[index]
            if CAMERA in frame.images and modality in frame.images:
                camera, sensor = (torch.from_numpy(frame.images[m]) for m in (CAMERA, modality))
                pairs.append((camera, sensor, each.caption(frame)))
    return pairs


def _of_pairs(
    tower: ModalityClip, modality: str, pairs: Sequence[tuple[Tensor, Tensor, int]],
    texts_UD: Tensor, device: torch.device,
) -> Retrieval:
    used = sorted({caption for _, _, caption in pairs})
    own_F = torch.tensor([used.index(caption) for _, _, caption in pairs])
    texts_CD = texts_UD[used]
    top1, alignment = {}, {}
    for name, adapter in (('clip', None), ('adapter', modality)):
        vectors = []
        for begin in tqdm(range(0, len(pairs), BATCH), desc=f'{modality} {name}', leave=False,
                          unit='batch'):
            chosen = pairs[begin:begin + BATCH]
            images = torch.stack([image for pair in chosen for image in pair[:2]])
            vectors.append(tower.embed(images.to(device), [adapter] * len(images)).cpu())
        camera_FD, sensor_FD = torch.cat(vectors).view(len(pairs), 2, -1).unbind(1)
        nearest_F = (sensor_FD @ texts_CD.T).argmax(1)
        top1[name] = 100 * float((nearest_F == own_F).float().mean())
        alignment[name] = float((camera_FD * sensor_FD).sum(1).mean())
    return Retrieval(frames=len(pairs), captions=len(used), top1=top1, alignment=alignment)
