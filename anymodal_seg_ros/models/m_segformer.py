# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""M-SegFormer: every sensor encoded by itself, those present averaged. Layer: models; torch only.

Source: the baseline of AnySeg (arXiv 2411.17141) and RobustSeg (CVPR 2026), whose one encoder
serves all sensors. Adapters, own encoders and reliability weights are options beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from anymodal_seg_ros.models.abilities import SeparableNetwork
from anymodal_seg_ros.models.adapters import ModalityAdapters
from anymodal_seg_ros.models.features import FeatureMaps
from anymodal_seg_ros.models.fusion import ReliabilityScores, fuse_present
from anymodal_seg_ros.models.head import FoldedMlpHead, MlpHead
from anymodal_seg_ros.models.m_segformer_config import MSegFormerConfig
from anymodal_seg_ros.models.mit import SHARED_STEM, MixTransformer
from anymodal_seg_ros.models.mit_sizes import BACKBONES
from anymodal_seg_ros.models.presence import check_presence, present_rows
from anymodal_seg_ros.models.state import load_state
from anymodal_seg_ros.models.subsets import DROP
from anymodal_seg_ros.models.weights import load_encoder_weights


class MSegFormer(SeparableNetwork):
    """One MiT for all sensors, or one each; the mean of the maps; SegFormer's head.

    Logits have stride 4.
    """

    config: MSegFormerConfig

    def __init__(self, config: MSegFormerConfig) -> None:
        super().__init__(config)
        size = BACKBONES[config.backbone]
        self.encoder: MixTransformer | nn.ModuleDict
        if config.encoder == 'per_modality':
            self.encoder = nn.ModuleDict(
                {
                    modality: MixTransformer(size, stems=(modality,), drop_path=config.drop_path)
                    for modality in config.modalities
                }
            )
        else:
            stems = config.modalities if config.stem == 'per_modality' else (SHARED_STEM,)
            self.encoder = MixTransformer(size, stems=stems, drop_path=config.drop_path)
        self.head: MlpHead | FoldedMlpHead = MlpHead(
            size.dims, config.head_dim, config.num_classes
        )
        self.adapters: ModalityAdapters | None = None
        if config.encoder == 'adapters':
            self.adapters = ModalityAdapters(config.modalities, size.dims)
        self.scores: ReliabilityScores | None = None
        if config.fusion == 'reliability':
            self.scores = ReliabilityScores(size.dims)

    @property
    def feature_dims(self) -> tuple[int, ...]:
        """Of the four stages."""
        return BACKBONES[self.config.backbone].dims

    def encode(
        self,
        images: Mapping[str, Tensor],
        present_BM: Tensor | None = None,
        missing: str = DROP,
    ) -> FeatureMaps:
        """See ``FeatureNetwork.encode``."""
        if missing != DROP:
            return super().encode(images, present_BM, missing)
        present_BM = check_presence(images, present_BM, self.config.modalities)
        inputs = present_rows(images, present_BM, self.config.modalities)
        inputs = {modality: self.normalize(modality, x) for modality, x in inputs.items()}
        return FeatureMaps.of_present(self._encode_packed(inputs), present_BM)

    def encode_normalized(
        self, x: Mapping[str, Tensor], present_BM: Tensor | None = None
    ) -> FeatureMaps:
        """See ``FeatureNetwork.encode_normalized``."""
        present_BM = check_presence(x, present_BM, self.config.modalities)
        inputs = present_rows(x, present_BM, self.config.modalities)
        inputs = {modality: x_NCHW.to(dtype=self.dtype) for modality, x_NCHW in inputs.items()}
        return FeatureMaps.of_present(self._encode_packed(inputs), present_BM)

    def _encode_packed(self, inputs: Mapping[str, Tensor]) -> list[Tensor]:
        """Normalised images of each modality to four maps of all of them, one after another."""
        encoder = self.encoder
        if not isinstance(encoder, MixTransformer):
            encoded = [encoder[modality](x_NCHW, modality) for modality, x_NCHW in inputs.items()]
            return [torch.cat(level) for level in zip(*encoded, strict=True)]
        if self.config.stem == 'shared':
            x_PHWC = encoder.forward_stem(torch.cat(list(inputs.values())))
        else:
            x_PHWC = torch.cat([encoder.forward_stem(x, m) for m, x in inputs.items()])
        adapters = self.adapters
        if adapters is None:
            return encoder.forward_stages(x_PHWC)
        counts = {modality: len(x_NCHW) for modality, x_NCHW in inputs.items()}
        return encoder.forward_stages(x_PHWC, lambda x, stage: adapters(x, stage, counts))

    def fuse(self, features: FeatureMaps) -> list[Tensor]:
        """The maps of each sample's present modalities as one: four [B, H_i, W_i, C_i]."""
        return fuse_present(features, None if self.scores is None else self.scores(features))

    def decode(self, fused: Sequence[Tensor]) -> Tensor:
        """Logits [B, K, H/4, W/4] of fused maps."""
        logits_BKhw: Tensor = self.head(fused)
        return logits_BKhw

    def encoder_parameters(self) -> list[nn.Parameter]:
        """See ``FeatureNetwork.encoder_parameters``."""
        return list(self.encoder.parameters())

    def parameters_of(self, modality: str) -> list[nn.Parameter]:
        """See ``Network.parameters_of``: its encoder or stem, and its adapters."""
        self.check_modality(modality)
        own: list[nn.Module] = []
        if not isinstance(self.encoder, MixTransformer):
            own.append(self.encoder[modality])
        elif self.config.stem == 'per_modality':
            own.append(self.encoder.stems[modality])
        if self.adapters is not None:
            own.append(self.adapters[modality])
        return [parameter for module in own for parameter in module.parameters()]

    def adapted(self) -> MSegFormer:
        """With adapters, where one encoder serves all."""
        if self.config.encoder != 'shared':
            return self
        adapted = MSegFormer(replace(self.config, encoder='adapters'))
        adapted.load_form(self.state_dict())
        return adapted

    def load_pretrained(self, path: str | Path) -> None:
        """ImageNet weights of the encoder; see ``load_encoder_weights``."""
        load_encoder_weights(self.encoder, path)

    def load_form(self, state: Mapping[str, Tensor]) -> None:
        """See ``load_state``."""
        load_state(self, state)

    def prepare_for_inference(self, dtype: torch.dtype) -> None:
        """See ``Network.prepare_for_inference``."""
        # Folded in float32; only the product is rounded.
        if isinstance(self.head, MlpHead):
            self.head = self.head.folded()
        super().prepare_for_inference(dtype)
