# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""CLIP from a local folder in the form of Hugging Face. Layer: models; torch only.

``config.json`` and ``model.safetensors``, of the whole CLIP or of its image tower alone. Nothing
is downloaded, and nothing that could be code is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymodal_seg_ros import limits
from anymodal_seg_ros.documents import read_json
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.existence import is_file
from anymodal_seg_ros.models.safetensors_file import check_tensors, read_tensors
from anymodal_seg_ros.models.segrgbx.clip_sizes import ClipSize

if TYPE_CHECKING:
    from anymodal_seg_ros.models.segrgbx.clip_tower import ModalityClip

CONFIG_FILE, WEIGHTS_FILE = 'config.json', 'model.safetensors'
MAX_CONFIG_BYTES = 1 << 20
TOWER = 'vision.'
WHOLE, TOWER_ALONE = 'clip', 'clip_vision_model'
KEYS: Mapping[str, tuple[str, Any]] = {
    'image_px': ('image_size', 224),
    'patch_px': ('patch_size', 32),
    'width': ('hidden_size', 768),
    'layers': ('num_hidden_layers', 12),
    'heads': ('num_attention_heads', 12),
    'mlp_dim': ('intermediate_size', 3072),
    'activation': ('hidden_act', 'quick_gelu'),
}
"""Field of ClipSize to the key of a config and what it is where the key is left out."""
PROJECTION, DEFAULT_DIM = 'projection_dim', 512
FIXED: Mapping[str, Any] = {'num_channels': 3, 'layer_norm_eps': 1e-5}


def load_clip(tower: ModalityClip, folder: Path) -> None:
    """Load the image tower of a folder; the adapters stay.

    Raises:
        ConfigError: no such folder or file, another size, or damaged.
    """
    size = read_clip_size(folder)
    own, found = asdict(tower.size), asdict(size)
    differing = {name: value for name, value in found.items() if value != own[name]}
    if differing:
        raise ConfigError(f'{folder} is a CLIP of {differing}; the network has '
                          f'{ {name: own[name] for name in differing} }')
    read = read_tensors(folder / WEIGHTS_FILE, _shapes(tower))
    tower.load_state_dict({**tower.state_dict(),
                           **{TOWER + name: value for name, value in read.items()}})


def check_clip(tower: ModalityClip, folder: Path) -> None:
    """Raises ConfigError unless the folder's weights are of the shapes of the tower's, which may
    be on the meta device."""
    check_tensors(folder / WEIGHTS_FILE, _shapes(tower))


def _shapes(tower: ModalityClip) -> dict[str, tuple[int, ...]]:
    """Of the tower's tensors, by the names of transformers."""
    return {name.removeprefix(TOWER): tuple(value.shape)
            for name, value in tower.state_dict().items() if name.startswith(TOWER)}


def read_clip_size(folder: Path) -> ClipSize:
    """Of the image tower that a folder holds.

    Raises:
        ConfigError: a file is missing, or it is no CLIP that this tower can be.
    """
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not is_file(folder / name):
            raise ConfigError(
                f'no CLIP at {folder}: {name} is missing; put {CONFIG_FILE} and {WEIGHTS_FILE} of '
                'a CLIP there, such as those of openai/clip-vit-base-patch16 on huggingface.co')
    path = folder / CONFIG_FILE
    data = read_json(path, MAX_CONFIG_BYTES)
    try:
        return _size_of(data)
    except ConfigError as error:
        raise ConfigError(f'{path}: {error}') from None


def _size_of(data: object) -> ClipSize:
    limits.table('the config', data)
    assert isinstance(data, Mapping)
    kind = data.get('model_type')
    limits.one_of('model_type', kind, (WHOLE, TOWER_ALONE))
    vision = data.get('vision_config') if kind == WHOLE else data
    limits.table('vision_config', vision)
    assert isinstance(vision, Mapping)
    for key, needed in FIXED.items():
        limits.one_of(key, vision.get(key, needed), (needed,))
    values = {field: vision.get(key, default) for field, (key, default) in KEYS.items()}
    return ClipSize(**values, dim=data.get(PROJECTION, DEFAULT_DIM))


def config_of(size: ClipSize) -> dict[str, Any]:
    """The ``config.json`` of an image tower alone."""
    values = asdict(size)
    return {'model_type': TOWER_ALONE, 'architectures': ['CLIPVisionModelWithProjection'],
            PROJECTION: size.dim, **FIXED,
            **{key: values[field] for field, (key, _) in KEYS.items()}}
