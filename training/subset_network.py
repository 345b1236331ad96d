# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A network run on batches of frames: every combination of sensors from one encoding of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.inference.torch_backend import PRECISIONS
from anymodal_seg_ros.labels import UNLABELLED
from anymodal_seg_ros.models import FeatureMaps, MSegFormer
from anymodal_seg_ros.models.m_segformer import DROP, ZERO
from training.datasets import Frame

Subset = tuple[str, ...]
Counts = npt.NDArray[np.int64]


class SubsetNetwork:
    """Predictions of a network in evaluation mode, in the precision of its weights.

    An image's predictions do not depend on the others of its batch. On a GPU, the size of a
    batch can change which kernel is chosen, and with it the last bit of a logit. The weights
    must stay as they are while this is in use.
    """

    def __init__(self, model: MSegFormer) -> None:
        self.model = model.eval()
        self.modalities = model.config.modalities
        self._num_classes = model.config.num_classes
        self._absent: tuple[tuple[int, tuple[int, int]], FeatureMaps] | None = None

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.model.parameters()).device

    @property
    def precision(self) -> str:
        """'fp32', 'bf16' or 'fp16'."""
        dtype = next(self.model.encoder.parameters()).dtype
        return next(name for name, known in PRECISIONS.items() if known == dtype)

    def __call__(
        self, images: Mapping[str, npt.NDArray[np.generic]], out_hw: tuple[int, int]
    ) -> npt.NDArray[np.uint8]:
        """Labels [H, W] of one instant; modality to image [h, w, 3], absent ones left out."""
        with torch.inference_mode():
            x = {name: self._stacked([image]) for name, image in images.items()}
            logits_BKhw = self.model.forward_logits_stride4(x)
            labels: npt.NDArray[np.uint8] = (
                _labels_at(logits_BKhw, out_hw).to(torch.uint8).cpu().numpy())
        return labels

    @torch.inference_mode()
    def encode(self, images: Mapping[str, Sequence[npt.NDArray[np.generic]]]) -> FeatureMaps:
        """Maps of B images [H, W, 3], uint8 or float32 in 0..255, of each modality."""
        return self.model.encode({name: self._stacked(many) for name, many in images.items()})

    @torch.inference_mode()
    def encode_normalized(
        self, x: Mapping[str, Sequence[npt.NDArray[np.float32]]]
    ) -> FeatureMaps:
        """Maps of B normalised images [3, H, W] of each modality."""
        return self.model.encode_normalized({
            name: torch.from_numpy(np.stack(many)).to(self.device) for name, many in x.items()})

    def normalized(
        self, modality: str, image: npt.NDArray[np.generic]
    ) -> npt.NDArray[np.float32]:
        """[H, W, 3] to float32 [3, H, W] as the network's own normalisation makes it."""
        row = self.modalities.index(modality)
        mean_3 = self.model.mean_M3[row].cpu().numpy()
        std_3 = self.model.std_M3[row].cpu().numpy()
        x_HWC = (image.astype(np.float32) - mean_3) / std_3
        return np.ascontiguousarray(x_HWC.transpose(2, 0, 1))

    @torch.inference_mode()
    def logits_of_subsets(
        self, features: FeatureMaps, subsets: Sequence[Subset], missing: str = DROP,
        size_hw: tuple[int, int] = (0, 0),
    ) -> dict[Subset, Tensor]:
        """Logits [B, K, H/4, W/4] of each subset of the modalities that every sample has.

        Args:
            missing: 'drop' leaves out what a subset lacks, 'zero' encodes a normalised input of
                zeros in its place.
            size_hw: of the network's input, for 'zero'.
        """
        absent = None
        if missing == ZERO:
            absent = self._absent_features(features.num_samples, size_hw)
        return self.model.logits_of_feature_subsets(features, list(subsets), absent)

    @torch.inference_mode()
    def logits(self, features: FeatureMaps) -> Tensor:
        """Logits [B, K, H/4, W/4] of all modalities that each sample has."""
        return self.model.decode(self.model.fuse(features))

    @torch.inference_mode()
    def counts(self, logits_BKhw: Tensor, truths: Sequence[Tensor]) -> list[Counts]:
        """Confusion counts int64 [K, K + 1] of each sample, at the size of its truth.

        Args:
            truths: as ``truth_of`` made them.
        """
        width = self._num_classes + 1
        counted = []
        for logits_Khw, truth_HW in zip(logits_BKhw, truths, strict=True):
            height, width_px = truth_HW.shape
            pairs_HW = truth_HW + _labels_at(logits_Khw[None], (height, width_px))
            counts = torch.bincount(pairs_HW.flatten(), minlength=width * width)
            # The last row holds the unlabelled pixels.
            counted.append(counts.view(width, width)[:-1].cpu().numpy())
        return counted

    def truth_of(self, frame: Frame) -> Tensor:
        """A frame's labels as ``counts`` takes them, on the device.

        Raises:
            ConfigError: a label is neither a class of the network nor 255.
        """
        labels = frame.labels
        known = labels != UNLABELLED
        largest = int(labels.max(initial=0, where=known))
        if largest >= self._num_classes:
            raise ConfigError(f'{frame.id} has label {largest}; the network knows '
                              f'0 to {self._num_classes - 1}, and {UNLABELLED} is unlabelled')
        rows = np.where(known, labels, self._num_classes).astype(np.int64)
        return torch.from_numpy(rows * (self._num_classes + 1)).to(self.device)

    def _absent_features(self, num_samples: int, size_hw: tuple[int, int]) -> FeatureMaps:
        """Maps of inputs of zeros; kept for the next batch."""
        key = (num_samples, size_hw)
        if self._absent is None or self._absent[0] != key:
            self._absent = key, self.model.encode_absent(num_samples, size_hw)
        return self._absent[1]

    def _stacked(self, images: Sequence[npt.NDArray[np.generic]]) -> Tensor:
        stacked_BHWC = torch.from_numpy(np.stack(images))
        return stacked_BHWC.to(self.device).permute(0, 3, 1, 2)


def _labels_at(logits_1Khw: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """int64 [H, W]: argmax of the logits upsampled bilinearly in one step."""
    # Classes last: the maximum over them then reads memory in order.
    logits_1Khw = logits_1Khw.float().contiguous(memory_format=torch.channels_last)
    logits_1KHW = F.interpolate(logits_1Khw, size=size_hw, mode='bilinear', align_corners=False)
    labels_HW: Tensor = logits_1KHW[0].permute(1, 2, 0).max(-1).indices
    return labels_HW


@contextmanager
def exact_float32() -> Iterator[None]:
    """Convolutions on a GPU in real float32, by the same kernel every time."""
    cudnn = torch.backends.cudnn
    before = cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark
    cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark = False, True, False
    try:
        yield
    finally:
        cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark = before
