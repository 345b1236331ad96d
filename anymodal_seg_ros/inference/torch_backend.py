# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""PyTorch backend, CPU and CUDA. Layer: inference; torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from anymodal_seg_ros.bundle import Bundle
from anymodal_seg_ros.bundle.weights import load_bundle
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.inference.answer import answer_at
from anymodal_seg_ros.inference.kept_guidance import KeptGuidance
from anymodal_seg_ros.inference.precision import (
    exact_float32,
    precision_name,
    resolve_precision,
)
from anymodal_seg_ros.inference.segmenter import (
    GUIDANCE_RANGE,
    THREAD_RANGE,
    Labels,
    check_predict_input,
)
from anymodal_seg_ros.models import build_model, modality_subsets
from anymodal_seg_ros.models.abilities import GuidedNetwork
from anymodal_seg_ros.models.network import Network
from anymodal_seg_ros.models.network_config import MIN_INPUT_PX


def resolve_device(name: str) -> torch.device:
    """'auto' (CUDA when there is one), 'cpu', 'cuda' or 'cuda:<index>'; else ConfigError."""
    if name == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    match = re.fullmatch(r'cpu|cuda(?::(\d+))?', name)
    if match is None:
        raise ConfigError.of('device', name, 'auto, cpu, cuda, cuda:<index>')
    if name == 'cpu':
        return torch.device('cpu')
    if not torch.cuda.is_available():
        raise ConfigError(f'device {name!r}: this PyTorch finds no CUDA GPU; allowed: auto, cpu')
    if match[1] and int(match[1]) >= torch.cuda.device_count():
        last = torch.cuda.device_count() - 1
        raise ConfigError.of('device', name, f'cuda:0 to cuda:{last}, auto, cpu')
    return torch.device(name)


class TorchSegmenter:
    """Runs a bundle's network with PyTorch; see ``Segmenter``."""

    def __init__(
        self,
        bundle: Bundle,
        state_dict: Mapping[str, Tensor],
        *,
        device: str = 'auto',
        precision: str = 'auto',
        num_threads: int = 0,
        guidance_frames: int = 1,
    ) -> None:
        """Build the network once and for all.

        Args:
            bundle: what was loaded.
            state_dict: its weights.
            device: 'auto', 'cpu', 'cuda' or 'cuda:<index>'.
            precision: 'auto', 'fp32', 'bf16' or 'fp16'. Half precisions hold weights and maps;
                normalisation and the logits' softmax stay float32.
            num_threads: CPU threads of PyTorch in this process; 0 leaves them as they are.
            guidance_frames: how many frames the guidance of a ``GuidedNetwork`` serves; with more
                than 1 an answer also rests on earlier images.

        Raises:
            ConfigError: an argument that is not allowed, or a device that is not there.
        """
        THREAD_RANGE.check('num_threads', num_threads, whole=True)
        GUIDANCE_RANGE.check('guidance_frames', guidance_frames, whole=True)
        self._bundle = bundle
        self._device = resolve_device(device)
        self._dtype = resolve_precision(precision, self._device)
        if num_threads > 0:
            torch.set_num_threads(num_threads)
        self._model = self._build(bundle, state_dict)
        self._guidance: KeptGuidance | None = None
        if guidance_frames > 1:
            if not isinstance(self._model, GuidedNetwork):
                raise ConfigError.of(
                    'guidance_frames', guidance_frames,
                    f'1 with network {bundle.model_name!r}, which has no guidance')
            self._guidance = KeptGuidance(self._model, guidance_frames, bundle.missing_mode)

    @classmethod
    def from_bundle(
        cls, path: str | Path, *, device: str, precision: str, num_threads: int,
        guidance_frames: int,
    ) -> TorchSegmenter:
        """Load a bundle folder; raises BundleError or ConfigError."""
        bundle, state_dict = load_bundle(path)
        return cls(
            bundle, state_dict, device=device, precision=precision, num_threads=num_threads,
            guidance_frames=guidance_frames,
        )

    def _build(self, bundle: Bundle, state_dict: Mapping[str, Tensor]) -> Network:
        model = build_model(bundle.model_name, bundle.model_config)
        model.load_state_dict(dict(state_dict), strict=True)
        model.prepare_for_inference(self._dtype)
        return model.to(self._device)

    @property
    def bundle(self) -> Bundle:
        """What was loaded."""
        return self._bundle

    @property
    def network(self) -> Network:
        """What runs, prepared for inference in its precision."""
        return self._model

    @property
    def description(self) -> str:
        """Backend, device and precision in words."""
        name = precision_name(self._dtype)
        threads = f', {torch.get_num_threads()} threads' if self._device.type == 'cpu' else ''
        return f'torch {torch.__version__} on {self._device}, {name}{threads}'

    @torch.inference_mode()
    def predict(
        self, images: Mapping[str, npt.NDArray[np.uint8]], out_hw: tuple[int, int]
    ) -> tuple[Labels, Labels]:
        """See ``Segmenter.predict``."""
        check_predict_input(images, out_hw, self._bundle.modalities, MIN_INPUT_PX)
        tensors = {modality: self._to_device(image) for modality, image in images.items()}
        with exact_float32():
            logits_1Khw = self._logits(tensors)
            input_hw = next(iter(images.values())).shape[:2]
            labels_HW, confidence_HW = answer_at(logits_1Khw, out_hw, input_hw)
        return labels_HW.cpu().numpy(), confidence_HW.cpu().numpy()

    def _logits(self, images: Mapping[str, Tensor]) -> Tensor:
        missing = self._bundle.missing_mode
        if self._guidance is None:
            return self._model.logits(images, missing=missing)
        assert isinstance(self._model, GuidedNetwork)
        return self._model.logits(
            images, missing=missing, guidance_BGD=self._guidance.of(images))

    def warm_up(self, size_hw: tuple[int, int], out_hw: tuple[int, int]) -> None:
        """See ``Segmenter.warm_up``."""
        blank = np.zeros((*size_hw, 3), np.uint8)
        for subset in modality_subsets(self._bundle.modalities):
            self.predict(dict.fromkeys(subset, blank), out_hw)
        self.forget()

    def forget(self) -> None:
        """See ``Segmenter.forget``."""
        if self._guidance is not None:
            self._guidance.forget()

    def _to_device(self, image: npt.NDArray[np.uint8]) -> Tensor:
        # A read-only array (a view of a message) cannot be wrapped without a warning.
        contiguous = np.require(image, requirements=['C', 'W'])
        return torch.from_numpy(contiguous).to(self._device).permute(2, 0, 1)[None]
