# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which of a sample's modalities look at which others. Layer: models; torch only."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from anymodal_seg_ros.models.features import FeatureMaps
from anymodal_seg_ros.models.owned_layers import Owners


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Partners:
    """Primaries, and the contexts that they look at: others of their sample, to be merged.

    Pairs are (sample, modality) as in ``FeatureMaps``. Index tensors are on the maps' device.
    """

    primary_R: Tensor | None
    """int64: the pairs that have a partner; None where all have one."""
    primary_owners: Owners
    """Modalities of the primaries."""
    partner_QK: Tensor
    """int64: the pairs that are merged to each context; any pair fills up short rows."""
    is_partner_QK: Tensor | None
    """bool: False for what only fills up; None where nothing does."""
    context_owners: Owners
    """Modality of the primary that a context is for; of no meaning with one hub."""
    context_R: Tensor | None
    """int64: the context of each primary; None where there is one of each, in their order."""
    source_P: Tensor
    """int64: the modality of each pair."""

    @classmethod
    def of_pairs(
        cls, pairs: FeatureMaps, device: torch.device, *, one_hub: bool
    ) -> Partners | None:
        """Those of all pairs; None where no sample has two modalities.

        Args:
            pairs: the maps do not matter.
            device: of the maps.
            one_hub: one context for each sample, of all its modalities, rather than one for each
                primary, of the others.
        """
        row_BM = pairs.row_BM()
        has_partner_B = (row_BM >= 0).sum(1) > 1
        primary_R = has_partner_B[pairs.sample_P].nonzero().flatten()
        if len(primary_R) == 0:
            return None
        sample_R, modality_R = pairs.sample_P[primary_R], pairs.modality_P[primary_R]
        context_R = None
        if one_hub:
            merged_QM = row_BM[has_partner_B]
            context_R = (has_partner_B.cumsum(0) - 1)[sample_R].to(device)
            modality_Q = torch.zeros(len(merged_QM), dtype=torch.int64)
        else:
            merged_QM = row_BM[sample_R]
            merged_QM[torch.arange(len(sample_R)), modality_R] = -1
            modality_Q = modality_R
        longest = int((merged_QM >= 0).sum(1).max())
        order_QM = (merged_QM < 0).int().argsort(dim=1, stable=True)
        partner_QK = merged_QM.gather(1, order_QM)[:, :longest]
        is_partner_QK = partner_QK >= 0
        every = torch.arange(pairs.num_modalities)
        return cls(
            primary_R=None if len(primary_R) == len(pairs.sample_P) else primary_R.to(device),
            primary_owners=Owners(modality_R.to(device), torch.equal(modality_R, every)),
            partner_QK=partner_QK.clamp(min=0).to(device),
            is_partner_QK=None if bool(is_partner_QK.all()) else is_partner_QK.to(device),
            context_owners=Owners(modality_Q.to(device), torch.equal(modality_Q, every)),
            context_R=context_R,
            source_P=pairs.modality_P.to(device),
        )
