# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A network run on batches of frames, with every combination of their sensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.inference import Segmenter
from anymodal_seg_ros.inference.answer import labels_at
from anymodal_seg_ros.inference.precision import precision_name
from anymodal_seg_ros.inference.torch_backend import TorchSegmenter
from anymodal_seg_ros.labels import UNLABELLED
from anymodal_seg_ros.models import DROP, ZERO
from anymodal_seg_ros.models.abilities import GuidedNetwork, SeparableNetwork
from anymodal_seg_ros.models.features import FeatureMaps, select_modalities
from anymodal_seg_ros.models.network import Network, Subset
from anymodal_seg_ros.models.presence import check_presence, zero_filled
from training.datasets import ClassSets, Frame
from training.own_logits import own_logits

Encoded = Any
"""A batch between the runs of its combinations: ``encode`` it once, then ask for any of them."""
Counts = npt.NDArray[np.int64]


def subset_network(
    model: Network | Segmenter, class_sets: ClassSets | None = None
) -> SubsetNetwork:
    """Of a network, or of that in a loaded bundle, in the way that costs least for it; see
    ``SubsetNetwork``."""
    if not isinstance(model, Network):
        assert isinstance(model, TorchSegmenter)
        model = model.network
    if isinstance(model, SeparableNetwork):
        return SeparableSubsetNetwork(model, class_sets)
    if isinstance(model, GuidedNetwork):
        return GuidedSubsetNetwork(model, class_sets)
    return SubsetNetwork(model, class_sets)


class SubsetNetwork:
    """Predictions of a network in evaluation mode, in the precision of its weights.

    They are made by the calls that ``TorchSegmenter.predict`` makes. One frame with all the
    sensors it has gives the same bytes. Other batches and fewer sensors give the encoder a batch
    of another size: no image depends on the others of its batch, but the kernel that a library
    chooses may, and with it the last bit of a logit. Each combination is a run of the whole
    network: of a batch the normalised images are held.

    Args:
        model: the network.
        class_sets: the classes to answer in, as sets of the network's; None for the network's.
    """

    def __init__(self, model: Network, class_sets: ClassSets | None = None) -> None:
        self.model = model.eval()
        self.modalities = model.config.modalities
        self._class_sets = class_sets
        self._num_classes = len(class_sets.ids) if class_sets else model.config.num_classes

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.model.parameters()).device

    @property
    def precision(self) -> str:
        """'fp32', 'bf16' or 'fp16'."""
        return precision_name(self.model.dtype)

    def __call__(
        self, images: Mapping[str, npt.NDArray[np.generic]], out_hw: tuple[int, int]
    ) -> npt.NDArray[np.uint8]:
        """Labels [H, W] of one instant; modality to image [h, w, 3], absent ones left out."""
        with torch.inference_mode():
            x = {name: self._stacked([image]) for name, image in images.items()}
            logits_BKhw = self.model.logits(x)
            labels: npt.NDArray[np.uint8] = (
                self._labels(logits_BKhw, out_hw)[0].to(torch.uint8).cpu().numpy())
        return labels

    @torch.inference_mode()
    def encode(self, images: Mapping[str, Sequence[npt.NDArray[np.generic]]]) -> Encoded:
        """Of B images [H, W, 3], uint8 or float32 in 0..255, of each modality."""
        return {name: self.model.normalize(name, self._stacked(many))
                for name, many in images.items()}

    @torch.inference_mode()
    def encode_normalized(
        self, x: Mapping[str, Sequence[npt.NDArray[np.float32]]]
    ) -> Encoded:
        """Of B normalised images [3, H, W] of each modality."""
        return {name: self._on_device(many).to(self.model.dtype) for name, many in x.items()}

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
        self, encoded: Encoded, subsets: Sequence[Subset], missing: str = DROP,
        size_hw: tuple[int, int] = (0, 0),
    ) -> dict[Subset, Tensor]:
        """Logits [B, K, h, w] of each subset of the modalities that every sample has.

        Args:
            missing: 'drop' leaves out what a subset lacks, 'zero' encodes a normalised input of
                zeros in its place.
            size_hw: of the network's input, for 'zero'.
        """
        found = {}
        for subset in subsets:
            x = {name: encoded[name] for name in subset}
            present_BM = check_presence(x, None, self.modalities)
            if missing == ZERO:
                x, present_BM = zero_filled(x, present_BM, self.modalities)
            found[subset] = self.model.logits_of_normalized(x, present_BM)
        return found

    @torch.inference_mode()
    def logits(self, encoded: Encoded) -> Tensor:
        """Logits [B, K, h, w] of all modalities that the batch has."""
        return self.model.logits_of_normalized(encoded)

    def replaced(self, encoded: Encoded, degraded: Encoded) -> Encoded:
        """The batch with the modalities of ``degraded`` from there."""
        return {**encoded, **degraded}

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
            pairs_HW = truth_HW + self._labels(logits_Khw[None], (height, width_px))[0]
            counts = torch.bincount(pairs_HW.flatten(), minlength=width * width)
            # The last row holds the unlabelled pixels.
            counted.append(counts.view(width, width)[:-1].cpu().numpy())
        return counted

    def truth_of(self, frame: Frame) -> Tensor:
        """A frame's labels as ``counts`` takes them, on the device.

        Raises:
            ConfigError: a label is neither a class nor 255.
        """
        labels = frame.labels
        known = labels != UNLABELLED
        largest = int(labels.max(initial=0, where=known))
        if largest >= self._num_classes:
            raise ConfigError(f'{frame.id} has label {largest}; allowed: 0 to '
                              f'{self._num_classes - 1}, and {UNLABELLED} for unlabelled')
        rows = np.where(known, labels, self._num_classes).astype(np.int64)
        return torch.from_numpy(rows * (self._num_classes + 1)).to(self.device)

    def _labels(self, logits_BKhw: Tensor, out_hw: tuple[int, int]) -> Tensor:
        if self._class_sets is None:
            return labels_at(logits_BKhw, out_hw)
        return labels_at(logits_BKhw, out_hw, lambda x: own_logits(x, self._class_sets))

    def _stacked(self, images: Sequence[npt.NDArray[np.generic]]) -> Tensor:
        return self._on_device(images).permute(0, 3, 1, 2)

    def _on_device(self, arrays: Sequence[npt.NDArray[np.generic]]) -> Tensor:
        return torch.from_numpy(np.stack(arrays)).to(self.device)


class SeparableSubsetNetwork(SubsetNetwork):
    """Of a network that encodes each sensor once for all combinations: maps are held."""

    model: SeparableNetwork

    @torch.inference_mode()
    def encode(self, images: Mapping[str, Sequence[npt.NDArray[np.generic]]]) -> FeatureMaps:
        return self.model.encode({name: self._stacked(many) for name, many in images.items()})

    @torch.inference_mode()
    def encode_normalized(
        self, x: Mapping[str, Sequence[npt.NDArray[np.float32]]]
    ) -> FeatureMaps:
        return self.model.encode_normalized(
            {name: self._on_device(many) for name, many in x.items()})

    @torch.inference_mode()
    def logits_of_subsets(
        self, encoded: FeatureMaps, subsets: Sequence[Subset], missing: str = DROP,
        size_hw: tuple[int, int] = (0, 0),
    ) -> dict[Subset, Tensor]:
        absent = None
        if missing == ZERO:
            absent = self.model.encode_absent(encoded.num_samples, size_hw)
        return self.model.logits_of_feature_subsets(encoded, subsets, absent)

    @torch.inference_mode()
    def logits(self, encoded: FeatureMaps) -> Tensor:
        return self.model.decode(self.model.fuse(encoded))

    def replaced(self, encoded: FeatureMaps, degraded: FeatureMaps) -> FeatureMaps:
        struck = set(degraded.modality_P.tolist())
        clean = [column for column in range(encoded.num_modalities) if column not in struck]
        return select_modalities(encoded, clean, degraded)


class GuidedSubsetNetwork(SubsetNetwork):
    """Of a network whose guidance, once worked out, serves all combinations."""

    model: GuidedNetwork

    @torch.inference_mode()
    def logits_of_subsets(
        self, encoded: Encoded, subsets: Sequence[Subset], missing: str = DROP,
        size_hw: tuple[int, int] = (0, 0),
    ) -> dict[Subset, Tensor]:
        if missing == ZERO:
            return super().logits_of_subsets(encoded, subsets, missing, size_hw)
        guidance_BGD = self.model.guide_normalized(encoded)
        return {
            subset: self.model.logits_of_normalized(
                {name: encoded[name] for name in subset}, None, guidance_BGD)
            for subset in subsets
        }
