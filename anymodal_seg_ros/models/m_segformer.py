# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""M-SegFormer: every sensor encoded by itself, those present averaged. Layer: models; torch only.

Source: the baseline of AnySeg (arXiv 2411.17141) and RobustSeg (CVPR 2026), whose one encoder
serves all sensors. Adapters, own encoders and reliability weights are options beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models.adapters import ModalityAdapters
from anymodal_seg_ros.models.features import (
    FeatureMaps,
    check_presence,
    select_modalities,
)
from anymodal_seg_ros.models.fusion import ReliabilityScores, fuse_present
from anymodal_seg_ros.models.head import FoldedMlpHead, MlpHead
from anymodal_seg_ros.models.m_segformer_config import MSegFormerConfig
from anymodal_seg_ros.models.mit import SHARED_STEM, MixTransformer
from anymodal_seg_ros.models.mit_sizes import BACKBONES
from anymodal_seg_ros.models.subsets import DROP, MISSING_MODES, ZERO, modality_subsets


class MSegFormer(nn.Module):
    """Segments from any non-empty subset of its modalities.

    Where a method takes ``images`` they are modality to [B, 3, H, W], uint8 or float in 0..255,
    absent ones left out; ``present_BM`` is bool, columns as in ``config.modalities``, and None
    means all of ``images`` for every sample (on the CPU it costs no device synchronisation);
    ``missing`` is a row of ``MISSING_MODES``. Each raises ValueError for an unknown modality,
    images of different or too small shapes, a presence mask of another shape, a sample without
    any modality, or an unknown ``missing``.
    """

    def __init__(self, config: MSegFormerConfig) -> None:
        super().__init__()
        self.config = config
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
        self.mean_M3: Tensor
        self.std_M3: Tensor
        for name, table in (('mean_M3', config.mean), ('std_M3', config.std)):
            rows = [[float(v) for v in table[modality]] for modality in config.modalities]
            self.register_buffer(name, torch.tensor(rows))

    def normalize(self, modality: str, x_BCHW: Tensor) -> Tensor:
        """(x - mean) / std of that modality, in the dtype of the encoder's weights."""
        row = self.config.modalities.index(modality)
        # Statistics stay float32: 0..255 has no room for rounding in half precision.
        std_C11 = self.std_M3[row, :, None, None]
        mean_C11 = self.mean_M3[row, :, None, None]
        x_BCHW = x_BCHW.to(dtype=torch.float32, memory_format=torch.channels_last)
        dtype = next(self.encoder.parameters()).dtype
        return ((x_BCHW - mean_C11) / std_C11).to(dtype)

    def encode(
        self,
        images: Mapping[str, Tensor],
        present_BM: Tensor | None = None,
        missing: str = DROP,
    ) -> FeatureMaps:
        """Encode the present (sample, modality) pairs; with ``missing`` 'zero' all pairs."""
        present_BM = check_presence(images, present_BM, self.config.modalities)
        if missing == ZERO:
            return self._encode_pairs(*self._zero_filled(images, present_BM))
        if missing != DROP:
            raise ValueError(f'missing {missing!r}; allowed: {", ".join(MISSING_MODES)}')
        inputs = _present_rows(images, present_BM, self.config.modalities)
        return self._encode_pairs(
            {modality: self.normalize(modality, x_NCHW) for modality, x_NCHW in inputs.items()},
            present_BM,
        )

    def encode_normalized(
        self, x: Mapping[str, Tensor], present_BM: Tensor | None = None
    ) -> FeatureMaps:
        """As ``encode``, from images [B, 3, H, W] that are already normalised."""
        present_BM = check_presence(x, present_BM, self.config.modalities)
        dtype = next(self.encoder.parameters()).dtype
        inputs = _present_rows(x, present_BM, self.config.modalities)
        return self._encode_pairs(
            {modality: x_NCHW.to(dtype=dtype) for modality, x_NCHW in inputs.items()}, present_BM
        )

    def encode_absent(self, num_samples: int, size_hw: tuple[int, int]) -> FeatureMaps:
        """What 'zero' makes of every modality of so many samples; each encoded only once."""
        reference = next(self.encoder.parameters())
        zeros = reference.new_zeros(1, 3, *size_hw).to(memory_format=torch.channels_last)
        one = self.encode_normalized(dict.fromkeys(self.config.modalities, zeros))
        columns = torch.arange(len(self.config.modalities))
        return FeatureMaps(
            maps=tuple(x_MHWC.repeat_interleave(num_samples, dim=0) for x_MHWC in one.maps),
            sample_P=torch.arange(num_samples).repeat(len(columns)),
            modality_P=columns.repeat_interleave(num_samples),
            num_samples=num_samples,
            num_modalities=len(columns),
        )

    def _zero_filled(
        self, images: Mapping[str, Tensor], present_BM: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        filled: dict[str, Tensor] = {}
        for modality, x_BCHW in images.items():
            x_BCHW = self.normalize(modality, x_BCHW)
            absent_B = ~present_BM[:, self.config.modalities.index(modality)]
            if absent_B.any():
                mask_B111 = absent_B[:, None, None, None].to(x_BCHW.device, non_blocking=True)
                x_BCHW = x_BCHW.masked_fill(mask_B111, 0.0)
            filled[modality] = x_BCHW
        zeros = torch.zeros_like(next(iter(filled.values())))
        inputs = {modality: filled.get(modality, zeros) for modality in self.config.modalities}
        return inputs, torch.ones_like(present_BM)

    def _encode_pairs(self, inputs: Mapping[str, Tensor], present_BM: Tensor) -> FeatureMaps:
        pairs_P2 = present_BM.T.nonzero()
        return FeatureMaps(
            maps=tuple(self._encode_packed(inputs)),
            sample_P=pairs_P2[:, 1].contiguous(),
            modality_P=pairs_P2[:, 0].contiguous(),
            num_samples=present_BM.shape[0],
            num_modalities=present_BM.shape[1],
        )

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

    def forward_with_features(
        self,
        images: Mapping[str, Tensor],
        present_BM: Tensor | None = None,
        missing: str = DROP,
    ) -> tuple[Tensor, FeatureMaps]:
        """Logits [B, K, H/4, W/4] and the maps they were made from."""
        features = self.encode(images, present_BM, missing)
        return self.decode(self.fuse(features)), features

    def forward_logits_stride4(
        self,
        images: Mapping[str, Tensor],
        present_BM: Tensor | None = None,
        missing: str = DROP,
    ) -> Tensor:
        """As ``forward`` but without the last upsampling: [B, K, H/4, W/4]."""
        return self.forward_with_features(images, present_BM, missing)[0]

    def forward(
        self,
        images: Mapping[str, Tensor],
        present_BM: Tensor | None = None,
        missing: str = DROP,
    ) -> Tensor:
        """Logits [B, K, H, W] at the size of the images."""
        logits_BKhw = self.forward_logits_stride4(images, present_BM, missing)
        size_hw = next(iter(images.values())).shape[-2:]
        return F.interpolate(logits_BKhw, size=size_hw, mode='bilinear', align_corners=False)

    def logits_of_subsets(
        self,
        images: Mapping[str, Tensor],
        subsets: Sequence[tuple[str, ...]] | None = None,
        missing: str = DROP,
    ) -> dict[tuple[str, ...], Tensor]:
        """Logits [B, K, H/4, W/4] of every subset from one encoding of each modality.

        Args:
            images: those of all modalities of the subsets, for every sample.
            subsets: None takes all non-empty ones of the modalities of ``images``.
            missing: 'zero' also encodes an input of zeros once for each modality.
        """
        if missing not in MISSING_MODES:
            raise ValueError(f'missing {missing!r}; allowed: {", ".join(MISSING_MODES)}')
        features = self.encode(images)
        absent = None
        if missing == ZERO:
            height, width = next(iter(images.values())).shape[-2:]
            absent = self.encode_absent(features.num_samples, (height, width))
        return self.logits_of_feature_subsets(features, subsets, absent)

    def logits_of_feature_subsets(
        self,
        features: FeatureMaps,
        subsets: Sequence[tuple[str, ...]] | None = None,
        absent: FeatureMaps | None = None,
    ) -> dict[tuple[str, ...], Tensor]:
        """As ``logits_of_subsets``, from maps that every sample has of each of its modalities.

        A subset is fused and decoded by the same calls as in ``forward``.

        Args:
            features: maps of all modalities of the subsets, for every sample.
            subsets: None takes all non-empty ones of the modalities of ``features``.
            absent: maps that stand in for the modalities which a subset lacks, complete; with
                None they are left out.

        Raises:
            ValueError: a subset has a modality that not every sample has.
        """
        modalities = self.config.modalities
        complete_M = (features.row_BM() >= 0).all(0).tolist()
        available = tuple(m for m, full in zip(modalities, complete_M, strict=True) if full)
        subsets = modality_subsets(available) if subsets is None else subsets
        for subset in subsets:
            if not subset or not set(subset) <= set(available):
                raise ValueError(f'subset {subset!r}; allowed: some of {list(available)}')
        logits = {}
        for subset in subsets:
            columns = [modalities.index(modality) for modality in subset]
            logits[subset] = self.decode(self.fuse(select_modalities(features, columns, absent)))
        return logits

    def parameters_of(self, modality: str) -> list[nn.Parameter]:
        """The parameters that this modality alone uses; raises ConfigError for an unknown one."""
        if modality not in self.config.modalities:
            allowed = ', '.join(self.config.modalities)
            raise ConfigError(f'unknown modality {modality!r}; the network has {allowed}')
        own: list[nn.Module] = []
        if not isinstance(self.encoder, MixTransformer):
            own.append(self.encoder[modality])
        elif self.config.stem == 'per_modality':
            own.append(self.encoder.stems[modality])
        if self.adapters is not None:
            own.append(self.adapters[modality])
        return [parameter for module in own for parameter in module.parameters()]

    def fold_head(self) -> None:
        """Replace the head by its evaluation-only form; the network can no longer be trained."""
        if isinstance(self.head, MlpHead):
            self.head = self.head.folded()


def _present_rows(
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
