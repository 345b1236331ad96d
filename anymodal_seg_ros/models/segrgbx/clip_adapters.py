# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MA-CLIP's adapters on disk, in the form of peft: a folder for each. Layer: models; torch only.

``adapters/<modality>/adapter_config.json`` and ``adapter_model.safetensors``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from anymodal_seg_ros import limits
from anymodal_seg_ros.documents import read_json
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.existence import is_file
from anymodal_seg_ros.models.safetensors_file import read_tensors

if TYPE_CHECKING:
    from anymodal_seg_ros.models.segrgbx.clip_tower import ModalityClip

ALPHA_PER_RANK = 2
DROPOUT = 0.05
"""Of what goes into an adapter, while it learns."""
TARGETS = ('q_proj', 'k_proj', 'v_proj', 'out_proj')
FACTORS = ('lora_A', 'lora_B')
ADAPTERS_FOLDER = 'adapters'
CONFIG_FILE, WEIGHTS_FILE = 'adapter_config.json', 'adapter_model.safetensors'
MAX_CONFIG_BYTES = 1 << 20
_PREFIX = 'base_model.model.'


def load_adapters(tower: ModalityClip, folder: Path) -> None:
    """Load every adapter of the tower from ``folder/adapters``.

    Raises:
        ConfigError: one is missing, of another rank or kind, or damaged.
    """
    state = tower.state_dict()
    for name in tower.adapters:
        place = folder / ADAPTERS_FOLDER / name
        _check_config(place, tower.rank)
        wanted = {stored: tuple(state[own].shape)
                  for own, stored in _names(state, name).items()}
        read = read_tensors(place / WEIGHTS_FILE, wanted)
        state.update({own: read[stored] for own, stored in _names(state, name).items()})
    tower.load_state_dict(state)


def adapter_tensors(tower: ModalityClip, name: str) -> dict[str, Tensor]:
    """Of one adapter, by the names of peft."""
    state = tower.state_dict()
    return {stored: state[own].detach().cpu().contiguous()
            for own, stored in _names(state, name).items()}


def adapter_config(rank: int) -> dict[str, Any]:
    """What peft must know of an adapter to use it."""
    return {'peft_type': 'LORA', 'r': rank, 'lora_alpha': ALPHA_PER_RANK * rank,
            'lora_dropout': DROPOUT, 'target_modules': list(TARGETS), 'bias': 'none',
            'inference_mode': True}


def _names(state: Mapping[str, Tensor], adapter: str) -> dict[str, str]:
    """Own names of an adapter's tensors to those of peft."""
    prefix = f'adapters.{adapter}.'
    return {name: _PREFIX + name.removeprefix(prefix) for name in state
            if name.startswith(prefix)}


def _check_config(place: Path, rank: int) -> None:
    path = place / CONFIG_FILE
    if not is_file(path):
        raise ConfigError(f'no adapter at {place}: {CONFIG_FILE} is missing; '
                          'python -m training.ma_clip trains one')
    data = read_json(path, MAX_CONFIG_BYTES)
    limits.table(str(path), data)
    needed = {'peft_type': 'LORA', 'r': rank, 'lora_alpha': ALPHA_PER_RANK * rank,
              'use_rslora': False, 'use_dora': False}
    for key, value in needed.items():
        limits.one_of(f'{path}: {key}', data.get(key, False), (value,))
