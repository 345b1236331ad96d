# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SegRGB-X: streams of one encoder, steered by CLIP, fused in pairs with the camera's.
Layer: models; torch only.

Source: "SegRGB-X: General RGB-X Semantic Segmentation Model", arXiv 2603.28023. It has a camera
and one other sensor; any number of others, and either of them alone, are beyond it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from anymodal_seg_ros.models.abilities import GuidedNetwork
from anymodal_seg_ros.models.features import FeatureMaps
from anymodal_seg_ros.models.head import FoldedMlpHead, MlpHead
from anymodal_seg_ros.models.mit import MixTransformer, Stage
from anymodal_seg_ros.models.mit_sizes import BACKBONES
from anymodal_seg_ros.models.presence import check_presence, present_rows
from anymodal_seg_ros.models.segrgbx.clip_sizes import CLIP_SIZES
from anymodal_seg_ros.models.segrgbx.clip_tower import ModalityClip
from anymodal_seg_ros.models.segrgbx.config import NONE, SegRgbXConfig
from anymodal_seg_ros.models.segrgbx.dsrm import DomainSpecificRefinement
from anymodal_seg_ros.models.segrgbx.fusion import StreamFusion
from anymodal_seg_ros.models.segrgbx.prompts import StagePrompts
from anymodal_seg_ros.models.segrgbx.steering import steering
from anymodal_seg_ros.models.segrgbx.streams import StreamPairs
from anymodal_seg_ros.models.weights import load_encoder_weights


class SegRgbX(GuidedNetwork):
    """One MiT for all sensors with prompts in every stage; refinement after the last one;
    rectification and fusion after each; SegFormer's head. Logits have stride 4."""

    config: SegRgbXConfig

    def __init__(self, config: SegRgbXConfig) -> None:
        super().__init__(config)
        size, clip_size = BACKBONES[config.backbone], CLIP_SIZES[config.clip]
        self.primary = config.modalities.index(config.primary)
        self.encoder = MixTransformer(size, drop_path=config.drop_path)
        self.prompts = nn.ModuleList(
            StagePrompts(
                config.modalities, clip_size.dim, dim, num_heads, depth,
                control=config.control_prompts, learned=config.learned_prompts,
                gated=config.prompt_gate)
            for dim, num_heads, depth in zip(size.dims, size.heads, size.depths, strict=True)
        )
        self.dsrm: DomainSpecificRefinement | None = None
        if config.dsrm != NONE:
            self.dsrm = DomainSpecificRefinement(
                size.dims[-1], size.heads[-1], clip_size.dim, order=config.dsrm,
                prompt=config.dsrm_prompt, residual=config.dsrm_residual)
        self.fusions = nn.ModuleList(
            StreamFusion(dim, num_heads, config.fusion_norm,
                         has_pairs=len(config.modalities) > 1)
            for dim, num_heads in zip(size.dims, size.heads, strict=True)
        )
        self.head: MlpHead | FoldedMlpHead = MlpHead(
            size.dims, config.head_dim, config.num_classes
        )
        self.clip: ModalityClip | None = None
        if config.uses_guidance:
            self.clip = ModalityClip(clip_size, config.adapters, config.lora_rank)

    @property
    def guidance_shape(self) -> tuple[int, int]:
        """2M embeddings; see ``steering``."""
        return 2 * len(self.config.modalities), CLIP_SIZES[self.config.clip].dim

    @torch.no_grad()
    def guide_normalized(
        self, x: Mapping[str, Tensor], present_BM: Tensor | None = None
    ) -> Tensor:
        """See ``GuidedNetwork``: embeddings of what is present, 0 elsewhere; see ``steering``."""
        modalities = self.config.modalities
        present_BM = check_presence(x, present_BM, modalities)
        guidance_BGD = self.mean_M3.new_zeros(len(present_BM), *self.guidance_shape)
        if self.clip is None:
            return guidance_BGD
        of_primary_BM = present_BM & present_BM[:, self.primary, None]
        of_primary_BM[:, self.primary] = False
        wanted_BG = torch.cat([present_BM, of_primary_BM], dim=1)
        images, adapters = [], []
        for slot in wanted_BG.any(0).nonzero().flatten().tolist():
            under = modalities[slot % len(modalities)]
            seen = under if slot < len(modalities) else self.config.primary
            levels_NCHW = self._in_levels(seen, x[seen][wanted_BG[:, slot]])
            images.append(levels_NCHW)
            adapters += [None if under == self.config.primary else under] * len(levels_NCHW)
        slot_P, sample_P = wanted_BG.T.nonzero().to(guidance_BGD.device).unbind(1)
        guidance_BGD[sample_P, slot_P] = self.clip.embed(torch.cat(images), adapters)
        return guidance_BGD

    def _in_levels(self, modality: str, x_BCHW: Tensor) -> Tensor:
        """Normalised images to 0..255."""
        row = self.config.modalities.index(modality)
        return x_BCHW.float() * self.std_M3[row, :, None, None] + self.mean_M3[row, :, None, None]

    def logits_of_normalized(
        self, x: Mapping[str, Tensor], present_BM: Tensor | None = None,
        guidance_BGD: Tensor | None = None,
    ) -> Tensor:
        """See ``GuidedNetwork.logits_of_normalized``."""
        present_BM = check_presence(x, present_BM, self.config.modalities)
        if guidance_BGD is None:
            guidance_BGD = self.guide_normalized(x, present_BM)
        self.check_guidance(guidance_BGD, len(present_BM))
        rows = present_rows(x, present_BM, self.config.modalities)
        x_PCHW = torch.cat([rows[modality].to(self.dtype) for modality in rows])
        guidance_BGD = guidance_BGD.to(x_PCHW)
        control_PD, refining_PD = (
            steering(guidance_BGD, present_BM, self.primary, source)
            for source in (self.config.control, self.config.dsrm_guidance))
        streams = FeatureMaps.of_present((), present_BM)
        modality_P = streams.modality_P.to(x_PCHW.device, non_blocking=True)
        pairs = StreamPairs.of_streams(streams, self.primary, x_PCHW.device)
        x_PHWC = self.encoder.forward_stem(x_PCHW)
        fused = []
        for stage, prompts, fusion in zip(
            self.encoder.stages, self.prompts, self.fusions, strict=True
        ):
            assert isinstance(stage, Stage)
            x_PHWC = prompts(stage.blocks, stage.embed(x_PHWC), control_PD, modality_P)
            x_PHWC = stage.norm(x_PHWC)
            if self.dsrm is not None and stage is self.encoder.stages[-1]:
                x_PHWC = self.dsrm(x_PHWC, refining_PD)
            x_PHWC, fused_BHWC = fusion(x_PHWC, pairs)
            fused.append(fused_BHWC)
        logits_BKhw: Tensor = self.head(fused)
        return logits_BKhw

    def parameters_of(self, modality: str) -> list[nn.Parameter]:
        """See ``Network.parameters_of``: its prompts."""
        self.check_modality(modality)
        return [
            value for prompts in self.prompts for name, value in prompts.named_parameters()
            if name == f'learned.{modality}'
        ]

    @property
    def asks_every_parameter(self) -> bool:
        """See ``Network``: samples with and without a pair go different ways."""
        return False

    def load_pretrained(self, path: str | Path) -> None:
        """ImageNet weights of the encoder; see ``load_encoder_weights``."""
        load_encoder_weights(self.encoder, path)

    def load_guide(self, path: str | Path) -> None:
        """See ``GuidedNetwork.load_guide`` and ``ModalityClip.load_pretrained``."""
        if self.clip is None:
            super().load_guide(path)
        else:
            self.clip.load_pretrained(path)

    def prepare_for_inference(self, dtype: torch.dtype) -> None:
        """See ``Network.prepare_for_inference``."""
        # Folded in float32; only the product is rounded.
        if isinstance(self.head, MlpHead):
            self.head = self.head.folded()
        super().prepare_for_inference(dtype)
