# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""EQUISeg: sensors look at each other while one encoder serves them all.
Layer: models; torch only.

Source: Tan et al., "Robust Multimodal Semantic Segmentation with Balanced Modality
Contributions", arXiv 2509.24505. Its loss is a training method of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from anymodal_seg_ros.models.abilities import FeatureNetwork
from anymodal_seg_ros.models.equiseg_block import CrossAttention, CrossModalBlock
from anymodal_seg_ros.models.equiseg_config import PROFILES, EquiSegConfig
from anymodal_seg_ros.models.equiseg_hub import SelfQueryHub
from anymodal_seg_ros.models.equiseg_partners import Partners
from anymodal_seg_ros.models.equiseg_ppx import ParallelPoolingMixer
from anymodal_seg_ros.models.features import FeatureMaps
from anymodal_seg_ros.models.fusion import fuse_present
from anymodal_seg_ros.models.head import FoldedMlpHead, MlpHead
from anymodal_seg_ros.models.mit import MixTransformer, Stage, init_weights
from anymodal_seg_ros.models.mit_sizes import BACKBONES
from anymodal_seg_ros.models.owned_layers import OwnedLayers
from anymodal_seg_ros.models.presence import check_presence, present_rows
from anymodal_seg_ros.models.weights import load_encoder_weights

SHARED = 'shared'
MIXER_RATIOS = (8, 8, 4, 4)


class EquiSeg(FeatureNetwork):
    """One MiT for all sensors with a cross-modal block after each stage's blocks, before its
    closing norm; the mean of the maps; SegFormer's head. Logits have stride 4."""

    config: EquiSegConfig

    def __init__(self, config: EquiSegConfig) -> None:
        super().__init__(config)
        size = BACKBONES[config.backbone]
        self.one_hub = PROFILES[config.profile].one_hub
        self.encoder = MixTransformer(size, drop_path=config.drop_path)
        self.blocks = nn.ModuleList()
        if config.cross_attention and len(config.modalities) > 1:
            self.blocks.extend(_block(config, stage) for stage in range(len(size.dims)))
        self.head: MlpHead | FoldedMlpHead = MlpHead(
            size.dims, config.head_dim, config.num_classes
        )

    @property
    def feature_dims(self) -> tuple[int, ...]:
        """Of the four stages."""
        return BACKBONES[self.config.backbone].dims

    def encode_normalized(
        self, x: Mapping[str, Tensor], present_BM: Tensor | None = None
    ) -> FeatureMaps:
        """See ``FeatureNetwork.encode_normalized``."""
        present_BM = check_presence(x, present_BM, self.config.modalities)
        rows = present_rows(x, present_BM, self.config.modalities)
        x_PCHW = torch.cat([rows[modality].to(self.dtype) for modality in rows])
        pairs = FeatureMaps.of_present((), present_BM)
        partners = None
        if len(self.blocks):
            partners = Partners.of_pairs(pairs, x_PCHW.device, one_hub=self.one_hub)
        x_PHWC = self.encoder.forward_stem(x_PCHW)
        maps = []
        for i, stage in enumerate(self.encoder.stages):
            assert isinstance(stage, Stage)
            x_PHWC = stage.embed(x_PHWC)
            if partners is None:
                x_PHWC = stage.transform(x_PHWC)
            else:
                x_PHWC = self._with_others(stage, self.blocks[i], x_PHWC, partners)
            x_PHWC = stage.norm(x_PHWC)
            maps.append(x_PHWC)
        return pairs.with_maps(maps)

    def _with_others(
        self, stage: Stage, cross: nn.Module, embedded_PHWC: Tensor, partners: Partners
    ) -> Tensor:
        """Through a stage's blocks and its cross-modal block."""
        assert isinstance(cross, CrossModalBlock)
        if not self.config.cmtb_every_block:
            x_PHWC = stage.transform(embedded_PHWC)
            source_PHWC = embedded_PHWC if self.config.hub_source == 'pre' else x_PHWC
            mixed_PHWC: Tensor = cross(x_PHWC, source_PHWC, partners)
            return mixed_PHWC
        x_PHWC, context_QHWC = embedded_PHWC, cross.context(embedded_PHWC, partners)
        attentions = (*cross.earlier, cross.attention)
        for block, attention in zip(stage.blocks, attentions, strict=True):
            x_PHWC = cross.attend(attention, block(x_PHWC), context_QHWC, partners)
        return x_PHWC

    def fuse(self, features: FeatureMaps) -> list[Tensor]:
        """See ``FeatureNetwork.fuse``: the mean."""
        return fuse_present(features, None)

    def decode(self, fused: Sequence[Tensor]) -> Tensor:
        """Logits [B, K, H/4, W/4] of fused maps."""
        logits_BKhw: Tensor = self.head(fused)
        return logits_BKhw

    def encoder_parameters(self) -> list[nn.Parameter]:
        """See ``FeatureNetwork.encoder_parameters``: with the cross-modal blocks."""
        return [*self.encoder.parameters(), *self.blocks.parameters()]

    def parameters_of(self, modality: str) -> list[nn.Parameter]:
        """See ``Network.parameters_of``: its blocks, or its scorers in shared blocks."""
        self.check_modality(modality)
        own: list[nn.Module] = []
        for module in self.blocks.modules():
            if isinstance(module, OwnedLayers) and modality in module.layers:
                own.append(module.layers[modality])
            elif isinstance(module, SelfQueryHub):
                own.extend(module.scorers_of(modality))
        return [parameter for module in own for parameter in module.parameters()]

    def load_pretrained(self, path: str | Path) -> None:
        """ImageNet weights of the encoder; see ``load_encoder_weights``."""
        load_encoder_weights(self.encoder, path)

    def prepare_for_inference(self, dtype: torch.dtype) -> None:
        """See ``Network.prepare_for_inference``."""
        # Folded and composed in float32; only the products are rounded.
        with torch.no_grad():
            if isinstance(self.head, MlpHead):
                self.head = self.head.folded()
            for module in self.blocks.modules():
                if isinstance(module, OwnedLayers):
                    module.keep_stacked()
                elif isinstance(module, SelfQueryHub):
                    module.keep_composed()
        super().prepare_for_inference(dtype)


def _block(config: EquiSegConfig, stage: int) -> CrossModalBlock:
    profile, size = PROFILES[config.profile], BACKBONES[config.backbone]
    owners = config.modalities if profile.per_primary else (SHARED,)
    dim = size.dims[stage]
    # As the last of the stage's own blocks.
    last = sum(size.depths[: stage + 1]) - 1
    drop_path = config.drop_path * last / (sum(size.depths) - 1)
    every = config.cmtb_every_block

    def attention() -> CrossAttention:
        return CrossAttention((SHARED,) if every else owners, dim, size.heads[stage],
                              size.reductions[stage])

    block = CrossModalBlock(
        SelfQueryHub(owners, config.modalities, dim, config.hub),
        ParallelPoolingMixer(
            owners, dim, MIXER_RATIOS[stage], drop_path, batch_norm=profile.batch_norm
        ),
        attention(),
        residual=config.residual,
        earlier=[attention() for _ in range(size.depths[stage] - 1) if every],
    )
    block.apply(init_weights)
    if profile.starts_at_zero:
        for each in (*block.earlier, block.attention):
            assert isinstance(each, CrossAttention)
            for parameter in each.proj.parameters():
                nn.init.zeros_(parameter)
    return block
