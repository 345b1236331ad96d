# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Everything about a trained network but its tensors, and its form as plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from anymodal_seg_ros import limits
from anymodal_seg_ros.bundle.artefacts import Artefact, artefacts_from, check_artefacts
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.labels import LabelSpace
from anymodal_seg_ros.models import MISSING_MODES, MODELS

FORMAT_VERSION = 3
FROM_DATASET = {'source': 'dataset'}
"""Stands for an encoder's settings where a data set's authors encoded the images: such a bundle
is for training and evaluation, and no node can run it."""
KEYS = {'format_version', 'model', 'encoders', 'label_space', 'short_side_px', 'missing_mode',
        'provenance', 'artefacts'}


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """Everything about a trained network but its weights. Raises ConfigError when inconsistent."""

    model_name: str
    model_config: Mapping[str, Any]
    """Plain data; settings left out are filled in with their defaults."""
    encoders: Mapping[str, Mapping[str, Any]]
    """Encoder settings of exactly the modalities of the network, or ``FROM_DATASET``."""
    label_space: LabelSpace
    short_side_px: int
    """Size of the shorter side of the network's input; the aspect is the camera's."""
    missing_mode: str = 'drop'
    """'drop': an absent modality is left out of the mean; 'zero': an input of zeros, after
    normalisation, takes its place."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """How it came about: recipe, seed, data, scores. JSON data."""
    artefacts: tuple[Artefact, ...] = ()
    """What lies in the folder beside the weights."""

    def __post_init__(self) -> None:
        limits.one_of('model', self.model_name, MODELS)
        limits.table('model config', self.model_config)
        config = MODELS[self.model_name].config.from_dict(self.model_config)
        object.__setattr__(self, 'model_config', config.to_dict())
        if config.num_classes != self.label_space.num_classes:
            raise ConfigError(
                f'the network has {config.num_classes} classes but label space '
                f'{self.label_space.name!r} has {self.label_space.num_classes}'
            )
        settings = self.encoders
        if (
            not isinstance(settings, Mapping)
            or set(settings) != set(config.modalities)
            or not all(isinstance(value, Mapping) for value in settings.values())
        ):
            raise ConfigError.of(
                'encoders', settings,
                f'one table of settings for each of {", ".join(config.modalities)}')
        limits.whole('short_side_px', self.short_side_px, 32, 4096)
        limits.one_of('missing_mode', self.missing_mode, MISSING_MODES)
        limits.table('provenance', self.provenance)
        check_artefacts(self.artefacts)

    @property
    def modalities(self) -> tuple[str, ...]:
        """The network's modalities, in its order."""
        return tuple(self.model_config['modalities'])

    def artefacts_of(self, kind: str) -> tuple[Artefact, ...]:
        """Those of a kind, as declared; ``folder.read_artefact`` gives their content."""
        return tuple(artefact for artefact in self.artefacts if artefact.kind == kind)

    def to_dict(self) -> dict[str, Any]:
        """Plain data of the newest version, for a bundle's JSON and for checkpoints."""
        return {
            'format_version': FORMAT_VERSION,
            'model': {'name': self.model_name, 'config': dict(self.model_config)},
            'encoders': {name: dict(value) for name, value in self.encoders.items()},
            'label_space': self.label_space.to_dict(),
            'short_side_px': self.short_side_px,
            'missing_mode': self.missing_mode,
            'provenance': dict(self.provenance),
            'artefacts': [artefact.to_dict() for artefact in self.artefacts],
        }

    @classmethod
    def from_dict(cls, data: object) -> Bundle:
        """Inverse of ``to_dict``, of older versions too.

        Raises:
            ConfigError: a newer version, a key too much or too few, or a value that is not
                allowed.
        """
        data = _newest(data)
        model = data['model']
        check_keys('model', model, {'name', 'config'})
        bundle = cls(
            model_name=model['name'],
            model_config=model['config'],
            encoders=data['encoders'],
            label_space=LabelSpace.from_dict(data['label_space']),
            short_side_px=data['short_side_px'],
            missing_mode=data['missing_mode'],
            provenance=data['provenance'],
            artefacts=artefacts_from(data['artefacts']),
        )
        # A default that changes in a later version must not change an old bundle.
        check_keys('model config', model['config'], set(bundle.model_config))
        return bundle


def _newest(data: object) -> dict[str, Any]:
    """The same in the newest version."""
    if not isinstance(data, dict) or 'format_version' not in data:
        check_keys('bundle', data, KEYS)
    assert isinstance(data, dict)
    version = data['format_version']
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ConfigError.of('format_version', version, f'1 to {FORMAT_VERSION}')
    if version > FORMAT_VERSION:
        raise ConfigError(
            f'format_version {version} is of a newer release; this one reads 1 to '
            f'{FORMAT_VERSION}: install a newer anymodal_seg_ros, or export the bundle with this '
            'one')
    for step in range(version, FORMAT_VERSION):
        data = STEPS[step](data)
    check_keys('bundle', data, KEYS)
    return data


def _from_1(data: dict[str, Any]) -> dict[str, Any]:
    """Version 1 had no artefacts."""
    check_keys('bundle of format_version 1', data, KEYS - {'artefacts'})
    return {**data, 'format_version': 2, 'artefacts': []}


def _from_2(data: dict[str, Any]) -> dict[str, Any]:
    """EQUISeg of version 2 had cross-attention once a stage."""
    return {**_with_settings(data, 'equiseg', {'cmtb_every_block': False}), 'format_version': 3}


def _with_settings(
    data: dict[str, Any], model_name: str, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """With settings that bundles of that network lack; what is no such bundle stays as it is."""
    model = data.get('model')
    if not isinstance(model, dict) or model.get('name') != model_name:
        return data
    config = model.get('config')
    if not isinstance(config, dict):
        return data
    # Development writes a setting before the version is raised: what is there is kept.
    return {**data, 'model': {**model, 'config': {**settings, **config}}}


STEPS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1, 2: _from_2}
"""Version to what makes the next one of it."""


def check_keys(what: str, table: object, allowed: set[str]) -> None:
    """Raises ConfigError unless ``table`` is a table of exactly these keys."""
    if not isinstance(table, dict) or set(table) != allowed:
        found = sorted(table) if isinstance(table, dict) else repr(table)
        raise ConfigError(f'{what} must have exactly {sorted(allowed)}, not {found}')
