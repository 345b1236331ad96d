# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The networks. A new one is a row in ``MODELS`` and, in this folder, its settings and its layers.

Nothing here imports torch before a network is asked for: settings are read without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from anymodal_seg_ros import limits
from anymodal_seg_ros.models.equiseg_config import EquiSegConfig
from anymodal_seg_ros.models.m_segformer_config import MSegFormerConfig
from anymodal_seg_ros.models.network_config import NetworkConfig
from anymodal_seg_ros.models.segrgbx.config import SegRgbXConfig
from anymodal_seg_ros.models.subsets import DROP, MISSING_MODES, ZERO, modality_subsets

if TYPE_CHECKING:
    from anymodal_seg_ros.models.network import Network


FEATURES, SEPARABLE, GUIDED = 'features', 'separable', 'guided'
ABILITIES = {
    FEATURES: 'the maps of each modality',
    SEPARABLE: 'one encoding of each modality for every subset',
    GUIDED: 'guidance that may be kept from one frame to the next',
}
"""What some networks offer beside logits: ``FeatureNetwork``, ``SeparableNetwork`` and
``GuidedNetwork``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    """A network by its settings and by the name of its class."""

    config: type[NetworkConfig]
    module: str
    network: str
    abilities: tuple[str, ...]
    """Of ``ABILITIES``."""
    smallest: Mapping[str, Any]
    """Settings of a form that is small enough to try things on."""

    def network_class(self) -> type[Network]:
        """Imports torch."""
        found: type[Network] = getattr(import_module(self.module), self.network)
        return found


MODELS: dict[str, ModelRow] = {
    'm_segformer': ModelRow(
        config=MSegFormerConfig, module='anymodal_seg_ros.models.m_segformer',
        network='MSegFormer', abilities=(FEATURES, SEPARABLE),
        smallest={'backbone': 'b0', 'head_dim': 16}),
    'equiseg': ModelRow(
        config=EquiSegConfig, module='anymodal_seg_ros.models.equiseg',
        network='EquiSeg', abilities=(FEATURES,),
        smallest={'backbone': 'b0', 'head_dim': 16}),
    'segrgbx': ModelRow(
        config=SegRgbXConfig, module='anymodal_seg_ros.models.segrgbx.network',
        network='SegRgbX', abilities=(GUIDED,),
        smallest={'backbone': 'b0', 'head_dim': 16, 'clip': 'tiny', 'lora_rank': 2,
                  'prompt_gate': False}),
}


DEFAULT_MODEL = 'm_segformer'


def build_model(name: str, config: Mapping[str, Any]) -> Network:
    """Build a network with fresh weights from its plain-data config.

    Raises:
        ConfigError: unknown name or setting, or a value that is not allowed.
    """
    limits.one_of('model', name, MODELS)
    row = MODELS[name]
    return row.network_class()(row.config.from_dict(config))


def model_name(config: NetworkConfig) -> str:
    """The row that settings belong to."""
    return next(name for name, row in MODELS.items() if row.config is type(config))


__all__ = [
    'ABILITIES',
    'DEFAULT_MODEL',
    'DROP',
    'FEATURES',
    'GUIDED',
    'MISSING_MODES',
    'MODELS',
    'SEPARABLE',
    'ZERO',
    'ModelRow',
    'NetworkConfig',
    'build_model',
    'modality_subsets',
    'model_name',
]
