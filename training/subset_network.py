# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A network run on batches of frames: every combination of sensors from one encoding of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.inference.answer import labels_at
from anymodal_seg_ros.inference.precision import precision_name
from anymodal_seg_ros.labels import UNLABELLED
from anymodal_seg_ros.models import DROP, ZERO
from anymodal_seg_ros.models.features import FeatureMaps
from anymodal_seg_ros.models.m_segformer import MSegFormer
from training.datasets import Frame

Subset = tuple[str, ...]
Counts = npt.NDArray[np.int64]


class SubsetNetwork:
    """Predictions of a network in evaluation mode, in the precision of its weights.

    They are made by the calls that ``TorchSegmenter.predict`` makes. One frame with all the
    sensors it has gives the same bytes. Other batches and fewer sensors give the encoder a batch
    of another size: no image depends on the others of its batch, but the kernel that a library
    chooses may, and with it the last bit of a logit. The weights must stay as they are while this
    is in use.
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
        return precision_name(next(self.model.encoder.parameters()).dtype)

    def __call__(
        self, images: Mapping[str, npt.NDArray[np.generic]], out_hw: tuple[int, int]
    ) -> npt.NDArray[np.uint8]:
        """Labels [H, W] of one instant; modality to image [h, w, 3], absent ones left out."""
        with torch.inference_mode():
            x = {name: self._stacked([image]) for name, image in images.items()}
            logits_BKhw = self.model.forward_logits_stride4(x)
            labels: npt.NDArray[np.uint8] = (
                labels_at(logits_BKhw, out_hw)[0].to(torch.uint8).cpu().numpy())
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
            pairs_HW = truth_HW + labels_at(logits_Khw[None], (height, width_px))[0]
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
